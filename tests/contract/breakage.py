"""Parts that break one promise each, to show that its test would notice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, TypeVar, cast

from bson.timestamp import Timestamp

from server.domain.change import Change, Committed
from server.domain.errors import StorageUnavailableError
from server.storage.batch import Batch
from server.storage.committer import MongoCommitter
from server.storage.documents import to_entity
from server.storage.pending import Pending
from server.storage.reader import MongoReader

E = TypeVar("E")


class Tampered:
    """A driver whose transactions are wrapped in something."""

    def __init__(self, driver: Any, wrap: Callable[[Any], Any]) -> None:
        self._driver = driver
        self._wrap = wrap

    def __getattr__(self, name: str) -> Any:
        return getattr(self._driver, name)

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Any]:
        """Start a transaction and wrap it."""
        async with self._driver.transaction() as transaction:
            yield self._wrap(transaction)


class Wrapped:
    """A transaction that passes everything on."""

    def __init__(self, transaction: Any) -> None:
        self._transaction = transaction

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transaction, name)


class Gate(Wrapped):
    """A transaction whose commit tells that it has come, and waits to be let through."""

    entered: asyncio.Event
    opened: asyncio.Event

    async def commit(self, *, seconds: float) -> Any:
        """Wait, then commit."""
        self.entered.set()
        await self.opened.wait()
        return await self._transaction.commit(seconds=seconds)


def gate() -> type[Gate]:
    """Return a gate of one's own, still closed."""

    class OwnGate(Gate):
        entered = asyncio.Event()
        opened = asyncio.Event()

    return OwnGate


class Unconditional(Wrapped):
    """Broken: replaces whatever version it finds."""

    async def replace(self, place: Any, replacements: Any) -> None:
        """Replace without looking at the version."""
        blind = [({"_id": filter["_id"]}, document) for filter, document in replacements]
        await self._transaction.replace(place, blind)


class Apart:
    """Broken: each write is durable by itself."""

    def __init__(self, driver: Any) -> None:
        self._driver = driver
        self._time = Timestamp(1, 1)

    def __getattr__(self, name: str) -> Any:
        async def apart(*arguments: Any) -> Any:
            async with self._driver.transaction() as transaction:
                result = await getattr(transaction, name)(*arguments)
                self._time = await transaction.commit(seconds=5)
                return result

        return apart

    async def commit(self, *, seconds: float) -> Timestamp:  # noqa: ARG002 – all is done
        """Do nothing."""
        return self._time


class Early(Wrapped):
    """Broken: answers before it commits."""

    async def commit(self, *, seconds: float) -> Timestamp:  # noqa: ARG002 – nothing is awaited
        """Commit nothing yet."""
        return Timestamp(1, 1)


class OneForAll(MongoCommitter):
    """Broken: what refuses one change refuses its neighbours."""

    async def _settle(self, batch: list[Pending]) -> None:
        refusal = await self._attempt(batch, 0)
        for pending in batch if refusal is not None else ():
            pending.fail(StorageUnavailableError())


class Forgetful(MongoCommitter):
    """Broken: doesn't remember calls."""

    async def commit(self, change: Change, outcome: type[E]) -> Committed[E]:
        """Commit without the idempotency record."""
        committed = await super().commit(replace(change, once=None), outcome)
        return replace(committed, outcome=cast("E", change.once and change.once.outcome))


class Cuttable(MongoCommitter):
    """Broken: commits in the caller's task, and so is cut when the caller goes."""

    async def commit(self, change: Change, outcome: type[E]) -> Committed[E]:  # noqa: ARG002 – a broken variant looks at less
        """Commit right here."""
        pending = self._compiler.compile(change, self._clock.now())
        receipt = (await Batch(self._driver, self._layout, [pending]).run(commit_seconds=5))[
            pending
        ]
        return Committed(None, receipt.token)  # type: ignore[arg-type, union-attr]  # a broken variant


class Hurried(MongoCommitter):
    """Broken: doesn't finish what it has taken."""

    async def drain(self, seconds: float) -> bool:  # noqa: ARG002 – a broken variant looks at less
        """Say that all is done."""
        self._is_closed = True
        return True


class Fatal(MongoCommitter):
    """Broken: whoever touched the same document is refused along with the first."""

    def _release(self, batch: Any) -> None:
        for pending in batch:
            for rival in pending.rivals:
                rival.fail(StorageUnavailableError())
            pending.rivals.clear()
        super()._release(batch)


class Indiscreet(MongoReader):
    """Broken: doesn't ask whose document it is."""

    async def get(self, table: Any, tenant: str, id: str, type: type[E], **_: Any) -> E | None:  # noqa: ARG002 – a broken variant looks at less
        """Return the document, whosever it is."""
        found = await self._driver.find(self._layout.place(table), {"_id": id})
        return to_entity(found[0], type) if found else None


class Tieless(MongoReader):
    """Broken: goes on after the value of the last document, and so skips those that share it."""

    async def _page(self, query: Any, after: Any) -> Any:
        past = (after[0], "\uffff") if after is not None else None
        return await super()._page(query, past)


class Careless(MongoReader):
    """Broken: ignores how fresh a read must be."""

    async def get(self, table: Any, tenant: str, id: str, type: type[E], **_: Any) -> E | None:
        """Return what there is."""
        return await super().get(table, tenant, id, type)


class Lonely(MongoReader):
    """Broken: sends a find for every caller."""

    async def _document(self, place: Any, key: Any, freshness: Any) -> Any:  # noqa: ARG002 – a broken variant looks at less
        return (await self._driver.get(place, [key])).get(key)
