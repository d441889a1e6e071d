"""How the database refuses, in words of ours: no driver's text ever leaves this package.

A driver's message may quote a document (a duplicate key error does), so that it is
dropped here, together with the exception that held it; what stays is a number.

    StorageUnavailableError       the database can't answer or confirm now
    └── DatabaseRefusedError      it answered, with an error number
    TransactionAbortedError       nothing was written; the same transaction may be tried again
    WriteRefusedError             nothing was written, because of one document
    NotStorableError              a programming error: no document can be made of the entity
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import structlog
from pymongo.errors import OperationFailure, PyMongoError

from server.domain.errors import StorageUnavailableError
from server.storage.place import Place

INVALID_OPTIONS = 72
"""Among others: a time that the database hasn't reached."""
NAMESPACE_EXISTS = 48
DUPLICATE_KEY = 11000
TRANSIENT = "TransientTransactionError"
UNKNOWN_COMMIT = "UnknownTransactionCommitResult"

# What the schema, leases and reads with tokens ask for knowingly.
_EXPECTED = frozenset({INVALID_OPTIONS, NAMESPACE_EXISTS, DUPLICATE_KEY})

_log = structlog.get_logger("server.storage")


class DatabaseRefusedError(StorageUnavailableError):
    """The database answered with the error *number*; to a caller it is unavailable."""

    def __init__(self, number: int) -> None:
        """Keep the number, for those inside storage who know what it means."""
        super().__init__()
        self.number = number


class TransactionAbortedError(Exception):
    """The database aborted the transaction for a reason that passes; nothing was written."""


class WriteRefusedError(Exception):
    """A document was refused, and its whole transaction with it.

    `index` is its position in the command, or None where the database only counts.
    """

    def __init__(self, place: Place, index: int | None, *, is_conflict: bool) -> None:
        """Say which document; a refusal that is no conflict broke the collection's validator."""
        super().__init__(place.collection)
        self.place = place
        self.index = index
        self.is_conflict = is_conflict


class NotStorableError(TypeError):
    """An entity can't become a document, or a document an entity: the code is wrong."""


@contextmanager
def translated() -> Generator[None]:
    """Turn what a driver raises inside the block into one of our own errors."""
    try:
        yield
    except PyMongoError as error:
        raise _translation(error) from None


def _translation(error: PyMongoError) -> Exception:
    number = error.code if isinstance(error, OperationFailure) else None
    if error.has_error_label(TRANSIENT):
        return TransactionAbortedError()
    if number in _EXPECTED:
        return DatabaseRefusedError(number)
    if number is not None:
        _log.warning("database refused", reason=f"MongoDB error {number}")
        return DatabaseRefusedError(number)
    _log.warning("database unavailable", reason=type(error).__name__)
    return StorageUnavailableError()
