"""What is collected on a tenant's instruction alone: refused without, and gone with it (S6)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import grpc
import pytest

from privacyrights.v1 import types_pb2
from server.compose import App
from server.domain.catalogue.catalogue import Category
from server.domain.catalogue.catalogues import Catalogues
from server.domain.catalogue.instructions import Instructions
from server.domain.catalogue.mandate import revocations
from server.domain.change import Change, Insert
from server.domain.errors import InstructionMissingError
from server.domain.ports import Ports, Query
from server.domain.records.record import NewRecord, Record, Wanted, records
from server.domain.records.records import Records
from server.domain.subject import Subject
from server.domain.tenants import Tenants
from server.domain.values import Role
from tests.rpc.held import Held
from tests.rpc.instructing import HISTORY, instruct, revoke
from tests.rpc.kept import (
    CALL,
    NAME,
    PROFILE,
    contents,
    everything,
    ledger,
    put,
    read,
    stored,
    subject_id,
)
from tests.rpc.people import end_user, grant, new_id, new_tenant, refused, verdict

CUSTOMISE = "purposes/customise_messages"
MESSAGES: dict[str, Any] = {"messages": [{"text": "hello"}]}


@pytest.fixture
async def who(channel: grpc.aio.Channel) -> types_pb2.Subject:
    """Return somebody who agreed, of a tenant that has instructed nothing."""
    subject = end_user(await new_tenant(channel))
    await grant(channel, subject, CUSTOMISE)
    return subject


async def keep(
    channel: grpc.aio.Channel, who: types_pb2.Subject, fields: Any = MESSAGES, key: str = ""
) -> None:
    """Keep conversation history of *who*."""
    await put(channel, who, fields, purpose=CUSTOMISE, category=HISTORY, key=key)


async def categories_of(app: App, who: types_pb2.Subject) -> list[str]:
    """Return the categories of which anything is stored of *who*."""
    return sorted({record.category for record in await stored(app.ports, who)})


async def gone(app: App, who: types_pb2.Subject) -> None:
    """Return when no conversation history of *who* is stored."""
    async with asyncio.timeout(20):
        while "conversation_history" in await categories_of(app, who):
            await app.ports.reader.wait_for_change(records(Role.PROCESSOR), at_most_seconds=1)


async def test_nothing_is_collected_without_an_instruction(
    channel: grpc.aio.Channel, who: types_pb2.Subject
) -> None:
    """Conversation history is kept while the tenant's documented instruction stands."""
    before = await refused(keep(channel, who))
    instruction = await instruct(channel, who.tenant)
    await keep(channel, who)
    await revoke(channel, instruction)
    after = await refused(keep(channel, who))

    assert ("FAILED_PRECONDITION", "INSTRUCTION_MISSING") == (before.code, before.reason)
    assert before == after


async def test_what_was_instructed_is_not_read_after_a_revocation(
    channel: grpc.aio.Channel, who: types_pb2.Subject
) -> None:
    """From the moment of the revocation on, whoever asks for it is refused, erased or not yet.

    A reading that names no category is given the others; the purpose itself is allowed.
    """
    instruction = await instruct(channel, who.tenant)
    await keep(channel, who)
    await put(channel, who, NAME, purpose=CUSTOMISE)
    before = await everything(channel, who, purpose=CUSTOMISE)
    await revoke(channel, instruction)

    told = await refused(read(channel, who, purpose=CUSTOMISE, categories=[HISTORY, PROFILE]))
    left = contents(await read(channel, who, purpose=CUSTOMISE))

    assert [MESSAGES, NAME] == before
    assert ("FAILED_PRECONDITION", "INSTRUCTION_MISSING") == (told.code, told.reason)
    assert [NAME] == left
    assert (await verdict(channel, who, CUSTOMISE)).allowed


async def test_what_was_kept_under_a_revoked_instruction_is_erased(
    app: App, channel: grpc.aio.Channel, who: types_pb2.Subject
) -> None:
    """Art. 28(3)(a): it goes, each record with an entry; what rests on nothing else stays."""
    other = end_user(await new_tenant(channel))
    await grant(channel, other, CUSTOMISE)
    await instruct(channel, other.tenant)
    await keep(channel, other)
    instruction = await instruct(channel, who.tenant)
    for key in ("a", "b"):
        await keep(channel, who, key=key)
    await put(channel, who, NAME, purpose=CUSTOMISE)

    await revoke(channel, instruction)
    await gone(app, who)

    deleted = [e for e in await ledger(app.ports, who.tenant) if e.type == "record.deleted"]
    assert ["profile"] == await categories_of(app, who)
    assert ["conversation_history"] == await categories_of(app, other)
    assert [HISTORY] * 2 == [entry.target for entry in deleted]
    assert 1 == len({entry.subject for entry in deleted} - {""})


async def test_another_standing_instruction_keeps_the_data(
    app: App, channel: grpc.aio.Channel, who: types_pb2.Subject
) -> None:
    """Data is put up for erasure when the last instruction for it is taken back, not before."""
    first = await instruct(channel, who.tenant)
    await keep(channel, who)
    second = await instruct(channel, who.tenant)

    await revoke(channel, first)
    between = await everything(channel, who, purpose=CUSTOMISE)
    await revoke(channel, second)
    await gone(app, who)

    assert [MESSAGES] == between


async def test_what_needs_no_instruction_outlives_one(
    app: App, channel: grpc.aio.Channel, who: types_pb2.Subject
) -> None:
    """Data that may be kept without an instruction isn't put up for erasure with one."""
    instruction = await instruct(channel, who.tenant, PROFILE)
    await put(channel, who, NAME, purpose=CUSTOMISE)
    await revoke(channel, instruction)

    table, tenant = revocations(Role.PROCESSOR), who.tenant.removeprefix("tenants/")
    assert 0 == await app.ports.reader.count(Query(table, tenant))
    assert [NAME] == await everything(channel, who, purpose=CUSTOMISE)


async def test_instructions_revoked_at_once_end_together(
    app: App, channel: grpc.aio.Channel, who: types_pb2.Subject
) -> None:
    """Of revocations at the same time none takes the other's instruction for one that stands."""
    instructions = [await instruct(channel, who.tenant) for _ in range(5)]
    await keep(channel, who)

    await asyncio.gather(*(revoke(channel, each) for each in instructions))

    await gone(app, who)
    assert "INSTRUCTION_MISSING" == (await refused(keep(channel, who))).reason


async def test_a_new_instruction_brings_nothing_back(
    app: App, channel: grpc.aio.Channel, who: types_pb2.Subject
) -> None:
    """What was put up for erasure is neither shown nor saved by a later instruction."""
    first = await instruct(channel, who.tenant)
    await keep(channel, who, key="old")
    await revoke(channel, first)
    await instruct(channel, who.tenant)
    later: dict[str, Any] = {"messages": [{"text": "later"}]}
    await keep(channel, who, later, key="new")

    shown = await everything(channel, who, purpose=CUSTOMISE)
    async with asyncio.timeout(20):
        while len(kept := await stored(app.ports, who)) > 1:
            await app.ports.reader.wait_for_change(records(Role.PROCESSOR), at_most_seconds=1)

    assert [later] == shown
    assert ["new"] == [record.key for record in kept]


class Blind(Records):
    """Broken: takes whatever is stored for what is of the present period."""

    async def _page(
        self, subject: Subject, wanted: Wanted, periods: Mapping[str, int]
    ) -> tuple[list[Record], bool]:
        return await super()._page(subject, wanted, dict.fromkeys(periods, 1))


async def made(kind: type[Records], ports: Ports) -> Records:
    """Return the service of this *kind* on *ports*."""
    catalogues = Catalogues(ports)
    await catalogues.refresh()
    return kind(ports, catalogues, Instructions(ports, Tenants(ports), catalogues))


@pytest.mark.parametrize(("kind", "shown"), [(Records, 0), (Blind, 1)])
async def test_what_came_late_is_of_the_ended_period(
    app: App,
    channel: grpc.aio.Channel,
    who: types_pb2.Subject,
    kind: type[Records],
    shown: int,
) -> None:
    """What was committed after its instruction ended isn't shown under the next one either.

    A service that doesn't look when a record was kept shows it.
    """
    first = await instruct(channel, who.tenant)
    await keep(channel, who)
    late = (await stored(app.ports, who))[0]
    await revoke(channel, first)
    await gone(app, who)
    await instruct(channel, who.tenant)
    insert = Insert(records(Role.PROCESSOR), late)
    await app.ports.committer.commit(Change((insert,), ()), type(None))

    service = await made(kind, app.ports)
    reading = await service.read(
        CALL, Wanted(who=subject_id(who), purpose="customise_messages", reason="test")
    )

    assert shown == len(reading.records)


class Trusting(Instructions):
    """Broken: looks once, and takes what was committed for kept."""

    asked = 0

    async def require(self, tenant: str, category: Category) -> int:
        """Return the period that there was at first."""
        self.asked += 1
        return await super().require(tenant, category) if self.asked == 1 else 1


@pytest.mark.parametrize(("kind", "is_told"), [(Instructions, True), (Trusting, False)])
async def test_a_put_overtaken_by_a_revocation_is_refused(
    app: App,
    channel: grpc.aio.Channel,
    who: types_pb2.Subject,
    kind: type[Instructions],
    *,
    is_told: bool,
) -> None:
    """Nobody is told "kept" of what was put up for erasure before it was committed."""
    instruction = await instruct(channel, who.tenant)
    held = Held(app.ports.committer)
    ports = replace(app.ports, committer=held)
    catalogues = Catalogues(ports)
    await catalogues.refresh()
    service = Records(ports, catalogues, kind(ports, Tenants(ports), catalogues))
    new = NewRecord(
        subject_id(who), "customise_messages", "conversation_history", "default", MESSAGES
    )
    late = asyncio.create_task(
        service.put(replace(CALL, request_id=new_id(), content=b"a late put"), new)
    )
    await held.entered.wait()
    await revoke(channel, instruction)
    held.opened.set()
    (told,) = await asyncio.gather(late, return_exceptions=True)

    assert is_told is isinstance(told, InstructionMissingError)
