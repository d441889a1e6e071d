"""What a caller is told when a call fails: one table of codes, and google.rpc's details.

    DomainError            its own code, reason, message and metadata
    ServingError           what the layers refuse: draining, and the deadline
    whatever else          INTERNAL, in fixed words; the log tells its type and place

Nothing else ever reaches a caller: no exception's text, and no driver's.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar

import structlog
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import (
    BadRequest,
    ErrorInfo,
    RetryInfo,
)
from google.rpc.status_pb2 import Status
from grpc import StatusCode

from server.domain.errors import DomainError, InvalidError
from server.interceptors.exchange import seconds_left

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.message import Message

    from server.domain.errors import Violation
    from server.interceptors.exchange import Exchange, Step

ERROR_DOMAIN = "privacyrights.v1"
DETAILS_KEY = "grpc-status-details-bin"

RETRY_SECONDS = {StatusCode.ABORTED: 0.05, StatusCode.UNAVAILABLE: 1.0}
"""Codes after which the same call can be sent again, and how long to wait before it."""

# An error travels in the trailers, where gRPC allows for 8 KiB: base64 makes a third more of
# the details, and they hold the message a second time.
MAX_MESSAGE_BYTES = 1000
MAX_VIOLATIONS_BYTES = 2500

_log = structlog.get_logger("server.interceptors")


class ServingError(Exception):
    """A refusal that no decision of the domain is behind."""

    code: ClassVar[StatusCode]
    reason: ClassVar[str]
    words: ClassVar[str]


class DrainingError(ServingError):
    """The server was told to stop."""

    code, reason = StatusCode.UNAVAILABLE, "DRAINING"
    words = "the server is shutting down; repeat the call with the same request_id"


class DeadlineExceededError(ServingError):
    """The time for the call is over; a commit that is under way goes on."""

    code, reason = StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED"
    words = "the time for the call is over; a repeat with the same request_id tells how it ended"


class InternalError(ServingError):
    """A defect of ours; also what stands in for every exception that isn't meant for callers."""

    code, reason = StatusCode.INTERNAL, "INTERNAL"
    words = "the service failed; its log tells where"


def with_refusals(step: Step, rpc: str) -> Step:
    """Return *step*, answering whatever it raises with a status of ours."""

    async def answered(request: Any, exchange: Exchange) -> bytes | None:
        try:
            return await step(request, exchange)
        except asyncio.CancelledError:
            exchange.code = _code_of_cancelled(exchange)
            raise
        except (DomainError, ServingError) as error:
            refusal = error
        except Exception as error:  # noqa: BLE001 – nothing of it may reach the caller
            # Not with the call's one line: that has no place for an exception.
            _log.error("call failed", method=rpc, exc_info=error)
            refusal = InternalError()
        status = status_of(refusal)
        code = _CODES[status.code]
        exchange.code = code.name
        details = ((DETAILS_KEY, status.SerializeToString()),)
        return await exchange.context.abort(code, status.message, details)

    return answered


def status_of(error: DomainError | ServingError) -> Status:
    """Return *error* as a `google.rpc.Status` small enough for trailers (AIP-193)."""
    if isinstance(error, DomainError):
        code, message, metadata = StatusCode[error.code], error.message, error.metadata
    else:
        code, message, metadata = error.code, error.words, {}
    info = ErrorInfo(reason=error.reason, domain=ERROR_DOMAIN, metadata=metadata)
    details: list[Message] = [info]
    if isinstance(error, InvalidError):
        violations, left_out = _fitting(error.violations)
        if left_out:
            info.metadata["violations_left_out"] = str(left_out)
        details.append(BadRequest(field_violations=violations))
    if code in RETRY_SECONDS:
        delay = Duration()
        delay.FromMilliseconds(int(RETRY_SECONDS[code] * 1000))
        details.append(RetryInfo(retry_delay=delay))
    number: int = code.value[0]
    status = Status(code=number, message=_shortened(message))
    for detail in details:
        status.details.add().Pack(detail)
    return status


def _fitting(
    violations: Sequence[Violation],
) -> tuple[list[BadRequest.FieldViolation], int]:
    """Return the first *violations* that the trailers have room for, and how many are left out."""
    fitting: list[BadRequest.FieldViolation] = []
    room = MAX_VIOLATIONS_BYTES
    for violation in violations:
        made = BadRequest.FieldViolation(field=violation.field, description=violation.rule)
        room -= made.ByteSize() + 2
        if room < 0:
            break
        fitting.append(made)
    return fitting, len(violations) - len(fitting)


def _shortened(message: str) -> str:
    encoded = message.encode()
    if len(encoded) <= MAX_MESSAGE_BYTES:
        return message
    return encoded[: MAX_MESSAGE_BYTES - 3].decode(errors="ignore") + "…"


def _code_of_cancelled(exchange: Exchange) -> str:
    # gRPC cancels a call whose deadline has passed, often before our own clock strikes.
    left = seconds_left(exchange)
    is_late = left is not None and left <= 0
    return StatusCode.DEADLINE_EXCEEDED.name if is_late else StatusCode.CANCELLED.name


_CODES: dict[int, StatusCode] = {code.value[0]: code for code in StatusCode}
