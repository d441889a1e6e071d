"""What a caller sees of a call that failed, in a form that tests can compare."""

from __future__ import annotations

from dataclasses import dataclass, field

import grpc
from google.rpc.error_details_pb2 import (
    BadRequest,
    ErrorInfo,
    RetryInfo,
)
from google.rpc.status_pb2 import Status


@dataclass(frozen=True)
class Refusal:
    """A status with its details; `violations` are pairs of field and rule."""

    code: str
    reason: str
    domain: str
    message: str
    metadata: dict[str, str] = field(default_factory=dict[str, str])
    violations: tuple[tuple[str, str], ...] = ()
    retry_seconds: float | None = None

    @property
    def fields(self) -> tuple[str, ...]:
        """The paths of the fields that break a rule."""
        return tuple(path for path, _ in self.violations)


def refusal(error: grpc.aio.AioRpcError) -> Refusal:
    """Return *error* as the caller of any language reads it, out of the trailers."""
    encoded = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin", b"")
    assert isinstance(encoded, bytes)
    status = Status.FromString(encoded)
    info, request, retry = ErrorInfo(), BadRequest(), RetryInfo()
    has_retry = False
    for detail in status.details:
        detail.Unpack(info)
        detail.Unpack(request)
        has_retry = detail.Unpack(retry) or has_retry
    assert not encoded or (status.code, status.message) == (error.code().value[0], error.details())
    return Refusal(
        code=error.code().name,
        reason=info.reason,
        domain=info.domain,
        message=error.details() or "",
        metadata=dict(info.metadata),
        violations=tuple((found.field, found.description) for found in request.field_violations),
        retry_seconds=retry.retry_delay.ToTimedelta().total_seconds() if has_retry else None,
    )
