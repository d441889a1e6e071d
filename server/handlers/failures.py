"""Items of a batch that fail: one reason each, as a call of its own would be refused."""

from __future__ import annotations

from privacyrights.v1 import error_reason_pb2, types_pb2
from server.domain.errors import DomainError, InvalidError


def item_failure(error: DomainError) -> types_pb2.ItemFailure:
    """Return why an item fails: its first violation, where it has several."""
    reason = error_reason_pb2.ErrorReason.Value(f"ERROR_REASON_{error.reason}")
    if isinstance(error, InvalidError):
        first = error.violations[0]
        return types_pb2.ItemFailure(
            reason=reason, message=f"{first.field}: {first.rule}", field=first.field
        )
    return types_pb2.ItemFailure(reason=reason, message=error.message)
