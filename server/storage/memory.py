"""MongoDB imitated in memory, for tests that need no database; never for serving.

It has no transactions, validators, change streams or concerns: the writes of a
transaction are applied one by one, and taken back in reverse when one is refused.
Everything happens between two awaits of the event loop, so that nobody sees half of it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Collection, Coroutine, Sequence
from contextlib import asynccontextmanager
from functools import partial
from itertools import count
from typing import Any, cast

from bson.timestamp import Timestamp
from mongomock_motor import AsyncMongoMockClient
from pymongo.errors import DuplicateKeyError

from server.storage.driver import Driver
from server.storage.failures import INVALID_OPTIONS, DatabaseRefusedError, WriteRefusedError
from server.storage.place import Document, Key, Place
from server.storage.transaction import Transaction

NO_TIME = Timestamp(0, 0)
"""What the database puts its own time in for, in a document that is added."""

Undo = Callable[[], Coroutine[Any, Any, object]]


class MemoryTransaction(Transaction):
    """Writes that are taken back, last first, unless they are committed."""

    def __init__(self, driver: MemoryDriver) -> None:
        """Write into the memory of *driver*."""
        self._driver = driver
        self._undo: list[Undo] = []

    async def find(self, place: Place, filter: Document) -> list[Document]:
        """Return what matches."""
        return await self._driver.find(place, filter)

    async def insert(self, place: Place, documents: Sequence[object]) -> None:
        """Add *documents*."""
        collection = self._driver.collection(place)
        for index, document in enumerate(documents):
            stamped = {
                name: self._driver.tick() if value == NO_TIME else value
                for name, value in cast("Document", document).items()
            }
            try:
                inserted = await collection.insert_one(stamped)
            except DuplicateKeyError:
                raise WriteRefusedError(place, index, is_conflict=True) from None
            self._undo.append(partial(collection.delete_one, {"_id": inserted.inserted_id}))

    async def replace(self, place: Place, replacements: Sequence[tuple[Document, object]]) -> None:
        """Replace the document that each filter matches."""
        collection = self._driver.collection(place)
        for filter, document in replacements:
            before = await collection.find_one(filter)
            if before is None:
                raise WriteRefusedError(place, None, is_conflict=True)
            await collection.replace_one({"_id": before["_id"]}, document)
            self._undo.append(partial(collection.replace_one, {"_id": before["_id"]}, before))

    async def delete(self, place: Place, filters: Sequence[Document]) -> None:
        """Delete the one document that each filter matches."""
        collection = self._driver.collection(place)
        for filter in filters:
            before = await collection.find_one(filter)
            if before is None:
                raise WriteRefusedError(place, None, is_conflict=True)
            await collection.delete_one({"_id": before["_id"]})
            self._undo.append(partial(collection.insert_one, before))

    async def delete_all(self, place: Place, filter: Document, *, count: int) -> None:
        """Delete the *count* documents that *filter* matches."""
        found = await self._driver.find(place, filter)
        if len(found) != count:
            raise WriteRefusedError(place, None, is_conflict=True)
        await self.delete(place, [{"_id": document["_id"]} for document in found])

    async def purge(self, place: Place, filters: Sequence[Document]) -> None:
        """Delete all that any filter matches."""
        for filter in filters:
            found = await self._driver.find(place, filter)
            await self.delete(place, [{"_id": document["_id"]} for document in found])

    async def commit(self, *, seconds: float) -> Timestamp:  # noqa: ARG002 – nothing to wait for
        """Keep the writes."""
        self._undo.clear()
        return self._driver.tick()

    async def abort(self) -> None:
        """Take back what was not committed."""
        while self._undo:
            await self._undo.pop()()


class MemoryDriver(Driver):
    """The same as `Driver`, over mongomock."""

    has_change_streams = False

    def __init__(self) -> None:
        """Start with nothing."""
        self._client: Any = AsyncMongoMockClient(tz_aware=True)
        self._ticks = count(1)
        self._now = Timestamp(1, 0)

    async def close(self) -> None:
        """Forget nothing: the memory goes with the object."""

    def collection(self, place: Place) -> Any:
        """Return mongomock's collection."""
        return self._client[place.database][place.collection]

    def tick(self) -> Timestamp:
        """Return the next time of a commit."""
        self._now = Timestamp(1, next(self._ticks))
        return self._now

    def prepare(self, document: Document) -> tuple[object, int]:
        """Return *document* itself; memory has no limits of size."""
        return document, 0

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[MemoryTransaction]:
        """Start a transaction that is taken back unless it is committed inside the block."""
        transaction = MemoryTransaction(self)
        try:
            yield transaction
        finally:
            await transaction.abort()

    async def get(
        self, place: Place, wanted: Collection[Key], *, since: Timestamp | None = None
    ) -> dict[Key, Document]:
        """Return those *wanted* that exist."""
        if since is not None and since > self._now:
            raise DatabaseRefusedError(INVALID_OPTIONS)
        found = await self.find(place, {"_id": {"$in": [key.id for key in wanted]}})
        return {Key(each["tenant"], each["_id"]): each for each in found}

    async def get_linearizable(
        self,
        place: Place,
        key: Key,
        *,
        seconds: float,  # noqa: ARG002 – nothing to wait for
    ) -> Document | None:
        """Return the document *key*."""
        return (await self.get(place, [key])).get(key)

    async def find(
        self,
        place: Place,
        filter: Document,
        *,
        sort: Sequence[tuple[str, int]] = (),
        limit: int = 0,
        is_snapshot: bool = False,  # noqa: ARG002 – everything is
        fields: Collection[str] = (),
    ) -> list[Document]:
        """Return the documents that match, in order."""
        found = self.collection(place).find(filter, list(fields) or None)
        if sort:
            found = found.sort(list(sort))
        documents: list[Document] = await found.limit(limit).to_list(None)
        return documents

    async def find_timed(self, place: Place, filter: Document) -> tuple[list[Document], Timestamp]:
        """Return the documents that match, and the time."""
        return await self.find(place, filter), self._now

    async def count(self, place: Place, filter: Document) -> int:
        """Return how many documents match."""
        number: int = await self.collection(place).count_documents(filter)
        return number
