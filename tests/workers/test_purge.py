"""The purge deletes what nobody can read any more: all of it, once, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from server.domain.change import Change, Insert, Write
from server.domain.clock import SteppingClock
from server.domain.ledger import new_entry
from server.domain.ports import Ports
from server.domain.records.record import records
from server.domain.retention.activity import interactions
from server.domain.rights.erasure import SETTLING, Erasure, Purged, erasures
from server.domain.rights.exports import exports
from server.domain.subject import Subject
from server.domain.values import Role
from server.workers.purge import BATCH, EXPORT_BATCH, PurgeWorker
from tests.workers.lives import (
    CALL,
    activity,
    chunk,
    commit,
    counts,
    ended,
    erase,
    new_life,
    new_tenant,
    record,
)

MANY = 2 * BATCH + 7


def worker(ports: Ports) -> PurgeWorker:
    """Return the worker for end-users."""
    return PurgeWorker(ports, Role.PROCESSOR)


async def purge(purging: PurgeWorker) -> int:
    """Purge until there is nothing to do; return the number of steps."""
    steps = 0
    while await purging.step():
        steps += 1
    return steps


async def test_all_ciphertext_of_an_ended_life_goes(ports: Ports) -> None:
    """Records, exports and days of interaction go; the proof of the erasure stays."""
    tenant = await new_tenant(ports)
    ada = await new_life(ports, tenant, record_count=3)
    await commit(
        ports,
        Insert(interactions(ada.role), activity(ada)),
        Insert(exports(ada.role), await chunk(ports, ada, "c0")),
    )
    await erase(ports, ada)

    await purge(worker(ports))

    assert {"records": 0, "exports": 0, "interactions": 0, "erasures": 1} == await counts(
        ports, ada
    )


async def test_large_export_goes_in_batches(ports: Ports) -> None:
    """An export of many parts is deleted bit by bit, and not counted as records."""
    tenant = await new_tenant(ports)
    ada = await new_life(ports, tenant, record_count=1)
    parts = [await chunk(ports, ada, f"c{number}") for number in range(2 * EXPORT_BATCH + 1)]
    await commit(ports, *(Insert(exports(ada.role), part) for part in parts))
    await erase(ports, ada)

    steps = await purge(worker(ports))

    assert 3 == steps
    assert 0 == (await counts(ports, ada))["exports"]
    assert 1 == (await ended(ports, ada)).record_count


async def test_living_are_left_alone(ports: Ports, clock: SteppingClock) -> None:
    """Neither another person nor the new life of the same one loses anything."""
    tenant = await new_tenant(ports)
    bob = await new_life(ports, tenant, record_count=2, value="bob")
    ada = await new_life(ports, tenant, record_count=2)
    await erase(ports, ada)
    clock.advance(timedelta(seconds=1))
    reborn = await new_life(ports, tenant, record_count=4)

    await purge(worker(ports))

    assert 2 == reborn.generation
    assert 4 == (await counts(ports, reborn))["records"]
    assert 2 == (await counts(ports, bob))["records"]


async def test_purge_is_taken_up_after_a_crash(ports: Ports) -> None:
    """A worker that died between two batches loses nothing: the next goes on, and counts right."""
    tenant = await new_tenant(ports)
    ada = await new_life(ports, tenant, record_count=MANY)
    await erase(ports, ada)
    await worker(ports).step()
    halfway = (await ended(ports, ada)).record_count

    await purge(worker(ports))

    assert BATCH == halfway
    assert MANY == (await ended(ports, ada)).record_count
    assert 0 == (await counts(ports, ada))["records"]


async def test_servers_that_purge_together_count_once(ports: Ports, other_ports: Ports) -> None:
    """Two servers purge the same life without harm, and no record is counted by both."""
    tenant = await new_tenant(ports)
    ada = await new_life(ports, tenant, record_count=MANY)
    await erase(ports, ada)

    await asyncio.gather(purge(worker(ports)), purge(worker(other_ports)))

    assert MANY == (await ended(ports, ada)).record_count
    assert 0 == (await counts(ports, ada))["records"]


async def test_count_apart_from_the_deletion_would_be_noticed(
    ports: Ports, other_ports: Ports
) -> None:
    """A worker that deletes in one change and counts in another counts wrong when it dies."""

    class Forgetful(PurgeWorker):
        async def _commit(self, erasure: Erasure, writes: Sequence[Write]) -> None:
            entry = new_entry(CALL, ports.ids, tenant=tenant, type="x", time=erasure.time)
            await self._ports.committer.commit(Change(writes, (entry,)), type(None))
            raise InterruptedError

    tenant = await new_tenant(ports)
    ada = await new_life(ports, tenant, record_count=MANY)
    await erase(ports, ada)
    with pytest.raises(InterruptedError):
        await Forgetful(other_ports, Role.PROCESSOR).step()

    await purge(worker(ports))

    assert MANY != (await ended(ports, ada)).record_count


async def test_late_write_is_purged_when_all_is_settled(ports: Ports, clock: SteppingClock) -> None:
    """What was decided before an erasure and committed after the purge goes with a second one."""
    tenant = await new_tenant(ports)
    ada = await new_life(ports, tenant, record_count=1)
    late = await record(ports, ada, 99)
    await erase(ports, ada)
    await purge(worker(ports))
    await commit(ports, Insert(records(ada.role), late))

    before = (await purge(worker(ports)), (await counts(ports, ada))["records"])
    clock.advance(SETTLING + timedelta(milliseconds=1))
    await purge(worker(ports))

    assert (0, 1) == before
    assert 0 == (await counts(ports, ada))["records"]
    assert Purged.FOR_GOOD is (await ended(ports, ada)).purged


async def test_single_purge_would_be_noticed(ports: Ports, clock: SteppingClock) -> None:
    """A worker that purges only once leaves what was committed late, for ever."""

    class Hasty(PurgeWorker):
        async def _settled(self) -> bool:
            return False

    tenant = await new_tenant(ports)
    ada = await new_life(ports, tenant, record_count=1)
    late = await record(ports, ada, 99)
    await erase(ports, ada)
    await purge(Hasty(ports, Role.PROCESSOR))
    await commit(ports, Insert(records(ada.role), late))
    clock.advance(SETTLING + timedelta(milliseconds=1))

    await purge(Hasty(ports, Role.PROCESSOR))

    assert 1 == (await counts(ports, ada))["records"]


async def test_expired_exports_go(ports: Ports, clock: SteppingClock) -> None:
    """Exports of any tenant are deleted when they were kept long enough, and not before."""
    people: list[Subject] = []
    for _ in range(2):
        people.append(await new_life(ports, await new_tenant(ports), record_count=0))
        part = await chunk(ports, people[-1], "c1")
        due = replace(part, expire_time=clock.now() + timedelta(hours=1))
        await commit(ports, Insert(exports(Role.PROCESSOR), due))

    await purge(worker(ports))
    early = [(await counts(ports, each))["exports"] for each in people]
    clock.advance(timedelta(hours=1))
    await purge(worker(ports))

    assert [1, 1] == early
    assert [0, 0] == [(await counts(ports, each))["exports"] for each in people]


async def test_erasure_of_another_server_wakes_the_worker(ports: Ports, other_ports: Ports) -> None:
    """The worker doesn't wait for its pause when a life ends, on whichever server."""
    tenant = await new_tenant(ports)
    ada = await new_life(ports, tenant, record_count=1)
    running = asyncio.create_task(PurgeWorker(other_ports, Role.PROCESSOR, idle_seconds=3600).run())
    try:
        await erase(ports, ada)
        async with asyncio.timeout(20):
            while (await ended(ports, ada)).purged is Purged.NOT_YET:
                await ports.reader.wait_for_change(erasures(ada.role), at_most_seconds=1)
    finally:
        running.cancel()

    assert 0 == (await counts(ports, ada))["records"]
