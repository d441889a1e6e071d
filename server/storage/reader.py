"""Reads what a majority has; the reads of concurrent callers go out together."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from typing import Any, TypeVar

from server.domain.change import Committed, Table
from server.domain.errors import ConsistencyTokenInvalidError, RequestIdReusedError
from server.domain.ports import DEFAULT_FRESHNESS, Freshness, Query
from server.storage import token
from server.storage.collections import Layout
from server.storage.documents import from_value, is_left_out, to_entity
from server.storage.driver import Driver
from server.storage.failures import INVALID_OPTIONS, DatabaseRefusedError
from server.storage.gathering import Gathering
from server.storage.place import Document, Key, Place
from server.storage.waking import Waking

E = TypeVar("E")

_NOTHING = ""
"""No document's id: it is the time of the reading that counts, and not what is read."""

GATHER_SECONDS = 0.01
"""How long reads of several callers wait at most for more of them."""


class PointReads:
    """Joins the point reads of concurrent callers on one collection into one find at a time.

    What arrives meanwhile waits and goes together. A read is only ever joined to a find
    that hasn't been sent, so that it sees all that was committed before it was asked for.
    """

    def __init__(self, driver: Driver, place: Place) -> None:
        self._driver = driver
        self._place = place
        self._waiting: dict[Key, list[asyncio.Future[Document | None]]] = {}
        self._gathering = Gathering(GATHER_SECONDS)
        self._task: asyncio.Task[None] | None = None

    async def get(self, key: Key) -> Document | None:
        """Return the document *key*, or None."""
        future: asyncio.Future[Document | None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, []).append(future)
        if self._task is None:
            self._task = asyncio.create_task(self._drain())
        return await future

    async def _drain(self) -> None:
        try:
            while self._waiting:
                await self._gathering.wait()
                asked, self._waiting = self._waiting, {}
                with self._gathering.round(sum(map(len, asked.values()))):
                    await self._ask(asked)
        finally:
            self._task = None

    async def _ask(self, asked: dict[Key, list[asyncio.Future[Document | None]]]) -> None:
        waiting = [(key, future) for key, futures in asked.items() for future in futures]
        try:
            found = await self._driver.get(self._place, asked)
        except Exception as error:  # noqa: BLE001 – whatever it is belongs to those who asked
            for _, future in waiting:
                if not future.done():
                    future.set_exception(error)
            return
        for key, future in waiting:
            if not future.done():
                future.set_result(found.get(key))


class MongoReader:
    """The `Reader` port over MongoDB."""

    def __init__(
        self,
        driver: Driver,
        layout: Layout,
        waking: Waking,
        *,
        linearizable_seconds: float = 5,
    ) -> None:
        """Read the collections of *layout*."""
        self._driver = driver
        self._layout = layout
        self._waking = waking
        self._linearizable_seconds = linearizable_seconds
        self._points: dict[Place, PointReads] = {}

    async def get(
        self,
        table: Table,
        tenant: str,
        id: str,
        type: type[E],
        *,
        freshness: Freshness = DEFAULT_FRESHNESS,
    ) -> E | None:
        """Return the document *id* of *tenant*, or None – for another tenant's document as well.

        Raises:
            ConsistencyTokenInvalidError: the token is of another database, or of the future.
            StorageUnavailableError: the database can't answer.
        """
        if tenant and id != tenant and not id.startswith(f"{tenant}/"):
            return None
        document = await self._document(self._layout.place(table), Key(tenant, id), freshness)
        return to_entity(document, type) if document is not None else None

    async def _document(self, place: Place, key: Key, freshness: Freshness) -> Document | None:
        since = token.decode(freshness.token) if freshness.token else None
        if freshness.linearizable:
            seconds = self._linearizable_seconds
            return await self._driver.get_linearizable(place, key, seconds=seconds)
        if since is not None:
            try:
                return (await self._driver.get(place, [key], since=since)).get(key)
            except DatabaseRefusedError as error:
                if error.number == INVALID_OPTIONS:
                    raise ConsistencyTokenInvalidError from None
                raise
        points = self._points.get(place)
        if points is None:
            points = self._points[place] = PointReads(self._driver, place)
        return await points.get(key)

    async def find(self, query: Query, type: type[E]) -> Sequence[E]:
        """Return one page of what *query* asks for, in its order.

        A field that is empty matches no `at_most` or `at_least`, and is sorted before every value.
        """
        return [to_entity(document, type) for document in await self._page(query, query.after)]

    async def scan(self, query: Query, type: type[E]) -> AsyncIterator[E]:
        """Yield everything that *query* asks for, page by page.

        What is inserted meanwhile may or may not be seen; nothing is seen twice or missed.
        """
        field, _ = _order(query)
        after = query.after
        while True:
            page = await self._page(query, after)
            for document in page:
                yield to_entity(document, type)
            if len(page) < query.limit:
                return
            after = (_value(page[-1], field), page[-1]["_id"])

    async def count(self, query: Query) -> int:
        """Return how many documents *query* asks for, whatever its limit and page."""
        return await self._driver.count(self._layout.place(query.table), _filter(query))

    async def outcome(self, key: str, fingerprint: bytes, type: type[E]) -> Committed[E] | None:
        """Return what the first call under *key* answered, or None if there was none.

        Raises:
            RequestIdReusedError: that call had another content.
        """
        found, time = await self._driver.find_timed(self._layout.idempotency, {"_id": key})
        if not found:
            return None
        if found[0]["fingerprint"] != fingerprint:
            raise RequestIdReusedError
        return Committed(from_value(found[0]["outcome"], type), token.encode(time), repeated=True)

    async def moment(self) -> str:
        """Return a consistency token: a read with it sees all that any read has seen by now."""
        _, time = await self._driver.find_timed(self._layout.idempotency, {"_id": _NOTHING})
        return token.encode(time)

    async def wait_for_change(
        self, table: Table, *, at_most_seconds: float, by_others: bool = True
    ) -> None:
        """Return soon after something was written to *table*, or when the time is over."""
        await self._waking.wait(
            self._layout.place(table), at_most_seconds=at_most_seconds, by_others=by_others
        )

    async def _page(self, query: Query, after: tuple[object, str] | None) -> list[Document]:
        field, direction = _order(query)
        filter = _filter(query)
        if after is not None:
            filter = {"$and": [filter, _beyond(field, direction, after)]}
        sort = [(field, direction)] if field == "_id" else [(field, direction), ("_id", 1)]
        return await self._driver.find(
            self._layout.place(query.table),
            filter,
            sort=sort,
            limit=query.limit,
            is_snapshot=query.is_snapshot,
            fields={field, *map(_stored, query.only)} if query.only else (),
        )


def _filter(query: Query) -> Document:
    filter: Document = {} if query.tenant is None else {"tenant": query.tenant}
    for name, wanted in query.equals.items():
        values = wanted if isinstance(wanted, tuple) else (wanted,)
        if any(is_left_out(value) for value in values):
            values = (*values, None)
        filter[_stored(name)] = {"$in": list(values)} if len(values) != 1 else values[0]
    for name, patterns in query.patterns.items():
        filter[_stored(name)] = {"$in": [_pattern(each) for each in patterns]}
    for name, unwanted in query.but.items():
        filter.setdefault("$and", []).append({_stored(name): {"$nin": list(unwanted)}})
    for name, most in query.at_most.items():
        filter.setdefault("$and", []).append({_stored(name): {"$lte": most}})
    for name, least in query.at_least.items():
        filter.setdefault("$and", []).append({_stored(name): {"$gte": least}})
    return filter


def _pattern(text: str) -> str | re.Pattern[str]:
    # Anchored, and nothing but letters: an index can serve it, and nobody can make it slow.
    return re.compile(f"^{re.escape(text[:-1])}") if text.endswith("*") else text


def _order(query: Query) -> tuple[str, int]:
    return _stored(query.order.removeprefix("-")), -1 if query.order.startswith("-") else 1


def _stored(name: str) -> str:
    return "_id" if name == "id" else name


def _value(document: Document, field: str) -> Any:
    value: Any = document
    for name in field.split("."):
        if value is None:
            return None
        value = value.get(name)
    return value


def _beyond(field: str, direction: int, after: tuple[object, str]) -> Document:
    """Return the filter for what comes after the last document of a page.

    Comparisons in MongoDB reach only values of the same type, whereas its order puts
    what is absent first.
    """
    value, id = after
    if field == "_id":
        return {"_id": {"$gt" if direction > 0 else "$lt": id}}
    is_empty = is_left_out(value)
    tie = {field: {"$in": [value, None]} if is_empty else value, "_id": {"$gt": id}}
    if direction > 0:
        return {"$or": [{field: {"$nin": [value, None]} if is_empty else {"$gt": value}}, tie]}
    return tie if is_empty else {"$or": [{field: {"$lt": value}}, {field: None}, tie]}
