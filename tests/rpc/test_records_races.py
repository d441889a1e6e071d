"""A put that an erasure overtakes brings nobody back, and isn't answered with success.

The domain's service runs on the real storage; what it commits is held until the erasure, and
whatever else comes between, has been acknowledged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import grpc
import pytest

from privacyrights.v1 import records_service_pb2 as pb
from privacyrights.v1 import types_pb2
from server.compose import App
from server.domain.call import Call
from server.domain.catalogue.catalogues import Catalogues
from server.domain.catalogue.instructions import Instructions
from server.domain.change import Change, Purge
from server.domain.clock import SteppingClock
from server.domain.errors import DomainError, SubjectErasedError
from server.domain.ports import Freshness, Ports, Query
from server.domain.records.record import NewRecord, Record, RecordPut, Wanted, records
from server.domain.records.records import Records
from server.domain.subject import Subject
from server.domain.tenants import Tenants
from server.domain.values import SubjectId
from tests.rpc.held import Held
from tests.rpc.kept import CALL, erase, everything, ledger, put, stored, stub, subject_id
from tests.rpc.people import end_user, new_id, new_tenant

OLD, NEW = {"name": "of the old life"}, {"name": "of the new life"}


class Trusting(Records):
    """Broken: takes what was committed for kept."""

    async def _require_alive(self, call: Call, who: SubjectId) -> None:
        pass


class Forgetful(Records):
    """Broken: reads whatever life there is something of."""

    async def _page(
        self,
        subject: Subject,
        wanted: Wanted,  # noqa: ARG002 – all of it
        periods: Mapping[str, int],
    ) -> tuple[list[Record], bool]:
        query = Query(
            records(subject.role),
            tenant=subject.tenant,
            equals={"subject": subject.id, "category": tuple(periods)},
        )
        return list(await self._ports.reader.find(query, Record)), False


async def made(kind: type[Records], ports: Ports) -> Records:
    """Return the service of this *kind* on *ports*."""
    catalogues = Catalogues(ports)
    await catalogues.refresh()
    return kind(ports, catalogues, Instructions(ports, Tenants(ports), catalogues))


async def overtaken(
    app: App,
    kind: type[Records],
    subject: types_pb2.Subject,
    between: Callable[[], Awaitable[object]],
) -> RecordPut | DomainError:
    """Return what a put is told when *between* happens after its decision, before its commit."""
    held = Held(app.ports.committer)
    service = await made(kind, replace(app.ports, committer=held))
    call = replace(CALL, request_id=new_id(), content=b"a late put")
    late = asyncio.create_task(_outcome(service, call, subject))
    await held.entered.wait()
    await between()
    held.opened.set()
    return await late


async def _outcome(
    service: Records, call: Call, subject: types_pb2.Subject
) -> RecordPut | DomainError:
    new = NewRecord(
        who=subject_id(subject),
        purpose="optimise_interactions",
        category="profile",
        key="default",
        fields=dict(OLD),
    )
    try:
        return (await service.put(call, new)).outcome
    except DomainError as error:
        return error


async def known(channel: grpc.aio.Channel) -> types_pb2.Subject:
    """Return somebody about whom something is kept."""
    subject = end_user(await new_tenant(channel))
    await put(channel, subject, {"duration_seconds": 1}, category="categories/session")
    return subject


async def reborn(app: App, channel: grpc.aio.Channel, clock: SteppingClock, subject: Any) -> None:
    """End the life of *subject*, and start the next with a record of the same category and key."""
    await erase(app.ports, subject)
    found = (await stored(app.ports, subject))[0]
    role = subject_id(subject).role
    purge = Purge(records(role), found.tenant, found.subject, found.generation)
    await app.ports.committer.commit(Change((purge,), ()), type(None))
    request = pb.RegisterSubjectRequest(subject=subject, request_id=new_id())
    request.event_time.FromDatetime(clock.advance(timedelta(seconds=1)))
    await stub(channel).RegisterSubject(request)
    await put(channel, subject, NEW)


async def answers_a_late_put_with_no(
    app: App, channel: grpc.aio.Channel, kind: type[Records]
) -> None:
    """Show that a put which an erasure overtook is refused."""
    subject = await known(channel)

    told = await overtaken(app, kind, subject, lambda: erase(app.ports, subject))

    assert isinstance(told, SubjectErasedError)


async def test_a_put_overtaken_by_an_erasure_is_refused(
    app: App, channel: grpc.aio.Channel
) -> None:
    """Nobody is told "kept" about data that nobody can read any more."""
    await answers_a_late_put_with_no(app, channel, Records)


async def test_that_trusting_the_commit_would_be_noticed(
    app: App, channel: grpc.aio.Channel
) -> None:
    """A service that doesn't look again breaks the promise above."""
    with pytest.raises(AssertionError):
        await answers_a_late_put_with_no(app, channel, Trusting)


async def test_a_first_put_overtaken_by_an_erasure_is_refused(
    app: App, channel: grpc.aio.Channel
) -> None:
    """So it is when the person was unknown at the decision, and known and erased at the commit."""
    subject = end_user(await new_tenant(channel))

    async def between() -> None:
        await put(channel, subject)
        await erase(app.ports, subject)

    assert isinstance(await overtaken(app, Records, subject, between), SubjectErasedError)


async def test_what_came_late_is_of_the_ended_life(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """The next life sees nothing of it, keeps what is its own, and its purge takes it along."""
    subject = await known(channel)

    await overtaken(app, Records, subject, lambda: reborn(app, channel, clock, subject))

    assert [1, 2] == sorted(record.generation for record in await stored(app.ports, subject))
    assert [NEW] == await everything(channel, subject)


async def test_a_late_replacement_hits_nothing_of_the_next_life(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """A record of the next life has the version that the late put expects, and stays as it is."""
    subject = await known(channel)
    await put(channel, subject, OLD)

    told = await overtaken(app, Records, subject, lambda: reborn(app, channel, clock, subject))

    assert isinstance(told, SubjectErasedError)
    assert [NEW] == await everything(channel, subject)


async def test_without_the_generation_the_key_still_refuses(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """Even a reading that forgets to ask for the current life can't open what is of another."""
    subject = await known(channel)
    await overtaken(app, Records, subject, lambda: reborn(app, channel, clock, subject))
    service = await made(Forgetful, app.ports)
    wanted = Wanted(
        who=subject_id(subject),
        purpose="optimise_interactions",
        reason="test",
        freshness=Freshness(),
    )

    with pytest.raises(SubjectErasedError):
        await service.read(CALL, wanted)


async def test_a_put_before_the_erasure_is_answered_with_success(
    app: App, channel: grpc.aio.Channel
) -> None:
    """What was durable and readable was kept, although it is erased a moment later."""
    subject = await known(channel)

    async def nothing() -> None:
        pass

    told = await overtaken(app, Records, subject, nothing)

    assert isinstance(told, RecordPut)
    await erase(app.ports, subject)
    types = [entry.type for entry in await ledger(app.ports, subject.tenant)]
    assert ["tenant.created", "record.put", "record.put", "subject.erased"] == types


async def test_concurrent_puts_about_one_person_all_hold(
    app: App, channel: grpc.aio.Channel
) -> None:
    """Neither the first records of somebody unknown nor later ones harm each other."""
    subject = end_user(await new_tenant(channel))

    await asyncio.gather(*(put(channel, subject, {"name": f"{n}"}, key=f"k{n}") for n in range(20)))
    await asyncio.gather(*(put(channel, subject, {"name": f"{n}"}, key="one") for n in range(8)))

    assert 21 == len(await everything(channel, subject))
    assert 8 == max(record.version for record in await stored(app.ports, subject))
