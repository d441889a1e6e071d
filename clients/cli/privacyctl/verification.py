"""`privacyctl audit verify`: the verdict on an exported log, without a network."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Generator
from contextlib import contextmanager
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import Any, BinaryIO

import click

from privacyctl import verdicts
from privacyctl.failure import FailureError
from privacyctl.log_choice import log_name, log_options
from privacyrights.audit import (
    Kept,
    KeysError,
    PublicKey,
    UnreadableError,
    read_keys,
    verify_log,
)

_NOT_VERIFIED = 1
_CHUNK = 1 << 20
# What is longer isn't keys, nor a note: a log in the place of one is told before it fills memory.
_MOST = 1 << 20

_FILE = click.Path(exists=True, dir_okay=False, readable=True)


@click.command(
    epilog="""\b
Exit codes: 0 verified, 1 not verified, 2 wrong usage or unreadable.

\b
Examples:
  privacyctl audit verify acme.log --keys keys.json --tenant acme
  privacyctl audit verify acme.log --keys keys.json --earlier march.note --earlier april.note
  privacyctl audit verify - --key "$KEY" --output json < acme.log"""
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option(
    "--keys",
    "key_files",
    type=_FILE,
    metavar="FILE",
    multiple=True,
    help="Keys to trust: a JWK set, or verifier keys, one a line. May be repeated.",
)
@click.option(
    "--key",
    "key_lines",
    metavar="KEY",
    multiple=True,
    help="A key to trust: name+hash+base64 (C2SP). May be repeated.",
)
@click.option(
    "--earlier",
    type=_FILE,
    metavar="FILE",
    multiple=True,
    help="A checkpoint that you kept: the log must begin with what it counts. May be repeated.",
)
@log_options
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_context
def verify(
    context: click.Context,
    *,
    file: str,
    key_files: tuple[str, ...],
    key_lines: tuple[str, ...],
    earlier: tuple[str, ...],
    tenant: str | None,
    platform: bool,
    output: str,
) -> None:
    """Verify the exported log FILE ("-": standard input) offline.

    Finds lines that were edited, dropped, moved, inserted or cut off, a log of somebody else,
    and – with a checkpoint that you kept – history that was rewritten or taken back.
    """
    log = log_name(tenant, platform=platform)
    keys = _keys(key_files, key_lines)
    kept = [Kept(path, _content(path)) for path in earlier]
    try:
        with _opened(file) as source:
            verdict = verify_log(source, keys, kept, log)
    except UnreadableError as error:
        raise FailureError(str(error)) from None
    except OSError as error:
        raise FailureError(f"can't read {file}: {error.strerror}") from None
    shown = verdicts.as_json if output == "json" else verdicts.as_text
    click.echo(shown(verdict, file))
    if not verdict.verified:
        context.exit(_NOT_VERIFIED)


def _keys(files: tuple[str, ...], lines: tuple[str, ...]) -> list[PublicKey]:
    given = [(path, _content(path)) for path in files]
    given += [("--key", line.encode(errors="replace")) for line in lines]
    if not given:
        raise click.UsageError("Name the keys that you trust: --keys FILE or --key KEY.")
    keys: list[PublicKey] = []
    for name, content in given:
        try:
            keys += read_keys(content)
        except KeysError as error:
            raise FailureError(f"{name} can't be used: {error}") from None
    return keys


def _content(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            content = file.read(_MOST + 1)
    except OSError as error:
        raise FailureError(f"can't read {path}: {error.strerror}") from None
    if len(content) > _MOST:
        raise FailureError(f"{path} is too long: a log, where keys or a checkpoint were meant?")
    return content


@contextmanager
def _opened(path: str) -> Generator[BinaryIO]:
    """Open the file, and show on a terminal how far it has been read."""
    if path == "-":
        yield sys.stdin.buffer
        return
    with Path(path).open("rb", buffering=0) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            yield BufferedReader(file, _CHUNK)
            return
        with click.progressbar(
            length=status.st_size,
            label="Verifying",
            file=sys.stderr,
            hidden=not sys.stderr.isatty(),
        ) as bar:
            yield BufferedReader(_Told(file, bar), _CHUNK)


class _Told(RawIOBase):
    """A file that tells a progress bar what is read of it."""

    def __init__(self, file: RawIOBase, bar: Any) -> None:
        self._file = file
        self._bar = bar

    def readable(self) -> bool:
        """Say that it is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what fits into *buffer*, and tell how much it was."""
        count = self._file.readinto(buffer) or 0
        self._bar.update(count)
        return count
