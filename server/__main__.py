"""The command line: `python -m server`, also installed as `privacyrights-server`."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from server.settings import Settings
from server.startup import EXIT_CODE, StartupError

if TYPE_CHECKING:
    from server.compose import App

DISTRIBUTION = "privacyrights-server"


def main(arguments: list[str] | None = None) -> int:
    """Serve, or show what would be served with; return the exit code of the process."""
    given = _parser().parse_args(arguments)
    try:
        settings = Settings.load(given.config)
        if given.show_config:
            print("\n".join(settings.shown()))  # noqa: T201 – what was asked for
            return 0
        if given.rotate_signing_key:
            return _rotate_signing_key(settings)
        return _serve(settings)
    except StartupError as error:
        print(error.rendered(), file=sys.stderr)  # noqa: T201 – one line, no log
        return EXIT_CODE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=DISTRIBUTION, description="Serve the privacy rights API over gRPC."
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="TOML file with settings")
    parser.add_argument(
        "--show-config", action="store_true", help="print the settings in effect, and where from"
    )
    parser.add_argument(
        "--rotate-signing-key",
        action="store_true",
        help="add a new key for certificates and checkpoints; it signs from the next start",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {version(DISTRIBUTION)}")
    return parser


def _rotate_signing_key(settings: Settings) -> int:
    from server.storage.key_file import add_signing_key  # noqa: PLC0415 – serving needs it later

    path = settings.master_key_path
    print(f"added signing key {add_signing_key(path)} to {path}")  # noqa: T201 – what was asked for
    print("give every server this file, then restart them one by one")  # noqa: T201 – as above
    return 0


def _serve(settings: Settings) -> int:
    # gRPC's own lines on standard error say nothing that isn't said in better words.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    # Only now: they take most of the time that a start takes, and a wrong setting needs none of it.
    from server import logs  # noqa: PLC0415 – as above
    from server.compose import compose  # noqa: PLC0415 – as above
    from server.serving.running import run  # noqa: PLC0415 – as above

    logs.configure(format=settings.log_format, level=settings.log_level)
    serving = run(compose(settings), drain_seconds=settings.drain_seconds, announce=_announce)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(serving)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 – not on every platform
    except ImportError:
        return None
    return uvloop.new_event_loop


def _announce(app: App) -> None:
    """Tell on standard output that the server answers, and what to try."""
    from server.interceptors.identity import DEVELOPMENT_MODE  # noqa: PLC0415 – loaded by now

    target = app.server.address
    if target.startswith("unix:"):
        target = f"-unix {target.removeprefix('unix:')}"
    grpcurl = f"{_grpcurl()} -plaintext"
    lines = [
        f"{DISTRIBUTION} {version(DISTRIBUTION)} serves on {app.server.address}",
        f"database: {app.database}",
        DEVELOPMENT_MODE,
        "",
        "Try, in another terminal:",
        f"  {grpcurl} {target} list",
        f"  {grpcurl} {target} grpc.health.v1.Health/Check",
        f"  {grpcurl} -d '{_FIRST_REQUEST}' \\",
        f"    {target} privacyrights.v1.TenantService/CreateTenant",
        "",
        "Stop with Ctrl-C; all that was answered is kept.",
    ]
    print("\n".join(lines), flush=True)  # noqa: T201 – for the person who started it


_FIRST_REQUEST = (
    '{"tenant_id": "acme", "request_id": "first-call",'
    ' "tenant": {"display_name": "Acme", "time_zone": "Europe/Paris"}}'
)


def _grpcurl() -> str:
    """Return how to run the grpcurl of this environment from here, if there is one."""
    installed = Path(sys.executable).with_name("grpcurl")
    if not installed.exists():
        return "grpcurl"
    here = Path.cwd()
    return str(installed.relative_to(here) if installed.is_relative_to(here) else installed)


if __name__ == "__main__":
    sys.exit(main())
