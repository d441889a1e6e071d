"""Erasures over a real channel: at once, everywhere, and for one life only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from datetime import timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from privacyrights.v1 import subject_rights_service_pb2 as pb
from privacyrights.v1 import types_pb2
from server.compose import App, compose
from server.domain.clock import SteppingClock
from server.domain.rights.erasure import erasures as erasures_table
from server.domain.subject import Subject
from server.domain.subjects import Subjects
from server.domain.values import Role
from server.settings import Settings
from tests.rpc.exercising import (
    ACCESS,
    ERASURE,
    Person,
    ask,
    authorise,
    certificate,
    document,
    execute,
    exercise,
    get,
    keep,
    known,
    payload,
    rights,
)
from tests.rpc.kept import CALL, erase, read, subject_id
from tests.rpc.people import end_user, grant, new_id, new_tenant, own_user, refused, verdict

OPTIMISE = "purposes/optimise_interactions"
CUSTOMISE = "purposes/customise_messages"
COMPLETED = pb.RIGHTS_REQUEST_STATE_COMPLETED

BOTH = pytest.mark.parametrize("who", [own_user, end_user])


@pytest.fixture
async def other_channel(
    settings: Settings,
    clock: SteppingClock,
    app: App,  # noqa: ARG001 – the first server prepares the database
) -> AsyncGenerator[grpc.aio.Channel]:
    """Return a connection to a second server over the same database, with the same keys."""
    async with compose(settings, clock=clock) as second:
        await second.server.start()
        async with grpc.aio.insecure_channel(second.server.address) as made:
            yield made
        await second.server.stop(5)


async def stored(app: App, subject: types_pb2.Subject) -> Subject:
    """Return the subject's document."""
    return await Subjects(app.ports).require(CALL, subject_id(subject))


async def reborn(
    channel: grpc.aio.Channel, subject: types_pb2.Subject, clock: SteppingClock
) -> None:
    """Begin a new life of an erased subject by a consent that is given after the erasure."""
    decided = Timestamp()
    decided.FromDatetime(clock.advance(timedelta(seconds=1)))
    await grant(channel, subject, CUSTOMISE, decision_time=decided)


@BOTH
async def test_erased_person_is_unreadable_on_every_server(
    channel: grpc.aio.Channel, other_channel: grpc.aio.Channel, who: Person
) -> None:
    """With the acknowledgement of one server, no server reads anything of the person any more."""
    subject = await known(channel, who)
    purpose = OPTIMISE if who is end_user else "purposes/manage_relationship"
    export = await exercise(channel, subject, ACCESS)
    for each in (channel, other_channel):
        await read(each, subject, purpose=purpose)
        await document(each, export.name)

    await exercise(channel, subject, ERASURE)

    for each in (other_channel, channel):
        calls: list[Awaitable[Any]] = [
            read(each, subject, purpose=purpose),
            document(each, export.name),
            ask(each, subject, ACCESS),
            keep(each, subject),
        ]
        assert ["SUBJECT_ERASED"] * 4 == [(await refused(call)).reason for call in calls]
        assert not (await verdict(each, subject, purpose)).allowed


async def test_cached_key_would_be_noticed(app: App, channel: grpc.aio.Channel) -> None:
    """A process that kept the subject's document, key and all, would go on reading."""
    subject = await known(channel, end_user)
    kept = await stored(app, subject)

    await exercise(channel, subject, ERASURE)

    assert kept.sealed_id is not None
    assert subject.subject_id.encode() == await app.ports.keyring.unseal(
        kept, kept.sealed_id, "subject-id"
    )
    assert (await stored(app, subject)).key is None


async def test_tombstone_knows_nothing(app: App, channel: grpc.aio.Channel) -> None:
    """What stays of a person says only that a life has ended, and when."""
    subject = await known(channel, end_user)
    await grant(channel, subject, CUSTOMISE)

    await exercise(channel, subject, ERASURE)

    left = await stored(app, subject)
    assert (None, None, {}, {}) == (left.key, left.sealed_id, left.consents, left.objections)
    assert left.erased_time is not None


async def test_purge_counts_what_was_destroyed(app: App, channel: grpc.aio.Channel) -> None:
    """The request tells how many records there were, once their ciphertext is gone."""
    subject = end_user(await new_tenant(channel))
    for key in ("a", "b", "c"):
        await keep(channel, subject, key)

    request = await exercise(channel, subject, ERASURE)
    async with asyncio.timeout(30):
        while not (await get(channel, request.name)).outcomes[0].record_count:
            await app.ports.reader.wait_for_change(
                erasures_table(Role.PROCESSOR), at_most_seconds=1
            )

    outcome = (await get(channel, request.name)).outcomes[0]
    assert ("holders/store", 3, pb.HOLDER_OUTCOME_CONFIRMED) == (
        outcome.holder,
        outcome.record_count,
        outcome.outcome,
    )


async def test_repeat_erases_nothing_anew(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """The same call after a new sign-up returns what it returned, and touches nothing."""
    subject = await known(channel, end_user)
    request = await ask(channel, subject, ERASURE)
    await authorise(channel, request.name)
    id = new_id()
    first = await execute(channel, request.name, id)
    await reborn(channel, subject, clock)

    again = await execute(channel, request.name, id)
    other = await refused(execute(channel, request.name))

    assert first == again
    assert "ILLEGAL_TRANSITION" == other.reason
    assert (2, False) == (
        (await stored(app, subject)).generation,
        (await stored(app, subject)).is_erased,
    )


@pytest.mark.parametrize("begins_anew", [False, True])
async def test_late_execution_touches_no_later_life(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock, *, begins_anew: bool
) -> None:
    """A request that is executed after its life has ended is completed with that end as proof."""
    subject = await known(channel, end_user)
    late = await ask(channel, subject, ERASURE)
    await authorise(channel, late.name)
    await erase(app.ports, subject)
    if begins_anew:
        await reborn(channel, subject, clock)
        await keep(channel, subject)

    done = await execute(channel, late.name)

    claims = payload(await certificate(channel, late.name))
    assert (COMPLETED, 1, 1) == (done.state, done.generation, claims["generation"])
    assert "nothing was left: the subject had been erased" == done.outcomes[0].detail
    assert begins_anew is not (await stored(app, subject)).is_erased
    if begins_anew:
        assert 1 == len((await read(channel, subject)).records)


async def test_wiping_the_current_life_would_be_noticed(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """An execution that erased whatever life there is would leave no later one, as shown above."""
    subject = await known(channel, end_user)
    await erase(app.ports, subject)
    await reborn(channel, subject, clock)

    await erase(app.ports, subject)

    assert (await stored(app, subject)).is_erased


async def test_access_after_the_end_answers_that_nothing_is_left(
    app: App, channel: grpc.aio.Channel
) -> None:
    """Whoever asked for access and was erased is told that nothing is kept any more."""
    subject = await known(channel, end_user)
    request = await ask(channel, subject, ACCESS)
    await authorise(channel, request.name)
    await erase(app.ports, subject)

    done = await execute(channel, request.name)

    assert (COMPLETED, 0) == (done.state, done.outcomes[0].record_count)
    assert "EXPORT_NOT_FOUND" == (await refused(document(channel, request.name))).reason
    # Nor does it prove an erasure that it didn't ask for.
    assert "CERTIFICATE_NOT_FOUND" == (await refused(certificate(channel, request.name))).reason


async def test_words_go_with_the_person(channel: grpc.aio.Channel) -> None:
    """The explanation of an earlier refusal can't be read after an erasure; its ground can."""
    subject = await known(channel, end_user)
    request = await ask(channel, subject, ACCESS)
    await rights(channel).RefuseRightsRequest(
        pb.RefuseRightsRequestRequest(
            name=request.name,
            ground=pb.REFUSAL_GROUND_EXCESSIVE,
            explanation="You asked every day",
            request_id=new_id(),
        )
    )
    before = await get(channel, request.name)

    await exercise(channel, subject, ERASURE)

    after = await get(channel, request.name)
    (told,), (left,) = before.refusals, after.refusals
    assert ("You asked every day", "") == (told.explanation, left.explanation)
    assert pb.REFUSAL_GROUND_EXCESSIVE == left.ground


# --- The certificate -----------------------------------------------------------------------------
