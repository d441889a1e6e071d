"""How a command reaches the service: where it is, who calls, how long to wait."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import click
import grpc
from google.rpc import error_details_pb2, status_pb2

from privacyctl.failure import FailureError

_CALLER = "x-privacyrights-caller"
_STATUS = "grpc-status-details-bin"
# A message holds up to 500 entries, each with a reason that may be long.
_CHANNEL = (("grpc.max_receive_message_length", 64 << 20),)
_UNREACHABLE = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Connection:
    """A channel to the service, and what goes with each call on it."""

    channel: grpc.Channel
    options: dict[str, Any]


def connection_options(command: F) -> F:
    """Give *command* the options that `connect` takes."""
    for option in (
        click.option(
            "--timeout",
            type=click.FloatRange(min=0, min_open=True),
            metavar="SECONDS",
            default=3600.0,
            show_default=True,
            help="How long the answer may take, to its end.",
        ),
        click.option(
            "--caller",
            envvar="PRIVACYCTL_CALLER",
            metavar="NAME",
            help="As whom the ledger is to name you.",
        ),
        click.option(
            "--address",
            envvar="PRIVACYCTL_ADDRESS",
            metavar="ADDRESS",
            default="127.0.0.1:50051",
            show_default=True,
            help="Where the service is: host:port or unix:/path.",
        ),
    ):
        command = option(command)
    return command


@contextmanager
def connect(address: str, caller: str | None, timeout: float) -> Generator[Connection]:
    """Open a connection for some calls of a command.

    Raises:
        FailureError: a call was refused, or didn't reach the service.
    """
    metadata = ((_CALLER, caller),) if caller else ()
    with grpc.insecure_channel(address, options=_CHANNEL) as channel:
        try:
            yield Connection(channel, {"metadata": metadata, "timeout": timeout})
        except grpc.RpcError as error:
            raise FailureError(_told(error, address)) from None


def _told(error: Any, address: str) -> str:
    code: grpc.StatusCode = error.code()
    if code in _UNREACHABLE and not _details(error):
        return f"the service at {address} doesn't answer: {code.name}"
    info = error_details_pb2.ErrorInfo()
    request = error_details_pb2.BadRequest()
    reason = ""
    violations: list[str] = []
    for detail in _details(error):
        if detail.Unpack(info):
            reason = f" {info.reason}"
        elif detail.Unpack(request):
            violations = [f"\n  {one.field}: {one.description}" for one in request.field_violations]
    return f"{code.name}{reason}: {error.details()}{''.join(violations)}"


def _details(error: Any) -> list[Any]:
    status = status_pb2.Status()
    for key, value in error.trailing_metadata() or ():
        if key == _STATUS:
            status.ParseFromString(value)
    return list(status.details)
