"""Which log a command is about: a tenant's, or the platform's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def log_options(command: F) -> F:
    """Give *command* the options that `log_name` takes."""
    platform = click.option("--platform", is_flag=True, help="The log of what is no tenant's.")
    tenant = click.option("--tenant", metavar="ID", help="The log of this tenant.")
    return tenant(platform(command))


def log_name(tenant: str | None, *, platform: bool) -> str:
    """Return the resource name of the log that is asked for; empty if none is.

    Raises:
        UsageError: both are.
    """
    if tenant and platform:
        raise click.UsageError("Name one log: --tenant ID or --platform.")
    if platform:
        return "platform"
    return f"tenants/{tenant}" if tenant else ""


def one_log_name(tenant: str | None, *, platform: bool) -> str:
    """Return the resource name of the log that is asked for.

    Raises:
        UsageError: none is, or both are.
    """
    name = log_name(tenant, platform=platform)
    if not name:
        raise click.UsageError("Name a log: --tenant ID or --platform.")
    return name
