"""What was kept under a revoked instruction is erased: all of it, once, and nothing else."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from server.domain.catalogue.mandate import Revocation, revocations
from server.domain.change import Insert, Kind, Table
from server.domain.clock import SteppingClock
from server.domain.ledger import Entry
from server.domain.ports import Ports, Query
from server.domain.records.record import records
from server.domain.rights.erasure import SETTLING
from server.domain.subject import Subject
from server.domain.subjects import Subjects, saved
from server.domain.values import Role, SubjectId
from server.workers.revocation import BATCH, RevocationWorker
from tests.workers.lives import CALL, commit, new_life, new_tenant, record

MANY = 2 * BATCH + 7
PERIOD = 3
LATER = SETTLING + timedelta(milliseconds=1)
TABLE = revocations(Role.PROCESSOR)


async def revoked(ports: Ports) -> str:
    """Return a tenant that has just taken back its instructions of the period `PERIOD`."""
    tenant = await new_tenant(ports)
    await revoke(ports, tenant)
    return tenant


async def revoke(ports: Ports, tenant: str) -> None:
    """Have *tenant* take its instructions back."""
    now = ports.clock.now()
    made = Revocation(
        id=f"{tenant}/n1",
        tenant=tenant,
        version=1,
        role=Role.PROCESSOR,
        category="quick_reply",
        period=PERIOD,
        time=now,
        due_time=now,
    )
    await commit(ports, Insert(TABLE, made))


async def keep(ports: Ports, subject: Subject, count: int, *, period: int = PERIOD) -> None:
    """Keep so many records of *subject* under an instruction of *period*."""
    kept = [
        replace(await record(ports, subject, 1000 * period + number), mandate=period)
        for number in range(count)
    ]
    for begin in range(0, len(kept), 500):
        batch = kept[begin : begin + 500]
        await commit(ports, *(Insert(records(subject.role), each) for each in batch))


async def left(ports: Ports, tenant: str) -> int:
    """Return how many records of *tenant*'s people there are."""
    return await ports.reader.count(Query(records(Role.PROCESSOR), tenant))


async def told(ports: Ports, tenant: str) -> int:
    """Return of how many deleted records the ledger tells."""
    query = Query(Table(Kind.LEDGER), tenant, equals={"type": "record.deleted"}, limit=1000)
    return len(await ports.reader.find(query, Entry))


async def erase(working: RevocationWorker) -> int:
    """Erase until there is nothing to do; return the number of steps."""
    steps = 0
    while await working.step():
        steps += 1
    return steps


def worker(ports: Ports) -> RevocationWorker:
    """Return the worker for end-users."""
    return RevocationWorker(ports, Role.PROCESSOR)


async def test_all_goes_in_batches_and_is_told_of(ports: Ports) -> None:
    """Of any number of records each goes, with one line of the ledger."""
    tenant = await revoked(ports)
    await keep(ports, await new_life(ports, tenant, record_count=0), MANY)

    steps = await erase(worker(ports))

    assert (3, 0, MANY) == (steps, await left(ports, tenant), await told(ports, tenant))


async def test_only_what_was_kept_under_it_goes(ports: Ports) -> None:
    """Other categories, later periods, other tenants and the other regime lose nothing."""
    tenant, other = await revoked(ports), await new_tenant(ports)
    ada = await new_life(ports, tenant, record_count=0)
    await keep(ports, await new_life(ports, other, record_count=0), 2)
    await keep(ports, ada, 2)
    await keep(ports, ada, 3, period=PERIOD + 1)
    profile = replace(await record(ports, ada, 9), id=f"{ada.id}/1/profile,x", category="profile")
    await commit(ports, Insert(records(ada.role), profile))

    await erase(RevocationWorker(ports, Role.CONTROLLER))
    before = await left(ports, tenant)
    await erase(worker(ports))

    assert 6 == before
    assert (4, 2) == (await left(ports, tenant), await left(ports, other))


async def test_erasing_is_taken_up_after_a_crash(ports: Ports, other_ports: Ports) -> None:
    """A worker that died between two batches loses nothing: another server's goes on."""
    tenant = await revoked(ports)
    await keep(ports, await new_life(ports, tenant, record_count=0), MANY)
    await worker(ports).step()
    halfway = await left(ports, tenant)

    await erase(worker(other_ports))

    assert MANY - BATCH == halfway
    assert (0, MANY) == (await left(ports, tenant), await told(ports, tenant))


async def test_servers_that_erase_together_tell_once(ports: Ports, other_ports: Ports) -> None:
    """Two servers work on the same revocation, and no record is told of twice."""
    tenant = await revoked(ports)
    await keep(ports, await new_life(ports, tenant, record_count=0), MANY)

    await asyncio.gather(erase(worker(ports)), erase(worker(other_ports)))

    assert (0, MANY) == (await left(ports, tenant), await told(ports, tenant))


@pytest.mark.parametrize(("walks", "expected"), [(2, 0), (1, 1)])
async def test_late_write_goes_with_the_second_walk(
    ports: Ports, clock: SteppingClock, walks: int, expected: int
) -> None:
    """What was decided before the revocation and committed after goes when all is settled.

    A worker that walked only once would leave it, for ever.
    """
    tenant = await revoked(ports)
    ada = await new_life(ports, tenant, record_count=0)
    await keep(ports, ada, 1)
    late = replace(await record(ports, ada, 99), mandate=PERIOD)
    await erase(worker(ports))
    await commit(ports, Insert(records(ada.role), late))
    clock.advance(LATER)
    for _ in range(walks - 1):
        await erase(worker(ports))

    assert expected == await left(ports, tenant)


async def test_restricted_data_is_spared_until_the_restriction_ends(
    ports: Ports, clock: SteppingClock
) -> None:
    """Art. 18: whoever had the processing restricted keeps the data for so long, and no longer."""
    tenant = await revoked(ports)
    for name in ("ada", "bob"):
        life = await new_life(ports, tenant, record_count=0, value=name)
        await keep(ports, life, 2)
    await restrict(ports, tenant, "claim")
    await erase(worker(ports))
    clock.advance(LATER)
    await erase(worker(ports))
    spared = await left(ports, tenant)
    await restrict(ports, tenant, "")
    clock.advance(LATER)
    await erase(worker(ports))

    assert (2, 0) == (spared, await left(ports, tenant))


async def restrict(ports: Ports, tenant: str, restriction: str) -> None:
    """Restrict the processing of Ada's data, or lift that."""
    found = await Subjects(ports).require(CALL, SubjectId(Role.PROCESSOR, tenant, "ada"))
    restricted = replace(found, version=found.version + 1, restriction=restriction)
    await commit(ports, saved(restricted))


async def test_nothing_is_done_for_ever(ports: Ports, clock: SteppingClock) -> None:
    """When all is settled and nothing was spared, the revocation is done with."""
    tenant = await revoked(ports)
    await erase(worker(ports))
    clock.advance(LATER)
    await erase(worker(ports))

    found = await ports.reader.get(TABLE, tenant, f"{tenant}/n1", Revocation)

    assert found is not None
    assert found.due_time is None
    clock.advance(LATER)
    assert 0 == await erase(worker(ports))


async def test_revocation_of_another_server_wakes_the_worker(
    ports: Ports, other_ports: Ports
) -> None:
    """The worker doesn't wait for its pause when an instruction is revoked, on whichever server."""
    tenant = await new_tenant(ports)
    await keep(ports, await new_life(ports, tenant, record_count=0), 1)
    idle = RevocationWorker(other_ports, Role.PROCESSOR, idle_seconds=3600)
    running = asyncio.create_task(idle.run())
    try:
        await revoke(ports, tenant)
        async with asyncio.timeout(20):
            while await left(ports, tenant):
                await ports.reader.wait_for_change(TABLE, at_most_seconds=1)
    finally:
        running.cancel()
