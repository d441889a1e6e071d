"""What every refusal is: one canonical code, one reason, and metadata without personal data."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar


class Code(StrEnum):
    """The canonical codes (google.rpc.Code) that the domain answers with."""

    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    NOT_FOUND = "NOT_FOUND"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    FAILED_PRECONDITION = "FAILED_PRECONDITION"
    RESOURCE_EXHAUSTED = "RESOURCE_EXHAUSTED"
    ABORTED = "ABORTED"
    UNIMPLEMENTED = "UNIMPLEMENTED"
    UNAVAILABLE = "UNAVAILABLE"
    DATA_LOSS = "DATA_LOSS"


class DomainError(Exception):
    """A refusal: a code, a reason out of the contract's `ErrorReason`, and metadata."""

    code: ClassVar[Code]
    reason: ClassVar[str]

    def __init__(self, message: str, **metadata: str | int) -> None:
        """Refuse with *message*; *metadata* becomes `ErrorInfo.metadata`."""
        super().__init__(message)
        self.message = message
        self.metadata = {name: str(value) for name, value in metadata.items()}


class NotFoundError(DomainError):
    """There is no such thing, or it is another tenant's: the two answers are identical."""

    code = Code.NOT_FOUND
    thing: ClassVar[str]

    def __init__(self, **metadata: str | int) -> None:
        """Refuse in the same words for a missing thing and for another tenant's."""
        super().__init__(f"no such {self.thing}", **metadata)


class ForbiddenByStateError(DomainError):
    """The law, or the state of things, forbids the call; the same call may be right later."""

    code = Code.FAILED_PRECONDITION
    words: ClassVar[str]

    def __init__(self, **metadata: str | int) -> None:
        """Refuse in the words of the subclass."""
        super().__init__(self.words, **metadata)
