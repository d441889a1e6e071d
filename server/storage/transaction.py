"""What one transaction can write, whichever driver carries it."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from typing import Any

from bson.timestamp import Timestamp
from pymongo.errors import PyMongoError

from server.domain.errors import StorageUnavailableError
from server.storage.failures import (
    DUPLICATE_KEY,
    UNKNOWN_COMMIT,
    WriteRefusedError,
    translated,
)
from server.storage.place import Document, Place


class Transaction:
    """Writes that hold together or not at all, once `commit` has returned.

    Concerns set on clients and collections are ignored in a transaction: it has its own.
    """

    def __init__(self, client: Any, session: Any) -> None:
        """Write through *session*, in which a transaction has been started."""
        self._client = client
        self._session = session

    async def find(self, place: Place, filter: Document) -> list[Document]:
        """Return what matches in the transaction's snapshot."""
        with translated():
            found = self._client[place.database][place.collection].find(
                filter, session=self._session
            )
            documents: list[Document] = await found.to_list(None)
        return documents

    async def insert(self, place: Place, documents: Sequence[object]) -> None:
        """Add *documents*, as `Driver.prepare` made them.

        Raises:
            WriteRefusedError: an id or a unique value exists, or the validator refuses.
        """
        await self._write(place, {"insert": place.collection, "documents": documents})

    async def replace(self, place: Place, replacements: Sequence[tuple[Document, object]]) -> None:
        """Replace the document that each filter matches.

        Raises:
            WriteRefusedError: a filter matches nothing, or the validator refuses.
        """
        updates = [{"q": filter, "u": document} for filter, document in replacements]
        reply = await self._write(place, {"update": place.collection, "updates": updates})
        if reply["n"] != len(updates):
            raise WriteRefusedError(place, None, is_conflict=True)

    async def delete(self, place: Place, filters: Sequence[Document]) -> None:
        """Delete the one document that each filter matches.

        Raises:
            WriteRefusedError: a filter matches nothing.
        """
        deletes = [{"q": filter, "limit": 1} for filter in filters]
        reply = await self._write(place, {"delete": place.collection, "deletes": deletes})
        if reply["n"] != len(deletes):
            raise WriteRefusedError(place, None, is_conflict=True)

    async def delete_all(self, place: Place, filter: Document, *, count: int) -> None:
        """Delete the *count* documents that *filter*, which tells their ids, matches.

        Raises:
            WriteRefusedError: there are not as many.
        """
        deletes = [{"q": filter, "limit": 0, "hint": "_id_"}]
        reply = await self._write(place, {"delete": place.collection, "deletes": deletes})
        if reply["n"] != count:
            raise WriteRefusedError(place, None, is_conflict=True)

    async def purge(self, place: Place, filters: Sequence[Document]) -> None:
        """Delete all that any filter matches, be it nothing."""
        deletes = [{"q": filter, "limit": 0} for filter in filters]
        await self._write(place, {"delete": place.collection, "deletes": deletes})

    async def commit(self, *, seconds: float) -> Timestamp:
        """Make the writes durable and return the time from which they are seen.

        Where the answer is lost, the database is asked again for as long as *seconds*.

        Raises:
            TransactionAbortedError: nothing was written.
            StorageUnavailableError: nobody knows.
        """
        until = time.monotonic() + seconds
        pause = 0.01
        while True:
            try:
                await self._session.commit_transaction()
            except PyMongoError as error:
                if not error.has_error_label(UNKNOWN_COMMIT):
                    with translated():
                        raise
                if time.monotonic() >= until:
                    raise StorageUnavailableError from None
                await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 – spreads load
                pause = min(pause * 2, 1)
            else:
                time_of_commit: Timestamp = self._session.operation_time
                return time_of_commit

    async def _write(self, place: Place, command: Document) -> Document:
        with translated():
            reply: Document = await self._client[place.database].command(
                command, session=self._session
            )
        errors = reply.get("writeErrors")
        if errors:
            first = errors[0]
            raise WriteRefusedError(
                place, first["index"], is_conflict=first["code"] == DUPLICATE_KEY
            )
        return reply
