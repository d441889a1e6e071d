"""Recording interactions over a real channel: which day is kept, and what is refused."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import grpc
import pytest

from privacyrights.v1 import error_reason_pb2
from privacyrights.v1 import retention_service_pb2 as pb
from server.compose import App
from server.domain.clock import SteppingClock
from tests.rpc.kept import erase, ledger
from tests.rpc.people import end_user, new_id, new_tenant, own_user, refused
from tests.rpc.sweeping import (
    day,
    delete_chatbot,
    explained,
    interact,
    interact_all,
    interaction,
    last_day_of,
    new_chatbot,
    retention,
)

DAY = timedelta(days=1)


async def test_the_last_day_is_kept(channel: grpc.aio.Channel, clock: SteppingClock) -> None:
    """The newest interaction counts; one that arrives late moves nothing back."""
    who = end_user(await new_tenant(channel))
    today = clock.now()

    days = [
        await interact(channel, who, time=today - 3 * DAY),
        await interact(channel, who),
        await interact(channel, who, time=today - 5 * DAY),
    ]

    newest = day(today)
    assert [day(today - 3 * DAY), newest, newest] == days
    assert newest == (await explained(channel, who)).anchor_date


async def test_both_roles_are_kept_apart(channel: grpc.aio.Channel, clock: SteppingClock) -> None:
    """S1: the same id in the two regimes is two people, each with a day of its own."""
    tenant = await new_tenant(channel)
    before = clock.now() - DAY

    await interact(channel, end_user(tenant, "same"), time=before)
    await interact(channel, own_user(tenant, "same"))

    kept = await explained(channel, end_user(tenant, "same"))
    assert (day(before), 24) == (kept.anchor_date, kept.months)
    kept = await explained(channel, own_user(tenant, "same"))
    assert (day(clock.now()), 36) == (kept.anchor_date, kept.months)


async def test_the_day_is_the_tenants(channel: grpc.aio.Channel) -> None:
    """Late in the evening in Paris, it is tomorrow in Tokyo."""
    evening = datetime(2026, 1, 10, 22, tzinfo=UTC)

    days = [
        await interact(channel, end_user(await new_tenant(channel, time_zone=zone)), time=evening)
        for zone in ("Europe/Paris", "Asia/Tokyo")
    ]

    assert ["2026-01-10", "2026-01-11"] == days


async def test_a_second_interaction_of_a_day_leaves_no_trace(
    app: App, channel: grpc.aio.Channel
) -> None:
    """Nothing changes, so the ledger says nothing: else it would hold a profile of habits."""
    tenant = await new_tenant(channel)
    who = end_user(tenant)

    for _ in range(3):
        await interact(channel, who)

    assert ["interaction.recorded", "tenant.created"] == sorted(
        entry.type for entry in await ledger(app.ports, tenant)
    )


async def test_repeat_returns_the_first_answer(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """Also of a call that changed nothing, and whatever was recorded since."""
    who = end_user(await new_tenant(channel))
    request = pb.RecordInteractionRequest(
        interaction=interaction(who, time=clock.now() - DAY), request_id=new_id()
    )

    first = await retention(channel).RecordInteraction(request)
    await interact(channel, who)
    again = await retention(channel).RecordInteraction(request)

    assert day(clock.now() - DAY) == first.last_interaction_date == again.last_interaction_date
    request.interaction.ClearField("interaction_time")
    found = await refused(retention(channel).RecordInteraction(request))
    assert ("ALREADY_EXISTS", "REQUEST_ID_REUSED") == (found.code, found.reason)


async def test_future_is_refused(channel: grpc.aio.Channel, clock: SteppingClock) -> None:
    """A time beyond what clocks may differ would keep somebody longer than promised."""
    who = end_user(await new_tenant(channel))

    found = await refused(interact(channel, who, time=clock.now() + timedelta(seconds=61)))

    assert ("INVALID_ARGUMENT", "TIME_IN_FUTURE") == (found.code, found.reason)
    assert ("interaction.interaction_time",) == found.fields
    assert "SUBJECT_NOT_FOUND" == (await refused(explained(channel, who))).reason


async def test_what_cannot_be_true_is_refused(channel: grpc.aio.Channel) -> None:
    """A time before there were chatbots, such as an empty one taken for a number of seconds."""
    who = end_user(await new_tenant(channel))

    found = await refused(interact(channel, who, time=datetime(1, 1, 1, tzinfo=UTC)))

    assert ("INVALID_ARGUMENT", "FIELD_INVALID") == (found.code, found.reason)


async def test_unknown_things_are_not_found(channel: grpc.aio.Channel) -> None:
    """Tenants and chatbots; another tenant's chatbot doesn't even fit the subject."""
    tenant, other = await new_tenant(channel), await new_tenant(channel)
    theirs = await new_chatbot(channel, other)

    found = await refused(interact(channel, end_user("tenants/nobody")))
    assert ("NOT_FOUND", "TENANT_NOT_FOUND") == (found.code, found.reason)
    found = await refused(interact(channel, end_user(tenant), chatbot=f"{tenant}/chatbots/none"))
    assert ("NOT_FOUND", "CHATBOT_NOT_FOUND") == (found.code, found.reason)
    found = await refused(interact(channel, end_user(tenant), chatbot=theirs))
    assert ("INVALID_ARGUMENT", ("interaction.chatbot",)) == (found.code, found.fields)


async def test_nobody_is_resurrected(app: App, channel: grpc.aio.Channel) -> None:
    """An interaction that arrives after the erasure, however late, is refused."""
    who = end_user(await new_tenant(channel))
    await interact(channel, who)
    await erase(app.ports, who)

    found = await refused(interact(channel, who))

    assert ("FAILED_PRECONDITION", "SUBJECT_ERASED") == (found.code, found.reason)
    assert "SUBJECT_ERASED" == (await refused(explained(channel, who))).reason


async def test_a_chatbot_is_used_with_its_people(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """S11: an interaction with a chatbot moves the chatbot's own last day, and never back."""
    tenant = await new_tenant(channel)
    chatbot = await new_chatbot(channel, tenant)

    assert "" == await last_day_of(channel, chatbot)
    await interact(channel, end_user(tenant), chatbot=chatbot, time=clock.now() - DAY)
    assert day(clock.now() - DAY) == await last_day_of(channel, chatbot)
    await interact(channel, end_user(tenant), chatbot=chatbot)
    await interact(channel, end_user(tenant), chatbot=chatbot, time=clock.now() - 2 * DAY)
    assert day(clock.now()) == await last_day_of(channel, chatbot)


async def test_many_use_a_chatbot_at_once(channel: grpc.aio.Channel) -> None:
    """The first interactions of a day with one chatbot all succeed, though each would move it."""
    tenant = await new_tenant(channel)
    chatbot = await new_chatbot(channel, tenant)

    days = await asyncio.gather(
        *(interact(channel, end_user(tenant), chatbot=chatbot) for _ in range(64))
    )

    assert {await last_day_of(channel, chatbot)} == set(days)


async def test_a_deleted_chatbot_takes_only_what_was_before(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """What happened before the deletion may arrive after it; nothing happens afterwards."""
    tenant = await new_tenant(channel)
    chatbot = await new_chatbot(channel, tenant)
    await delete_chatbot(channel, chatbot)
    clock.advance(timedelta(hours=1))

    await interact(channel, end_user(tenant), chatbot=chatbot, time=clock.now() - DAY)
    found = await refused(interact(channel, end_user(tenant), chatbot=chatbot))

    assert "CHATBOT_NOT_FOUND" == found.reason


@pytest.mark.parametrize("year", [1, 1899, 1989])
async def test_a_time_that_can_not_be_is_refused_where_it_is(
    channel: grpc.aio.Channel, year: int
) -> None:
    """The path is that of the request: of the one interaction, or inside of one of a batch."""
    tenant = await new_tenant(channel)
    wrong = interaction(end_user(tenant), time=datetime(year, 12, 31, tzinfo=UTC))
    right = interaction(end_user(tenant))
    batch = pb.BatchRecordInteractionsRequest(interactions=[wrong, right], request_id=new_id())
    single = pb.RecordInteractionRequest(interaction=wrong, request_id=new_id())

    told = await refused(retention(channel).RecordInteraction(single))
    outcomes = (await retention(channel).BatchRecordInteractions(batch)).outcomes

    rule = "must not be before 1990-01-01"
    assert (("interaction.interaction_time", rule),) == told.violations
    assert "interaction_time" == outcomes[0].failure.field
    assert outcomes[1].last_interaction_date


async def test_batch_gives_each_its_outcome(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """What is wrong with one interaction harms no other."""
    tenant = await new_tenant(channel)
    good, gone = end_user(tenant), end_user(tenant)
    await interact(channel, gone)
    await erase(app.ports, gone)
    today = day(clock.now())

    response = await retention(channel).BatchRecordInteractions(
        pb.BatchRecordInteractionsRequest(
            interactions=[
                interaction(good, time=clock.now() - DAY),
                interaction(gone),
                interaction(end_user(tenant), time=clock.now() + DAY),
                interaction(end_user(tenant), chatbot=f"{tenant}/chatbots/none"),
                interaction(good),
            ],
            request_id=new_id(),
        )
    )

    outcomes = [
        outcome.last_interaction_date
        or error_reason_pb2.ErrorReason.Name(outcome.failure.reason).removeprefix("ERROR_REASON_")
        for outcome in response.outcomes
    ]
    yesterday = day(clock.now() - DAY)
    assert [yesterday, "SUBJECT_ERASED", "TIME_IN_FUTURE", "CHATBOT_NOT_FOUND", today] == outcomes
    assert "interaction_time" == response.outcomes[2].failure.field
    assert today == (await explained(channel, good)).anchor_date


async def test_batch_is_repeated_as_a_whole(channel: grpc.aio.Channel) -> None:
    """The repeat gets the first outcomes, and writes nothing."""
    tenant = await new_tenant(channel)
    request = pb.BatchRecordInteractionsRequest(
        interactions=[interaction(end_user(tenant)) for _ in range(3)], request_id=new_id()
    )

    first = await retention(channel).BatchRecordInteractions(request)
    again = await retention(channel).BatchRecordInteractions(request)

    assert list(first.outcomes) == list(again.outcomes)
    del request.interactions[1:]
    found = await refused(retention(channel).BatchRecordInteractions(request))
    assert "REQUEST_ID_REUSED" == found.reason


@pytest.mark.parametrize("count", [0, 1001])
async def test_batch_has_a_size(channel: grpc.aio.Channel, count: int) -> None:
    """1 to 1,000 interactions."""
    found = await refused(interact_all(channel, [end_user("tenants/acme")] * count))

    assert ("FIELD_INVALID", ("interactions",)) == (found.reason, found.fields)


async def test_batch_is_of_one_tenant_and_role(channel: grpc.aio.Channel) -> None:
    """Each that differs from the first is named."""
    tenant, other = await new_tenant(channel), await new_tenant(channel)

    found = await refused(
        interact_all(channel, [end_user(tenant), own_user(tenant), end_user(other)])
    )

    assert ("interactions[1].subject", "interactions[2].subject") == found.fields


async def test_overlapping_batches_both_succeed(channel: grpc.aio.Channel) -> None:
    """Batches about the same new people, at the same time, lose nothing."""
    tenant = await new_tenant(channel)
    people = [end_user(tenant) for _ in range(50)]

    responses = await asyncio.gather(*(interact_all(channel, people) for _ in range(4)))

    assert {True} == {
        bool(o.last_interaction_date) for response in responses for o in response.outcomes
    }
