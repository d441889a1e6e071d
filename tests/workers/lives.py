"""People with records, and the ends of their lives."""

from __future__ import annotations

import itertools
from dataclasses import replace

from server.domain.call import Call
from server.domain.change import Change, Insert, Write
from server.domain.ledger import new_entry
from server.domain.ports import Ports, Query
from server.domain.records.record import Record, record_id, records, seal_context
from server.domain.retention.activity import Activity, interactions
from server.domain.rights.erasure import Erasure, Erasures, erasures
from server.domain.rights.exports import ExportChunk, exports
from server.domain.subject import Subject
from server.domain.subjects import Subjects, saved
from server.domain.tenants import Tenants
from server.domain.values import Role, SubjectId

CALL = Call(caller="test", rpc="Tests/Purge")
_BATCH = 500

_numbers = itertools.count(1)


async def new_tenant(ports: Ports) -> str:
    """Return the id of a tenant that no other test has."""
    tenant = f"tenant{next(_numbers)}"
    await Tenants(ports).create(
        replace(CALL, request_id=tenant), tenant=tenant, display_name="Acme", time_zone="UTC"
    )
    return tenant


async def commit(ports: Ports, *writes: Write) -> None:
    """Write with one line of the ledger."""
    now = ports.clock.now()
    entry = new_entry(CALL, ports.ids, tenant="", type="test.written", time=now)
    await ports.committer.commit(Change(writes, (entry,)), type(None))


async def new_life(ports: Ports, tenant: str, *, record_count: int, value: str = "ada") -> Subject:
    """Return an end-user with so many records; one who was erased begins a new life."""
    now = ports.clock.now()
    who = SubjectId(Role.PROCESSOR, tenant, value)
    subject = await Subjects(ports).reopen(CALL, who, event_time=now, now=now)
    subject = replace(subject, version=subject.version + 1, entry="entry")
    await commit(ports, saved(subject))
    kept = [
        Insert(records(subject.role), await record(ports, subject, number))
        for number in range(record_count)
    ]
    for begin in range(0, len(kept), _BATCH):
        await commit(ports, *kept[begin : begin + _BATCH])
    return subject


async def record(ports: Ports, subject: Subject, number: int) -> Record:
    """Return a record of *subject*, not yet stored."""
    now, key = ports.clock.now(), f"k{number}"
    return Record(
        id=record_id(subject, "quick_reply", key),
        tenant=subject.tenant,
        version=1,
        subject=subject.id,
        generation=subject.generation,
        category="quick_reply",
        key=key,
        purpose="optimise_interactions",
        purpose_version=1,
        create_time=now,
        update_time=now,
        sealed=await ports.keyring.seal(
            subject, b'{"answer":"blue"}', seal_context("quick_reply", key)
        ),
    )


def activity(subject: Subject) -> Activity:
    """Return the days of *subject*, not yet stored."""
    return Activity(
        id=subject.id,
        tenant=subject.tenant,
        subject=subject.id,
        generation=subject.generation,
        version=1,
        first_date="2026-01-01",
        last_date="2026-03-01",
    )


async def chunk(ports: Ports, subject: Subject, export: str) -> ExportChunk:
    """Return a part of an export that expires now, not yet stored."""
    return ExportChunk(
        id=f"{subject.tenant}/{export}/000000",
        tenant=subject.tenant,
        version=1,
        subject=subject.id,
        generation=subject.generation,
        expire_time=ports.clock.now(),
        sealed=await ports.keyring.seal(subject, b"{}", "export"),
    )


async def erase(ports: Ports, subject: Subject) -> None:
    """End the life of *subject*."""
    erased = Erasures(ports).of(CALL, subject, time=ports.clock.now(), reason="test")
    await ports.committer.commit(Change(erased.writes, erased.entries), type(None))


async def ended(ports: Ports, subject: Subject) -> Erasure:
    """Return the erasure of *subject*."""
    found = await Erasures(ports).find(subject.role, subject.tenant, subject.id, subject.generation)
    assert found is not None
    return found


async def counts(ports: Ports, subject: Subject) -> dict[str, int]:
    """Return how many documents of *subject*, of any life, each table has."""
    tables = (records, exports, interactions, erasures)
    return {
        table.__name__: await ports.reader.count(
            Query(table(subject.role), subject.tenant, equals={"subject": subject.id})
        )
        for table in tables
    }
