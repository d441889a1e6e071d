"""`privacyctl`, also `python -m privacyctl`: the commands, in groups."""

from __future__ import annotations

import os
import sys
import traceback

import click

from privacyctl.audit import audit

_NOT_DONE = 2


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\b
Examples:
  privacyctl audit keys > keys.json
  privacyctl audit export --tenant acme > acme.log
  privacyctl audit verify acme.log --keys keys.json --tenant acme""",
)
@click.version_option(package_name="privacyctl")
def commands() -> None:
    """Work with the privacyrights service from the command line."""


commands.add_command(audit)


def main() -> None:
    """Run the command that is given, and exit with its code: 2 if it couldn't be done.

    1 says that something was found. So it is never said by accident: Python's own code for a
    defect, and click's for an interruption, would be 1 as well.
    """
    # gRPC's own lines on standard error say nothing that isn't said in better words.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        code = commands(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = _NOT_DONE
    except click.Abort:
        click.echo("Aborted.", err=True)
        code = _NOT_DONE
    except Exception:  # noqa: BLE001 – as the docstring says
        traceback.print_exc()
        code = _NOT_DONE
    sys.exit(code)


if __name__ == "__main__":
    main()
