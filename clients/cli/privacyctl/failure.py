"""The one way in which a command can't be done."""

from __future__ import annotations

import click


class FailureError(click.ClickException):
    """What was asked for couldn't be done; the message says why, and is all that is printed.

    It never has the exit code 1, which says that something was found.
    """

    exit_code = 2
