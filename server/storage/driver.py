"""The one way to MongoDB: what the drivers differ in is hidden here.

PyMongo's own asyncio API is the default. Motor is the same but for two methods. What
runs in memory, for quick tests, is `server.storage.memory`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from inspect import isawaitable
from typing import Any, ClassVar

import bson
from bson.codec_options import CodecOptions
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp
from pymongo import AsyncMongoClient
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from server.domain.errors import LimitExceededError
from server.storage.failures import (
    NotStorableError,
    translated,
)
from server.storage.place import Document, Key, Place
from server.storage.transaction import Transaction

DURABLE: Mapping[str, Any] = {
    "w": "majority",
    "journal": True,
    "readConcernLevel": "majority",
    "readPreference": "primary",
    "retryReads": True,
    "retryWrites": True,
    "tz_aware": True,
    "uuidRepresentation": "standard",
}
"""What no URI may weaken: nothing is answered before it is durable, or read before it is."""

TUNABLE: Mapping[str, Any] = {
    "appname": "privacyrights",
    "connectTimeoutMS": 5_000,
    "heartbeatFrequencyMS": 2_000,
    "maxPoolSize": 64,
    "serverSelectionTimeoutMS": 5_000,
    "socketTimeoutMS": 20_000,
    "waitQueueTimeoutMS": 5_000,
}
"""What the URI of a deployment may say otherwise."""

MAX_DOCUMENT_BYTES = 16 * 1024 * 1024
MAX_COMMIT_MS = 10_000
MAX_READ_MS = 10_000

# An index that begins with the tenant would be tried as well, and found no better.
_ID_INDEX = "_id_"
_CODEC: CodecOptions[Document] = CodecOptions(tz_aware=True)


class Driver:
    """MongoDB through PyMongo's asyncio API; belongs to the event loop that it is made in."""

    has_change_streams: ClassVar[bool] = True
    read_concern: ClassVar[ReadConcern] = ReadConcern("snapshot")
    write_concern: ClassVar[WriteConcern] = WriteConcern("majority", j=True)

    def __init__(self, uri: str, **options: Any) -> None:
        """Prepare to talk to the MongoDB at *uri*; nothing is sent yet."""
        named = uri.lower()
        tuned = {name: value for name, value in TUNABLE.items() if name.lower() + "=" not in named}
        self._client: Any = self._new_client(uri, {**tuned, **options, **DURABLE})

    def _new_client(self, uri: str, options: Mapping[str, Any]) -> Any:
        return AsyncMongoClient(uri, **options)

    async def close(self) -> None:
        """Close all connections."""
        closing = self._client.close()
        if isawaitable(closing):
            await closing

    def prepare(self, document: Document) -> tuple[object, int]:
        """Return *document* in the form that `Transaction` takes, and its size in bytes.

        Encoding it before it is queued tells the size, and blames a document that can't
        be encoded on the change it belongs to.

        Raises:
            NotStorableError: BSON can't hold it.
            LimitExceededError: it is larger than MongoDB takes.
        """
        try:
            encoded = bson.encode(document, codec_options=_CODEC)
        except (BSONError, OverflowError):
            raise NotStorableError("a document holds what BSON can't") from None
        if len(encoded) > MAX_DOCUMENT_BYTES:
            raise LimitExceededError(what="bytes of a document", limit=MAX_DOCUMENT_BYTES)
        return RawBSONDocument(encoded), len(encoded)

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Transaction]:
        """Start a transaction that is aborted unless it is committed inside the block."""
        async with await self._session(causal_consistency=False) as session:
            starting = session.start_transaction(
                read_concern=self.read_concern,
                write_concern=self.write_concern,
                read_preference=ReadPreference.PRIMARY,
                max_commit_time_ms=MAX_COMMIT_MS,
            )
            if isawaitable(starting):
                await starting
            try:
                yield Transaction(self._client, session)
            finally:
                if session.in_transaction:
                    with translated():
                        await session.abort_transaction()

    async def get(
        self, place: Place, wanted: Collection[Key], *, since: Timestamp | None = None
    ) -> dict[Key, Document]:
        """Return those *wanted* that exist: majority-committed, at least as fresh as *since*.

        Raises:
            DatabaseRefusedError: with INVALID_OPTIONS, where *since* has not come yet.
        """
        collection = self._client[place.database][place.collection]
        asked: dict[str, Any] = {"hint": _ID_INDEX, "max_time_ms": MAX_READ_MS}
        # By the tenants, a sharded cluster knows where to look.
        filter = {
            "_id": {"$in": [key.id for key in wanted]},
            "tenant": {"$in": list({key.tenant for key in wanted})},
        }
        documents: list[Document]
        with translated():
            if since is None:
                documents = await collection.find(filter, **asked).to_list(None)
            else:
                async with await self._session(causal_consistency=True) as session:
                    session.advance_operation_time(since)
                    found = collection.find(filter, session=session, **asked)
                    documents = await found.to_list(None)
        return {Key(each["tenant"], each["_id"]): each for each in documents}

    async def get_linearizable(self, place: Place, key: Key, *, seconds: float) -> Document | None:
        """Return the document *key* as of now, confirmed by a majority."""
        collection = self._client[place.database].get_collection(
            place.collection, read_concern=ReadConcern("linearizable")
        )
        with translated():
            document: Document | None = await collection.find_one(
                {"_id": key.id, "tenant": key.tenant},
                hint=_ID_INDEX,
                max_time_ms=int(seconds * 1000),
            )
        return document

    async def find(
        self,
        place: Place,
        filter: Document,
        *,
        sort: Sequence[tuple[str, int]] = (),
        limit: int = 0,
        is_snapshot: bool = False,
        fields: Collection[str] = (),
    ) -> list[Document]:
        """Return the majority-committed documents that match, in order; maybe as of one moment.

        *fields* are read, or all if none are named.
        """
        collection = self._client[place.database].get_collection(
            place.collection, read_concern=ReadConcern("snapshot") if is_snapshot else None
        )
        asked: dict[str, Any] = {"limit": limit, "max_time_ms": MAX_READ_MS}
        if sort:
            asked["sort"] = list(sort)
        if fields:
            asked["projection"] = list(fields)
        with translated():
            documents: list[Document] = await collection.find(filter, **asked).to_list(None)
        return documents

    async def versions(self, place: Place, ids: Sequence[str]) -> dict[str, int | None]:
        """Return the version of each document that exists; None where it has none."""
        found = await self.find(place, {"_id": {"$in": list(ids)}}, fields=("version",))
        return {document["_id"]: document.get("version") for document in found}

    async def find_timed(self, place: Place, filter: Document) -> tuple[list[Document], Timestamp]:
        """Return the documents that match, and a time from which they are seen by every read."""
        with translated():
            async with await self._session(causal_consistency=True) as session:
                found = self._client[place.database][place.collection].find(filter, session=session)
                documents: list[Document] = await found.to_list(None)
                return documents, session.operation_time

    async def count(self, place: Place, filter: Document) -> int:
        """Return how many documents match."""
        collection = self._client[place.database][place.collection]
        with translated():
            number: int = await collection.count_documents(filter, maxTimeMS=MAX_READ_MS)
        return number

    async def command(self, database: str, command: Document) -> Document:
        """Run a command that schema and leases need.

        Raises:
            DatabaseRefusedError: with the number of the error.
        """
        with translated():
            reply: Document = await self._client[database].command(command)
        return reply

    @asynccontextmanager
    async def watch(
        self, database: str, collections: Sequence[str]
    ) -> AsyncGenerator[Callable[[], Awaitable[str]]]:
        """Yield what waits for the next write to *collections* and returns its collection."""
        pipeline = [
            {"$match": {"ns.coll": {"$in": list(collections)}}},
            {"$project": {"ns.coll": 1}},
        ]
        with translated():
            opening = self._client[database].watch(pipeline)
            stream = await opening if isawaitable(opening) else opening
            async with stream:
                # The first attempt opens the stream: what is written from here on is seen.
                first = await stream.try_next()
                seen = [first] if first is not None else []

                async def next_write() -> str:
                    event = seen.pop() if seen else await stream.next()
                    return str(event["ns"]["coll"])

                yield next_write

    async def _session(self, *, causal_consistency: bool) -> Any:
        with translated():
            starting = self._client.start_session(causal_consistency=causal_consistency)
            return await starting if isawaitable(starting) else starting


class MotorDriver(Driver):
    """MongoDB through Motor, whose calls that PyMongo awaits are plain, and the other way round."""

    def _new_client(self, uri: str, options: Mapping[str, Any]) -> Any:
        from motor.motor_asyncio import AsyncIOMotorClient  # noqa: PLC0415 – an extra

        return AsyncIOMotorClient(uri, **options)
