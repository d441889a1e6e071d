"""What the storage answers instead of a result."""

from __future__ import annotations

from server.domain.errors.refusal import Code, DomainError


class ConflictError(Exception):
    """What was read has changed, or what was to be added exists: read and decide again."""


class ConcurrentChangeError(DomainError):
    """Others kept changing the same thing; the call wrote nothing and can be repeated."""

    code, reason = Code.ABORTED, "CONCURRENT_CHANGE"

    def __init__(self) -> None:
        """Ask the caller to repeat."""
        super().__init__("others changed the same thing at the same time; repeat the call")


class StorageUnavailableError(DomainError):
    """The database can't answer or confirm now; a repeat with the same request id is safe."""

    code, reason = Code.UNAVAILABLE, "STORAGE_UNAVAILABLE"

    def __init__(self) -> None:
        """Ask the caller to repeat with the same request id."""
        super().__init__("the storage is unavailable; repeat the call with the same request_id")


class SealedContentCorruptError(DomainError):
    """What is stored isn't what we sealed: damaged, moved or tampered with.

    Nobody's request is at fault and no repeat mends it: it is logged as an error, and
    looked into as a possible breach of integrity (Art. 4(12)).
    """

    code, reason = Code.DATA_LOSS, "STORED_DATA_CORRUPT"

    def __init__(self) -> None:
        """Tell that stored data failed its check, and nothing about it."""
        super().__init__("stored data failed its integrity check")
