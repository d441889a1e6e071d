"""Records whose time has come are deleted once each, however many servers work or die."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

import pytest

from server.domain.change import Change, Committed, Delete, Insert, Kind, Table
from server.domain.errors import StorageUnavailableError
from server.domain.ledger import Entry
from server.domain.ports import Committer, Ports, Query
from server.domain.records.record import records
from server.domain.values import Role
from server.workers import expiry
from server.workers.expiry import Expired, ExpiryWorker
from tests.workers.lives import commit, new_life, new_tenant, record

E = TypeVar("E")

MANY = 17
BATCH = 5
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a few records be many."""
    monkeypatch.setattr(expiry, "BATCH", BATCH)


async def expired(ports: Ports) -> str:
    """Return a tenant with so many records whose time has come, and one that has an hour left."""
    tenant = await new_tenant(ports)
    ada = await new_life(ports, tenant, record_count=0)
    now = ports.clock.now()
    times: Sequence[datetime] = [*[now] * MANY, now + HOUR]
    kept = [
        replace(await record(ports, ada, number), expire_time=time)
        for number, time in enumerate(times)
    ]
    await commit(ports, *(Insert(records(ada.role), each) for each in kept))
    return tenant


async def left(ports: Ports, tenant: str) -> int:
    """Return how many records of *tenant*'s people there are."""
    return await ports.reader.count(Query(records(Role.PROCESSOR), tenant))


async def told(ports: Ports, tenant: str) -> int:
    """Return of how many deleted records the ledger tells."""
    query = Query(Table(Kind.LEDGER), tenant, equals={"type": "record.deleted"}, limit=1000)
    return len(await ports.reader.find(query, Entry))


class Apart(ExpiryWorker):
    """Broken: tells first, and then deletes."""

    async def _delete(self, found: Sequence[Expired]) -> None:
        committer = self._ports.committer
        entries = [self._entry(each) for each in found]
        await committer.commit(Change((), entries), type(None))
        deletes = [Delete(records(self._role), each) for each in found]
        await committer.commit(Change(deletes, ()), type(None))


async def work(ports: Ports, kind: type[ExpiryWorker] = ExpiryWorker) -> None:
    """Delete all that is due."""
    worker = kind(ports, Role.PROCESSOR)
    while await worker.step():
        pass


class Meeting:
    """A committer that waits, with its first change, for that of the other server."""

    def __init__(self, committer: Committer, barrier: asyncio.Barrier) -> None:
        self._committer = committer
        self._barrier: asyncio.Barrier | None = barrier

    async def commit(self, change: Change, outcome: type[E]) -> Committed[E]:
        """Meet, and commit."""
        barrier, self._barrier = self._barrier, None
        if barrier is not None:
            await barrier.wait()
        return await self._committer.commit(change, outcome)


@pytest.mark.parametrize(("kind", "is_once"), [(ExpiryWorker, True), (Apart, False)])
async def test_servers_that_work_together_tell_once(
    ports: Ports, other_ports: Ports, kind: type[ExpiryWorker], *, is_once: bool
) -> None:
    """Both find the same; each record has one line. A worker that tells apart tells twice."""
    tenant = await expired(ports)
    barrier = asyncio.Barrier(2)
    both = [
        replace(each, committer=Meeting(each.committer, barrier)) for each in (ports, other_ports)
    ]

    await asyncio.gather(*(work(each, kind) for each in both))

    assert 1 == await left(ports, tenant)
    assert is_once is (await told(ports, tenant) == MANY)


class Dying:
    """A committer that fails after some changes."""

    def __init__(self, committer: Committer, *, after: int) -> None:
        self._committer = committer
        self._left = after

    async def commit(self, change: Change, outcome: type[E]) -> Committed[E]:
        """Commit, or fail."""
        self._left -= 1
        if self._left < 0:
            raise StorageUnavailableError
        return await self._committer.commit(change, outcome)


@pytest.mark.parametrize(("kind", "is_once"), [(ExpiryWorker, True), (Apart, False)])
async def test_a_crash_in_the_middle_is_taken_up(
    ports: Ports, other_ports: Ports, kind: type[ExpiryWorker], *, is_once: bool
) -> None:
    """What a server leaves that dies after any batch goes with another's, told once.

    One that tells apart dies in between, and the record is told of again.
    """
    tenant = await expired(ports)
    with pytest.raises(StorageUnavailableError):
        await work(replace(ports, committer=Dying(ports.committer, after=1)), kind)
    halfway = await left(ports, tenant)

    await work(other_ports)

    assert MANY + 1 > halfway if is_once else MANY + 1 == halfway
    assert 1 == await left(ports, tenant)
    assert is_once is (await told(ports, tenant) == MANY)
