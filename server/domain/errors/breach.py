"""What a breach and its notices refuse."""

from __future__ import annotations

from server.domain.errors.refusal import ForbiddenByStateError, NotFoundError


class BreachNotFoundError(NotFoundError):
    """No such breach."""

    reason, thing = "BREACH_NOT_FOUND", "breach"


class NoticeNotFoundError(NotFoundError):
    """No such notice of the tenant."""

    reason, thing = "NOTICE_NOT_FOUND", "notice"


class BreachClosedError(ForbiddenByStateError):
    """The breach is closed: its record is complete and takes no more."""

    reason = "BREACH_CLOSED"
    words = "the breach is closed"
