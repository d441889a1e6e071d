"""Members of one subscription, on two servers over one database, share its partitions."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator
from unittest.mock import patch

import grpc
import pytest
from pydantic import SecretStr

from privacyrights.v1 import feed_service_pb2 as pb
from privacyrights.v1.feed_service_pb2_grpc import FeedServiceStub
from server.compose import App, compose
from server.domain.clock import SteppingClock
from server.domain.feed.membership import Membership
from server.domain.feed.roster import MAX_MEMBERS
from server.domain.ledger import PARTITIONS, partition_of
from server.settings import Settings
from tests.rpc.conftest import BEGIN
from tests.rpc.feeds import PATIENCE_SECONDS, Subscriber, subscribed, subscriber
from tests.rpc.people import new_tenant, refused

LEASE_SECONDS = 1.0


@pytest.fixture(scope="module")
def settings(settings: Settings) -> Settings:
    """Return settings under which a member that is gone is soon noticed."""
    return settings.model_copy(update={"feed_lease_seconds": LEASE_SECONDS})


@pytest.fixture(scope="module")
async def elsewhere(
    app: App,  # noqa: ARG001 – first
    settings: Settings,
    mongo_uri: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncGenerator[grpc.aio.Channel]:
    """Return a connection to a second server over the same database."""
    second = settings.model_copy(
        update={
            "mongo_uri": SecretStr(mongo_uri),
            "master_key_file": settings.master_key_path,
            "data_dir": tmp_path_factory.mktemp("second"),
        }
    )
    async with compose(second, clock=SteppingClock(BEGIN)) as made:
        await made.server.start()
        async with grpc.aio.insecure_channel(made.server.address) as channel:
            yield channel
        await made.server.stop(5)


async def shares(channel: grpc.aio.Channel, name: str) -> dict[str, list[int]]:
    """Return the partitions of each member."""
    found = await FeedServiceStub(channel).GetSubscription(pb.GetSubscriptionRequest(name=name))
    return {member.member_id: list(member.partitions) for member in found.subscription.members}


async def balanced(channel: grpc.aio.Channel, name: str, *sizes: int) -> dict[str, list[int]]:
    """Return the partitions of each member, once the numbers of them are *sizes*."""
    found: dict[str, list[int]] = {}
    async with asyncio.timeout(PATIENCE_SECONDS):
        while sorted(sizes) != sorted(map(len, found.values())):
            found = await shares(channel, name)
    assert list(range(PARTITIONS)) == sorted(itertools.chain(*found.values()))
    return found


async def tenants_in(channel: grpc.aio.Channel, *partitions: int) -> dict[int, str]:
    """Return a new tenant for each of *partitions*."""
    found: dict[int, str] = {}
    while not found.keys() >= set(partitions):
        tenant = await new_tenant(channel)
        found[partition_of(tenant.removeprefix("tenants/"))] = tenant
    return {partition: found[partition] for partition in partitions}


async def test_members_share_the_work_and_take_it_over(
    channel: grpc.aio.Channel, elsewhere: grpc.aio.Channel
) -> None:
    """Two members have half each, on whichever server they are; when one goes, the other has all.

    Each event comes to whoever has its partition.
    """
    name = await subscribed(channel, types=["tenant.created"])
    async with subscriber(channel, name, member_id="a") as first:
        assert {"a": list(range(PARTITIONS))} == await balanced(channel, name, PARTITIONS)
        async with subscriber(elsewhere, name, member_id="b") as second:
            held = await balanced(channel, name, 8, 8)
            made = await tenants_in(channel, held["a"][0], held["b"][0])
            to_first = {(event := await first.next()).resource_changed.name}
            await first.acknowledge(event)
            while made[held["a"][0]] not in to_first:
                to_first.add((event := await first.next()).resource_changed.name)
                await first.acknowledge(event)
            to_second = {(await second.next()).resource_changed.name}
            while made[held["b"][0]] not in to_second:
                to_second.add((await second.next()).resource_changed.name)
        await balanced(channel, name, PARTITIONS)
        # What the second had and did not acknowledge comes to the first.
        taken_over: set[str] = set()
        while not taken_over >= to_second:
            taken_over.add((await first.next()).resource_changed.name)

    assert not to_first & to_second


async def test_a_member_that_vanishes_loses_its_partitions(
    channel: grpc.aio.Channel, elsewhere: grpc.aio.Channel
) -> None:
    """Without a goodbye, its lease has to end first; then its acknowledgements count no more."""
    name = await subscribed(channel, types=["tenant.created"])
    second = Subscriber(elsewhere, name, member_id="b")
    await second.message()
    await balanced(channel, name, PARTITIONS)
    (partition, _), *_ = (await tenants_in(channel, 3)).items()
    event = await second.next()
    while event.partition != partition:
        event = await second.next()

    async def silent(_self: Membership, _resting: object) -> None:
        """Say no goodbye."""

    with patch.object(Membership, "leave", silent):
        second.hang_up()
        async with subscriber(channel, name, member_id="a") as first:
            started = asyncio.get_running_loop().time()
            # Until it is noticed, what it acknowledges counts.
            await second.acknowledge(event)
            await balanced(channel, name, PARTITIONS)
            took = asyncio.get_running_loop().time() - started
            told = await refused(second.acknowledge(event))
            await first.acknowledge(event)

    assert ("FAILED_PRECONDITION", "LEASE_LOST") == (told.code, told.reason)
    assert LEASE_SECONDS / 2 < took < 5 * LEASE_SECONDS


async def test_there_may_be_more_members_than_partitions_but_not_many_more(
    channel: grpc.aio.Channel,
) -> None:
    """Those beyond the partitions stand by; beyond a limit they are refused."""
    name = await subscribed(channel, types=["breach.*"])
    members = [Subscriber(channel, name, member_id=f"m{n}") for n in range(MAX_MEMBERS)]
    for member in members:
        await member.message()

    await balanced(channel, name, *[1] * PARTITIONS, *[0] * (MAX_MEMBERS - PARTITIONS))
    told = await refused(Subscriber(channel, name, member_id="one-too-many").message())
    for member in members:
        member.hang_up()

    assert ("RESOURCE_EXHAUSTED", "LIMIT_EXCEEDED") == (told.code, told.reason)
    assert {"what": "members of a subscription", "limit": str(MAX_MEMBERS)} == told.metadata


async def test_acknowledgements_on_another_server_are_seen(
    channel: grpc.aio.Channel, elsewhere: grpc.aio.Channel
) -> None:
    """A stream goes on when another server took its acknowledgement, and sends nothing again."""
    name = await subscribed(channel, types=["tenant.created"], timeout=1)
    async with subscriber(channel, name, max_outstanding=1) as stream:
        first, second = await new_tenant(channel), await new_tenant(channel)
        seen: list[pb.Event] = []
        for _ in range(2):
            seen.append(await stream.next())
            position = pb.FeedPosition(partition=seen[-1].partition, position=seen[-1].position)
            await FeedServiceStub(elsewhere).Acknowledge(
                pb.AcknowledgeRequest(name=name, positions=[position])
            )

    assert {first, second} == {event.resource_changed.name for event in seen}
    assert [0, 0] == [event.redelivery_count for event in seen]
