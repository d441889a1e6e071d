"""What is wrong with the request itself, whatever the state of things."""

from __future__ import annotations

from dataclasses import dataclass

from server.domain.errors.refusal import Code, DomainError, ForbiddenByStateError


@dataclass(frozen=True, slots=True)
class Violation:
    """One field that breaks one rule; `field` is its path, such as `subject.tenant`."""

    field: str
    rule: str


class InvalidError(DomainError):
    """The request itself is wrong, whatever the state of things."""

    code = Code.INVALID_ARGUMENT

    def __init__(self, violations: tuple[Violation, ...], **metadata: str | int) -> None:
        """Refuse because of *violations*, all of them at once."""
        super().__init__("; ".join(f"{v.field}: {v.rule}" for v in violations), **metadata)
        self.violations = violations


class InvalidArgumentError(InvalidError):
    """Fields break their rules."""

    reason = "FIELD_INVALID"


class PageTokenInvalidError(InvalidError):
    """The page token isn't one of ours, or belongs to another list (AIP-158)."""

    reason = "PAGE_TOKEN_INVALID"

    def __init__(self) -> None:
        """Refuse the field `page_token`."""
        super().__init__((Violation("page_token", "must be what the same list returned"),))


class ResumeTokenInvalidError(InvalidError):
    """The resume token isn't one of ours, or belongs to another stream or an older database."""

    reason = "RESUME_TOKEN_INVALID"

    def __init__(self) -> None:
        """Refuse the field `resume_token`."""
        super().__init__((Violation("resume_token", "must be what the same stream returned"),))


class ConsistencyTokenInvalidError(InvalidError):
    """The consistency token isn't one of ours."""

    reason = "CONSISTENCY_TOKEN_INVALID"

    def __init__(self) -> None:
        """Refuse the field of the token, which every read has at the same place."""
        rule = "must be a token that an earlier call returned"
        super().__init__((Violation("consistency.at_least_as_fresh", rule),))


class TimeInFutureError(InvalidError):
    """A time lies in the future, beyond what clocks may differ."""

    reason = "TIME_IN_FUTURE"


class RequestIdReusedError(DomainError):
    """The request id belongs to an earlier call with another content (AIP-155)."""

    code, reason = Code.ALREADY_EXISTS, "REQUEST_ID_REUSED"

    def __init__(self) -> None:
        """Refuse without telling what the other call was."""
        super().__init__("request_id was used by a call with another content")


class EtagMismatchError(ForbiddenByStateError):
    """The resource was changed since the caller read it (AIP-154)."""

    reason = "ETAG_MISMATCH"
    words = "the etag is not the current one; read the resource again"


class NotBuiltYetError(DomainError):
    """The contract has it, this version of the server doesn't."""

    code, reason = Code.UNIMPLEMENTED, "NOT_BUILT_YET"

    def __init__(self, *, what: str) -> None:
        """Refuse the method or field *what*."""
        super().__init__(f"{what} is part of the contract, but not built yet", what=what)


class LimitExceededError(DomainError):
    """As much of something as there may be is there, and waiting does not help."""

    code, reason = Code.RESOURCE_EXHAUSTED, "LIMIT_EXCEEDED"

    def __init__(self, *, what: str, limit: int) -> None:
        """Refuse more than *limit* of *what*, such as "messages of an inquiry"."""
        super().__init__(f"there may be no more than {limit} {what}", what=what, limit=limit)
