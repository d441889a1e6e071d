"""Notices over a real channel: a tenant lists, watches and acknowledges its own, and no other's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from pydantic import SecretStr
from pymongo import AsyncMongoClient

from privacyrights.v1 import breach_service_pb2 as pb
from privacyrights.v1 import types_pb2
from privacyrights.v1.breach_service_pb2_grpc import BreachServiceStub
from server.compose import App, compose
from server.domain.clock import SteppingClock
from server.settings import Settings
from tests.rpc.breaches import (
    PATIENCE_SECONDS,
    Subscription,
    acknowledge,
    notices,
    of_tenants,
    report,
    watching,
)
from tests.rpc.conftest import BEGIN, Logged
from tests.rpc.people import new_tenant, refused
from tests.rpc.refusal import refusal

PROCESSOR = types_pb2.ROLE_PROCESSOR


async def test_notices_are_listed_newest_first(channel: grpc.aio.Channel) -> None:
    """Pages go through a tenant's notices; those that are acknowledged can be left out."""
    tenant = await new_tenant(channel)
    scope = of_tenants(tenant, roles=[PROCESSOR])
    reported = [(await report(channel, scope)).name for _ in range(3)]
    stub = BreachServiceStub(channel)
    asked = pb.ListNoticesRequest(parent=tenant, role=PROCESSOR, page_size=2)

    first = await stub.ListNotices(asked)
    asked.page_token = first.next_page_token
    second = await stub.ListNotices(asked)
    await acknowledge(channel, first.notices[0].name)
    left = await notices(channel, tenant, unacknowledged_only=True)

    assert reported[::-1] == [n.breach for n in (*first.notices, *second.notices)]
    assert "" == second.next_page_token
    assert reported[1::-1] == [n.breach for n in left]


async def test_a_stream_tells_what_is_open_then_what_is_new(channel: grpc.aio.Channel) -> None:
    """First come the unacknowledged notices, oldest first, then each new one as it is made."""
    tenant = await new_tenant(channel)
    scope = of_tenants(tenant, roles=[PROCESSOR])
    for _ in range(3):
        await report(channel, scope)
    oldest_first = [notice.name for notice in await notices(channel, tenant)][::-1]
    await acknowledge(channel, oldest_first[1])

    async with watching(channel, tenant) as subscription:
        begun = await subscription.names(2)
        reported = await report(channel, scope)
        following = await subscription.next()

    assert [oldest_first[0], oldest_first[2]] == begun
    assert reported.name == following.breach


async def test_who_was_down_gets_everything_on_return(channel: grpc.aio.Channel) -> None:
    """Notices made while nobody listened, and those that were not acknowledged, come on return."""
    tenant = await new_tenant(channel)
    scope = of_tenants(tenant, roles=[PROCESSOR])
    await report(channel, scope)
    async with watching(channel, tenant) as subscription:
        seen = await subscription.next()
    for _ in range(2):
        await report(channel, scope)

    async with watching(channel, tenant) as subscription:
        returned = await subscription.names(3)

    everything = [notice.name for notice in await notices(channel, tenant)][::-1]
    assert everything == returned
    assert seen.name == returned[0]


async def test_one_stream_is_about_several_tenants_and_both_regimes(
    channel: grpc.aio.Channel,
) -> None:
    """A service of the platform hears of each tenant it names, in each regime, and of no other."""
    first, second, other = [await new_tenant(channel) for _ in range(3)]
    await report(channel, of_tenants(first, roles=[PROCESSOR]))
    call = BreachServiceStub(channel).WatchNotices(
        pb.WatchNoticesRequest(tenants=[first, second, first])
    )
    subscription = Subscription(call)
    try:
        begun = await subscription.next()
        await report(channel, of_tenants(other, roles=[PROCESSOR]))
        for role in (PROCESSOR, types_pb2.ROLE_CONTROLLER):
            await report(channel, of_tenants(second, roles=[role]))
        new = [await subscription.next() for _ in range(2)]
    finally:
        call.cancel()

    assert begun.name.startswith(f"{first}/")
    assert {True} == {notice.name.startswith(f"{second}/") for notice in new}
    assert {PROCESSOR, types_pb2.ROLE_CONTROLLER} == {notice.role for notice in new}


async def test_a_stream_is_about_somebody(channel: grpc.aio.Channel) -> None:
    """A stream of no tenant, of too many, or of a regime that there isn't, is refused by field."""
    for request, wrong in (
        (pb.WatchNoticesRequest(), "tenants"),
        (pb.WatchNoticesRequest(tenants=["tenants/a"] * 101), "tenants"),
        (pb.WatchNoticesRequest(tenants=["a"]), "tenants[0]"),
        (pb.WatchNoticesRequest(tenants=["tenants/a"], roles=[PROCESSOR] * 3), "roles"),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await BreachServiceStub(channel).WatchNotices(request).read()
        assert (wrong,) == refusal(caught.value).fields


async def test_notices_of_one_breach_are_listed(channel: grpc.aio.Channel) -> None:
    """Of a tenant's notices, those of one breach can be asked for."""
    tenant = await new_tenant(channel)
    scope = of_tenants(tenant, roles=[PROCESSOR])
    wanted, _ = [await report(channel, scope) for _ in range(2)]

    found = await notices(channel, tenant, breach=wanted.name)
    await acknowledge(channel, found[0].name)
    left = await notices(channel, tenant, breach=wanted.name, unacknowledged_only=True)

    assert [wanted.name] == [notice.breach for notice in found]
    assert [] == list(left)


async def test_all_subscribers_of_a_tenant_are_told(channel: grpc.aio.Channel) -> None:
    """Two streams both bring a notice, although the first acknowledges it at once."""
    tenant = await new_tenant(channel)
    scope = of_tenants(tenant, roles=[PROCESSOR])
    await report(channel, scope)

    async with watching(channel, tenant) as one, watching(channel, tenant) as other:
        assert await one.next() == await other.next()
        for _ in range(5):
            reported = await report(channel, scope)
            told = await one.next()
            await acknowledge(channel, told.name)
            assert [reported.name] * 2 == [told.breach, (await other.next()).breach]


async def test_another_tenants_notice_does_not_exist(channel: grpc.aio.Channel) -> None:
    """A tenant neither lists, nor watches, nor acknowledges what is another's; it isn't there."""
    owner, stranger = await new_tenant(channel), await new_tenant(channel)
    await report(channel, of_tenants(owner, roles=[PROCESSOR]))
    (notice,) = await notices(channel, owner)
    id = notice.name.rpartition("/")[2]
    missing = "p" + "0" * 26

    found = [
        await refused(acknowledge(channel, f"{tenant}/notices/{last}"))
        for tenant, last in [
            (stranger, id),
            (stranger, missing),
            (owner, missing),
            (stranger, "c" + id[1:]),
            (owner, "whatever"),
            ("tenants/nobody-at-all", id),
        ]
    ]
    async with watching(channel, stranger) as subscription:
        own = await report(channel, of_tenants(stranger, roles=[PROCESSOR]))
        watched = await subscription.next()

    assert ("NOT_FOUND", "NOTICE_NOT_FOUND") == (found[0].code, found[0].reason)
    assert [found[0]] * 6 == found
    assert own.name == watched.breach
    assert [own.name] == [each.breach for each in await notices(channel, stranger)]
    assert not (await notices(channel, owner))[0].acknowledged_by


@pytest.mark.parametrize("tenant", ["tenants/nobody-at-all", "nobody"])
async def test_only_tenants_have_notices(channel: grpc.aio.Channel, tenant: str) -> None:
    """A list or stream of a tenant that there isn't, or of no tenant's name, is refused."""
    stub = BreachServiceStub(channel)
    listed = await refused(stub.ListNotices(pb.ListNoticesRequest(parent=tenant, role=PROCESSOR)))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.WatchNotices(pb.WatchNoticesRequest(tenants=[tenant], roles=[PROCESSOR])).read()

    assert listed.code == refusal(caught.value).code
    assert listed.reason == refusal(caught.value).reason
    assert listed.reason in ("TENANT_NOT_FOUND", "FIELD_INVALID")


async def test_who_acknowledged_first_stays(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """A second acknowledgement is answered like the first, changes nothing and is no event."""
    tenant = await new_tenant(channel)
    reported = await report(channel, of_tenants(tenant, roles=[PROCESSOR]))
    (notice,) = await notices(channel, tenant)

    first = await acknowledge(channel, notice.name, "the privacy team")
    clock.advance(timedelta(seconds=1))
    second = await acknowledge(channel, notice.name, "somebody later")

    assert "the privacy team" == first.notice.acknowledged_by
    assert first.notice == second.notice == (await notices(channel, tenant))[0]
    found = await BreachServiceStub(channel).GetBreach(pb.GetBreachRequest(name=reported.name))
    assert (1, 1) == (found.breach.notice_count, found.breach.acknowledged_count)


async def test_words_stay_out_of_logs_and_names_out_of_storage(
    channel: grpc.aio.Channel, settings: Settings, mongo_uri: str, logged: Logged
) -> None:
    """What happened isn't logged, and who acknowledged is stored under the tenant's key only."""
    tenant = await new_tenant(channel)
    reported = await report(
        channel, of_tenants(tenant, roles=[PROCESSOR]), description="canary-description"
    )
    (notice,) = await notices(channel, tenant)
    await acknowledge(channel, notice.name, "canary-person")

    lines = logged()
    async with AsyncMongoClient[dict[str, Any]](mongo_uri) as client:
        database = client[settings.database]
        stored = "".join(
            [
                str(document)
                for collection in await database.list_collection_names()
                async for document in database[collection].find()
            ]
        )

    assert reported.name.removeprefix("breaches/") in stored
    assert "canary-person" not in stored
    assert "canary" not in str(lines)
    assert ["BreachService/ListNotices", "BreachService/AcknowledgeNotice"] == [
        line["method"] for line in lines if line.get("tenant") == tenant.removeprefix("tenants/")
    ]


@pytest.fixture
async def stopping(
    mongo_uri: str,
    prefix: str,
    tmp_path: Path,
    configured_logs: None,  # noqa: ARG001 – first
) -> AsyncGenerator[App]:
    """Return a server of its own that the test stops."""
    own = Settings(
        listen="127.0.0.1:0", mongo_uri=SecretStr(mongo_uri), database=prefix, data_dir=tmp_path
    )
    async with compose(own, clock=SteppingClock(BEGIN)) as made:
        await made.server.start()
        yield made


async def test_a_stream_ends_when_the_server_drains(stopping: App) -> None:
    """A server that stops doesn't wait for its streams: they end at once, and say why."""
    async with grpc.aio.insecure_channel(stopping.server.address) as channel:
        tenant = await new_tenant(channel)
        await report(channel, of_tenants(tenant, roles=[PROCESSOR]))
        stub = BreachServiceStub(channel)
        call = stub.WatchNotices(pb.WatchNoticesRequest(tenants=[tenant], roles=[PROCESSOR]))
        await call.read()

        # It would wait for calls much longer than the test waits for it.
        await asyncio.wait_for(stopping.server.stop(10 * PATIENCE_SECONDS), PATIENCE_SECONDS)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()

    found = refusal(caught.value)
    assert ("UNAVAILABLE", "DRAINING") == (found.code, found.reason)
