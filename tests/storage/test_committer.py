"""Who waits in the committer: how much, for how long, and in which order they are answered."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from server.domain.change import Insert
from server.domain.clock import SystemClock
from server.domain.errors import ConflictError, LimitExceededError, StorageUnavailableError
from server.storage.collections import Layout
from server.storage.committer import CommitLimits, MongoCommitter
from server.storage.driver import MAX_DOCUMENT_BYTES, Driver
from server.storage.failures import TransactionAbortedError
from server.storage.leases import Leases
from server.storage.place import Place
from server.storage.schema import Schema
from tests.contract.breakage import Gate, Tampered, Wrapped, gate
from tests.contract.samples import NOTES, SUBJECTS, Answer, adding, change, note, person, renewing
from tests.writes import Commands

_tenants = itertools.count(1)


class Bench:
    """A committer whose transactions stop before they commit, until told to go on."""

    def __init__(self, driver: Driver, layout: Layout, commands: Commands) -> None:
        self.tenant = f"waiting{next(_tenants)}"
        self.commands = commands
        self.gate: type[Gate] = gate()
        self.driver = driver
        self.layout = layout

    def committer(self, **limits: Any) -> MongoCommitter:
        """Return a committer behind the gate."""
        tampered: Any = Tampered(self.driver, self.gate)
        return MongoCommitter(tampered, self.layout, SystemClock(), limits=CommitLimits(**limits))

    def transactions(self) -> list[int]:
        """Return how many ledger entries each transaction inserted."""
        return [
            len(each["documents"])
            for each in self.commands.named("insert")
            if each["insert"] == "ledger"
        ]


@pytest.fixture
async def bench(mongo_uri: str) -> AsyncIterator[Bench]:
    """Return a bench on real collections."""
    commands = Commands()
    driver = Driver(mongo_uri, event_listeners=[commands])
    layout = Layout("waiting")
    await Schema(driver, layout, Leases(driver, layout)).prepare()
    yield Bench(driver, layout, commands)
    await driver.close()


async def held(bench: Bench, committer: MongoCommitter) -> asyncio.Task[Any]:
    """Hold a first change at the gate, so that whatever comes now must wait."""
    first = asyncio.create_task(committer.commit(adding(bench.tenant, "first"), Answer))
    await bench.gate.entered.wait()
    return first


async def test_what_waits_is_limited_and_its_room_is_given_back(bench: Bench) -> None:
    """Beyond the limit callers are refused at once; what was answered counts no more."""
    committer = bench.committer(waiting_bytes=8000)
    first = await held(bench, committer)
    sealed = bytes(3000)

    def large(key: str) -> asyncio.Task[Any]:
        writes = Insert(NOTES, note(bench.tenant, key, sealed=sealed))
        return asyncio.create_task(committer.commit(change(bench.tenant, writes), Answer))

    waiting = [large("a"), large("b")]
    with pytest.raises(StorageUnavailableError):
        await large("c")
    bench.gate.opened.set()
    await asyncio.gather(first, *waiting)

    # Many times as much as may wait at once, one after the other, also of those refused.
    for number in range(6):
        await large(f"n{number}")
        with pytest.raises(ConflictError):
            await large(f"n{number}")


async def test_the_room_of_those_who_lost_is_given_back(bench: Bench) -> None:
    """Whoever is refused without having been tried takes no room any more either."""
    ada = person(bench.tenant)
    committer = bench.committer(waiting_bytes=8000)
    bench.gate.opened.set()
    await committer.commit(change(bench.tenant, Insert(SUBJECTS, ada)), Answer)

    for _ in range(8):
        results = await asyncio.gather(
            *(committer.commit(renewing(ada), Answer) for _ in range(10)), return_exceptions=True
        )
        assert not any(isinstance(each, StorageUnavailableError) for each in results)
        ada = replace(ada, version=ada.version + 1)


async def test_a_transaction_has_few_bytes(bench: Bench) -> None:
    """What waits is divided among transactions of limited size."""
    committer = bench.committer(batch_bytes=20_000)
    first = await held(bench, committer)
    notes = [note(bench.tenant, f"n{n}", sealed=bytes(6000)) for n in range(9)]
    changes = [change(bench.tenant, Insert(NOTES, each)) for each in notes]
    waiting = [asyncio.create_task(committer.commit(each, Answer)) for each in changes]
    await asyncio.sleep(0)

    bench.gate.opened.set()
    await asyncio.gather(first, *waiting)

    assert [1, 3, 3, 3] == bench.transactions()


async def test_a_document_that_is_too_large_harms_nobody(bench: Bench) -> None:
    """It is refused as what it is, and what waits beside it is committed."""
    committer = bench.committer()
    bench.gate.opened.set()
    large = note(bench.tenant, "large", sealed=bytes(MAX_DOCUMENT_BYTES))

    refused, committed = await asyncio.gather(
        committer.commit(change(bench.tenant, Insert(NOTES, large)), Answer),
        committer.commit(adding(bench.tenant, "n"), Answer),
        return_exceptions=True,
    )

    assert isinstance(refused, LimitExceededError)
    assert not isinstance(committed, BaseException)


async def test_a_document_as_large_as_may_be_is_stored(bench: Bench) -> None:
    """The limit is the database's own."""
    committer = bench.committer(seconds=20)
    bench.gate.opened.set()
    large = note(bench.tenant, "large", sealed=bytes(MAX_DOCUMENT_BYTES - 500))

    assert (await committer.commit(change(bench.tenant, Insert(NOTES, large)), Answer)).token


async def test_a_change_that_is_too_large_is_refused(bench: Bench) -> None:
    """A change of many documents has a limit as well."""
    committer = bench.committer(change_bytes=10_000)
    notes = [note(bench.tenant, f"n{n}", sealed=bytes(3000)) for n in range(4)]

    with pytest.raises(LimitExceededError):
        await committer.commit(change(bench.tenant, *(Insert(NOTES, n) for n in notes)), Answer)


async def test_a_transaction_that_is_held_up_holds_up_nobody(bench: Bench) -> None:
    """While one is tried again and again, others are committed beside it."""

    over = asyncio.Event()

    class Conflicting(Wrapped):
        async def insert(self, place: Place, documents: Any) -> None:
            """Insert, unless it is what somebody else is just writing."""
            is_contested = any(each["_id"].endswith("contested") for each in documents)
            if is_contested and not over.is_set():
                raise TransactionAbortedError
            await self._transaction.insert(place, documents)

    tampered: Any = Tampered(bench.driver, Conflicting)
    committer = MongoCommitter(
        tampered, bench.layout, SystemClock(), limits=CommitLimits(seconds=60)
    )
    contested = asyncio.create_task(committer.commit(adding(bench.tenant, "contested"), Answer))
    await asyncio.sleep(0)

    async with asyncio.timeout(20):
        for number in range(20):
            await committer.commit(adding(bench.tenant, f"n{number}"), Answer)

    assert not contested.done()
    over.set()
    await contested


async def test_who_is_stale_for_sure_is_not_tried(bench: Bench) -> None:
    """Rivals of a change that holds are refused without a transaction of their own."""
    ada = person(bench.tenant)
    committer = bench.committer()
    bench.gate.opened.set()
    await committer.commit(change(bench.tenant, Insert(SUBJECTS, ada)), Answer)
    before = len(bench.commands.named("update"))

    winner, *losers = await asyncio.gather(
        *(committer.commit(renewing(ada), Answer) for _ in range(5)), return_exceptions=True
    )

    assert not isinstance(winner, Exception)
    assert [ConflictError] * 4 == [type(loser) for loser in losers]
    assert 1 == len(bench.commands.named("update")) - before
