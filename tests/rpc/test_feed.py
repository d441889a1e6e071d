"""The feed over a real channel: in order, at least once, and no faster than it is taken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from pydantic import SecretStr

from privacyrights.v1 import feed_service_pb2 as pb
from privacyrights.v1 import types_pb2
from privacyrights.v1.feed_service_pb2_grpc import FeedServiceStub
from server.compose import App, compose
from server.domain.change import Change, Committed
from server.domain.clock import SteppingClock
from server.domain.feed.log import FeedLog
from server.domain.feed.stream import Stream
from server.domain.feed.subscription import CURSORS, Cursor, Subscription
from server.domain.ledger import LEDGER, Entry, partition_of
from server.domain.ports import Query
from server.settings import Settings
from server.storage.committer import MongoCommitter
from server.storage.waking import Waking
from tests.rpc.conftest import BEGIN
from tests.rpc.feeds import (
    PATIENCE_SECONDS,
    SILENCE_SECONDS,
    Subscriber,
    subscribed,
    subscriber,
)
from tests.rpc.people import end_user, grant, new_id, new_tenant, own_user, refused, withdraw
from tests.rpc.refusal import refusal

CUSTOMISE = "purposes/customise_messages"
NEWS = "purposes/platform_news"
GRANTED = ["consent.granted"]


@pytest.fixture(scope="module")
def settings(settings: Settings) -> Settings:
    """Return settings under which a member that is gone is soon noticed."""
    return settings.model_copy(update={"feed_lease_seconds": 1.0})


@pytest.fixture
async def tenant(channel: grpc.aio.Channel) -> str:
    """Return the name of a tenant that no other test has."""
    return await new_tenant(channel)


async def granted(channel: grpc.aio.Channel, tenant: str, count: int = 1) -> list[str]:
    """Have so many people agree, one after the other; return the decisions, in order."""
    return [
        (await grant(channel, end_user(tenant), CUSTOMISE)).consent_decision for _ in range(count)
    ]


def targets(events: Sequence[pb.Event]) -> list[str]:
    """Return what events are about."""
    return [event.entry.target for event in events]


async def test_events_come_in_order_with_what_cloudevents_ask(
    channel: grpc.aio.Channel, tenant: str
) -> None:
    """An event has a stable id, its source, type, time and subject, and the whole entry."""
    name = await subscribed(channel, tenant, types=["consent.*"])
    async with subscriber(channel, name) as stream:
        decisions = await granted(channel, tenant, 3)
        events = await stream.take(3)
    first = events[0]

    assert decisions == targets(events)
    assert list(range(first.position, first.position + 3)) == [each.position for each in events]
    assert {partition_of(tenant.removeprefix("tenants/"))} == {each.partition for each in events}
    assert first.entry.name == f"{tenant}/ledgerEntries/{first.id}"
    assert (f"{tenant}/ledger", "consent.granted") == (first.source, first.type)
    assert first.time.ToDatetime() == BEGIN.replace(tzinfo=None)
    assert first.subject == first.entry.subject_reference
    assert [0, 0, 0] == [each.redelivery_count for each in events]
    assert 32 == len(first.entry.leaf_hash)
    assert first.entry.HasField("position")


async def test_events_say_what_to_do_about_them(channel: grpc.aio.Channel, tenant: str) -> None:
    """After a consent, ask anew; of anything else, the resource to read is named."""
    name = await subscribed(channel, tenant, types=["consent.withdrawn", "chatbot.*"])
    person = end_user(tenant)
    async with subscriber(channel, name) as stream:
        await grant(channel, person, CUSTOMISE)
        await withdraw(channel, person, CUSTOMISE)
        event = await stream.next()
    everything = await subscribed(
        channel, tenant, types=["tenant.created"], start_time=BEGIN - timedelta(days=1)
    )
    async with subscriber(channel, everything) as stream:
        created = await stream.next()

    assert event.verdict_invalidated == pb.VerdictInvalidated(
        role=types_pb2.ROLE_PROCESSOR,
        tenant=tenant,
        subject_reference=event.subject,
        purpose=CUSTOMISE,
    )
    assert tenant == created.resource_changed.name


class Unfiltered(Subscription):
    """A subscription whose filter is dropped."""

    def wants(self) -> Callable[[Entry], bool]:
        """Want everything."""
        return bool


async def others_events(channel: grpc.aio.Channel) -> list[pb.Event]:
    """Return what comes to a subscriber of one tenant and regime while others are busy."""
    own, other = await new_tenant(channel), await new_tenant(channel)
    created = pb.CreateSubscriptionRequest(
        subscription_id=new_id("feed"),
        subscription=pb.Subscription(
            filter=pb.EventFilter(
                types=["consent.*"], tenants=[own], roles=[types_pb2.ROLE_PROCESSOR]
            )
        ),
        request_id=new_id(),
    )
    await FeedServiceStub(channel).CreateSubscription(created)
    async with subscriber(channel, f"subscriptions/{created.subscription_id}") as stream:
        await grant(channel, end_user(other), CUSTOMISE)
        await grant(channel, own_user(own), NEWS)
        last = await granted(channel, own)
        found = [await stream.next()]
        while last != targets(found[-1:]):
            found.append(await stream.next())
    return found[:-1]


async def test_nothing_of_others_comes(channel: grpc.aio.Channel) -> None:
    """Another tenant's events, another regime's and other types don't come; they would be seen."""
    assert [] == await others_events(channel)
    with patch.object(Subscription, "wants", Unfiltered.wants):
        assert await others_events(channel)


async def test_what_was_acknowledged_does_not_come_again(
    channel: grpc.aio.Channel, tenant: str
) -> None:
    """A new stream begins after what was acknowledged, and with what wasn't."""
    name = await subscribed(channel, tenant, types=GRANTED)
    async with subscriber(channel, name) as stream:
        decisions = await granted(channel, tenant, 3)
        events = await stream.take(3)
        reached = await stream.acknowledge(events[1])
        # Positions only rise.
        again = await stream.acknowledge(events[0])
    async with subscriber(channel, name) as stream:
        following = await stream.next()
        more = await granted(channel, tenant)
        last = await stream.next()

    assert [events[1].position] == [each.position for each in reached]
    assert [events[1].position] == [each.position for each in again]
    assert events[2].id == following.id
    assert [decisions[2], *more] == targets([following, last])


async def commit_later(
    _self: MongoCommitter, _change: Change, outcome: type[Any]
) -> Committed[Any]:
    """Answer, and commit whenever it suits."""
    return Committed(outcome(), "")


async def is_kept_when_answered(
    channel: grpc.aio.Channel, app: App, tenant: str, acknowledging: AbstractContextManager[object]
) -> bool:
    """Tell whether an acknowledgement is in the database by the time it is answered."""
    name = await subscribed(channel, tenant, types=GRANTED)
    async with subscriber(channel, name) as stream:
        await granted(channel, tenant)
        event = await stream.next()
        with acknowledging:
            await stream.acknowledge(event)
        cursors = await app.ports.reader.find(Query(CURSORS, tenant="", limit=10_000), Cursor)
    own = [each for each in cursors if each.id.startswith(f"{name.partition('/')[2]}/")]
    return event.position + 1 == own[event.partition].position


async def test_an_answered_acknowledgement_is_durable(
    channel: grpc.aio.Channel, app: App, tenant: str
) -> None:
    """It is in the database, by majority, before it is answered; one that comes late is noticed."""
    assert await is_kept_when_answered(channel, app, tenant, nullcontext())
    late = patch.object(MongoCommitter, "commit", commit_later)
    assert not await is_kept_when_answered(channel, app, tenant, late)


async def test_what_happened_while_nobody_listened_comes(
    channel: grpc.aio.Channel, tenant: str
) -> None:
    """A subscription begins when it is made, not when it is first streamed."""
    await granted(channel, tenant)
    # What was committed in the last moments may come, too: this one has been sequenced.
    await sequenced(channel, tenant)
    name = await subscribed(channel, tenant, types=GRANTED)
    decisions = await granted(channel, tenant, 2)

    async with subscriber(channel, name) as stream:
        assert decisions == targets(await stream.take(2))


async def sequenced(channel: grpc.aio.Channel, tenant: str) -> None:
    """Return when all that *tenant* has done so far has its place."""
    name = await subscribed(channel, tenant, start_time=BEGIN - timedelta(days=1))
    done = (await granted(channel, tenant))[0]
    async with subscriber(channel, name) as stream:
        while [done] != targets([await stream.next()]):
            pass


async def test_a_subscription_begins_where_it_is_asked_to(
    channel: grpc.aio.Channel, tenant: str, clock: SteppingClock
) -> None:
    """Events at or after the start time come, and no older one."""
    await granted(channel, tenant, 2)
    start = clock.advance(timedelta(hours=3))
    decisions = await granted(channel, tenant, 2)
    await sequenced(channel, tenant)
    later = clock.advance(timedelta(hours=3))

    name = await subscribed(channel, tenant, types=GRANTED, start_time=start)
    nothing_yet = await subscribed(channel, tenant, types=GRANTED, start_time=later)

    async with subscriber(channel, name) as stream:
        assert decisions == targets(await stream.take(2))
    async with subscriber(channel, nothing_yet) as stream:
        new = await granted(channel, tenant)
        assert new == targets([await stream.next()])


async def test_what_is_not_acknowledged_in_time_comes_again(
    channel: grpc.aio.Channel, tenant: str
) -> None:
    """After the timeout the event and those after it come again, with the same ids, and counted."""
    name = await subscribed(channel, tenant, types=GRANTED, timeout=1)
    await granted(channel, tenant, 3)
    await sequenced(channel, tenant)
    async with subscriber(channel, name) as stream:
        # Those three and the one that `sequenced` made; all of them are there from the start.
        rounds = [await stream.take(4) for _ in range(2)]
        await stream.acknowledge(rounds[0][0])
        event = await stream.next()
        while event.id == rounds[0][0].id:  # It was on its way again before that was answered.
            event = (await stream.take(4))[3]
        await stream.acknowledge(rounds[0][3])
        found = await FeedServiceStub(channel).GetSubscription(pb.GetSubscriptionRequest(name=name))

    assert [each.id for each in rounds[0]] == [each.id for each in rounds[1]]
    assert [0, 0, 0, 0] == [each.redelivery_count for each in rounds[0]]
    assert [1, 1, 1, 1] == [each.redelivery_count for each in rounds[1]]
    assert event.redelivery_count > 1
    assert 0 == found.subscription.lag_count


async def test_no_more_than_asked_for_is_on_the_way(channel: grpc.aio.Channel, tenant: str) -> None:
    """With as many events outstanding as may be, the next comes after an acknowledgement."""
    name = await subscribed(channel, tenant, types=GRANTED)
    async with subscriber(channel, name, max_outstanding=2) as stream:
        decisions = await granted(channel, tenant, 5)
        events = await stream.take(2)
        waiting = asyncio.create_task(stream.next())
        await asyncio.wait((waiting,), timeout=SILENCE_SECONDS)
        assert not waiting.done()
        await stream.acknowledge(events[0])
        events.append(await waiting)
        await stream.acknowledge(events[2])
        events += await stream.take(2)

    assert decisions == targets(events)


async def test_a_reader_that_is_slow_keeps_nobody_waiting(
    channel: grpc.aio.Channel, app: App, tenant: str
) -> None:
    """Who doesn't read at all costs the others nothing, and has missed nothing afterwards."""
    name, other = [await subscribed(channel, tenant, types=GRANTED) for _ in range(2)]
    async with (
        grpc.aio.insecure_channel(app.server.address) as own,
        subscriber(own, name, max_outstanding=1_000) as slow,
        subscriber(channel, other) as quick,
    ):
        decisions = await granted(channel, tenant, 30)
        assert decisions == targets(await quick.take(30))
        assert decisions == targets(await slow.take(30))


@pytest.mark.parametrize(
    ("positions", "field"),
    [
        ([(16, 0)], "positions[0].partition"),
        ([(-1, 0)], "positions[0].partition"),
        ([(1, 0), (1, 0)], "positions[1].partition"),
        ([(1, -1)], "positions[0].position"),
        ([], "positions"),
    ],
)
async def test_an_acknowledgement_of_what_cannot_be_is_refused(
    channel: grpc.aio.Channel, positions: list[tuple[int, int]], field: str
) -> None:
    """Partitions there are sixteen, each named once, with a position of its own."""
    name = await subscribed(channel)
    async with subscriber(channel, name) as stream:
        told = await refused(stream.acknowledge_positions(positions))

    assert ("INVALID_ARGUMENT", (field,)) == (told.code, told.fields)


async def test_an_acknowledgement_beyond_the_end_is_refused(
    channel: grpc.aio.Channel, tenant: str
) -> None:
    """What hasn't happened can't be acknowledged, and nothing of that call counts."""
    name = await subscribed(channel, tenant, types=GRANTED)
    async with subscriber(channel, name) as stream:
        await granted(channel, tenant)
        event = await stream.next()
        other = (event.partition + 1) % 16
        told = await refused(
            stream.acknowledge_positions([(event.partition, event.position), (other, 10**9)])
        )
        found = await FeedServiceStub(channel).GetSubscription(pb.GetSubscriptionRequest(name=name))

    assert ("positions[1].position",) == told.fields
    assert 1 == found.subscription.lag_count


async def test_a_newer_stream_of_a_member_takes_the_place_of_the_older(
    channel: grpc.aio.Channel, tenant: str
) -> None:
    """A line may be dead without anybody having noticed: who comes again isn't kept waiting."""
    name = await subscribed(channel, tenant, types=GRANTED)
    async with subscriber(channel, name, member_id="a") as older:
        decisions = await granted(channel, tenant)
        event = await older.next()
        async with subscriber(channel, name, member_id="a") as newer:
            again = await newer.next()
            told = await refused(older.message())
            # What the older stream brought is the member's all the same.
            await newer.acknowledge(event)
            decisions += await granted(channel, tenant)
            following = await newer.next()

    assert ("RESOURCE_EXHAUSTED", "LIMIT_EXCEEDED") == (told.code, told.reason)
    assert event.id == again.id
    assert decisions == targets([event, following])


async def test_a_changed_filter_holds_for_what_follows(
    channel: grpc.aio.Channel, tenant: str
) -> None:
    """A stream takes up a new filter by itself."""
    name = await subscribed(channel, tenant, types=["breach.*"])
    async with subscriber(channel, name) as stream:
        await FeedServiceStub(channel).UpdateSubscription(
            pb.UpdateSubscriptionRequest(
                subscription=pb.Subscription(name=name, filter=pb.EventFilter(tenants=[tenant])),
                update_mask=FieldMask(paths=["filter"]),
                request_id=new_id(),
            )
        )
        event = asyncio.create_task(stream.next())
        while not event.done():
            await granted(channel, tenant)
            await asyncio.wait((event,), timeout=0.05)

    assert "consent.granted" == event.result().type


async def test_signs_of_life_come_when_nothing_else_does(channel: grpc.aio.Channel) -> None:
    """Who hears nothing for longer than that knows that the line is dead."""
    name = await subscribed(channel, types=["breach.*"])
    init = Stream.__init__

    def lively(self: Stream, *args: object, **given: object) -> None:
        init(self, *args, **{**given, "life_seconds": 0.1})  # type: ignore[arg-type]  # its own arguments

    with patch.object(Stream, "__init__", lively):
        async with subscriber(channel, name) as stream:
            messages = [await stream.message() for _ in range(3)]

    assert [0, 0, 0] == [len(each.events) for each in messages]


class Unsequenced(FeedLog):
    """A log that is read by time, as if commits were in that order."""

    async def heads(self) -> dict[int, int]:
        """Return how many entries there are, sequenced or not."""
        counted: dict[int, int] = {}
        for partition in range(16):
            query = Query(LEDGER, tenant=None, equals={"partition": partition})
            counted[partition] = await self._reader.count(query)
        return counted

    async def read(self, partition: int, position: int, *, limit: int) -> Sequence[Entry]:
        """Return entries by time."""
        query = Query(
            LEDGER, tenant=None, equals={"partition": partition}, order="time", limit=10_000
        )
        return (await self._reader.find(query, Entry))[position : position + limit]


async def all_are_sequenced(
    channel: grpc.aio.Channel, *, patience: float = PATIENCE_SECONDS
) -> bool:
    """Tell whether all that is written comes, and all that comes has its place."""
    tenant = await new_tenant(channel)
    name = await subscribed(channel, tenant, types=GRANTED)
    async with subscriber(channel, name) as stream:
        await asyncio.gather(*(granted(channel, tenant, 4) for _ in range(5)))
        try:
            events = [await stream.next(patience=patience) for _ in range(20)]
        except TimeoutError:
            return False
    return all(event.entry.HasField("position") for event in events)


@asynccontextmanager
async def another(mongo_uri: str, prefix: str, folder: Path) -> AsyncGenerator[App]:
    """Return a server of its own that the test may break or stop."""
    own = Settings(
        listen="127.0.0.1:0",
        mongo_uri=SecretStr(mongo_uri),
        database=prefix,
        data_dir=folder,
        catalogue=Path(__file__).parents[2] / "deploy/catalogue/chatbot-platform.json",
    )
    async with compose(own, clock=SteppingClock(BEGIN)) as made:
        await made.server.start()
        yield made


async def test_only_what_is_sequenced_is_delivered(
    channel: grpc.aio.Channel,
    mongo_uri: str,
    prefix: str,
    tmp_path: Path,
    configured_logs: None,  # noqa: ARG001 – first
) -> None:
    """An event has the place in the log that it will have for ever; a feed by time wouldn't."""
    assert await all_are_sequenced(channel)

    unsequenced = patch.multiple(FeedLog, heads=Unsequenced.heads, read=Unsequenced.read)
    async with (
        another(mongo_uri, prefix, tmp_path) as app,
        grpc.aio.insecure_channel(app.server.address) as other,
    ):
        with unsequenced:
            # Mostly at once; an entry may get its place between being committed and being read.
            tries = [await all_are_sequenced(other, patience=1) for _ in range(3)]
        await app.server.stop(5)
    assert not all(tries)


async def test_without_change_streams_and_without_being_woken_it_delivers(
    mongo_uri: str,
    prefix: str,
    tmp_path: Path,
    configured_logs: None,  # noqa: ARG001 – first
) -> None:
    """Change streams only wake it: with none, and deaf to its own commits, nothing is lost."""

    async def deaf(_self: Waking, _place: object, *, at_most_seconds: float, **_: object) -> None:
        await asyncio.sleep(at_most_seconds)

    with patch.object(Waking, "wait", deaf):
        async with (
            another(mongo_uri, prefix, tmp_path) as app,
            grpc.aio.insecure_channel(app.server.address) as channel,
        ):
            tenant = await new_tenant(channel)
            name = await subscribed(channel, tenant, types=GRANTED)
            async with subscriber(channel, name) as stream:
                decisions = await granted(channel, tenant, 5)
                assert decisions == targets(await stream.take(5))
            await app.server.stop(5)


async def test_a_stream_ends_when_the_server_drains(
    mongo_uri: str,
    prefix: str,
    tmp_path: Path,
    configured_logs: None,  # noqa: ARG001 – first
) -> None:
    """A server that stops doesn't wait for its streams: they end at once, and give back all."""
    async with (
        another(mongo_uri, prefix, tmp_path) as app,
        grpc.aio.insecure_channel(app.server.address) as channel,
    ):
        name = await subscribed(channel, types=["breach.*"])
        stream = Subscriber(channel, name)
        await stream.message()
        await asyncio.wait_for(app.server.stop(60), 10)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stream.message()
        found = refusal(caught.value)

    assert ("UNAVAILABLE", "DRAINING") == (found.code, found.reason)
