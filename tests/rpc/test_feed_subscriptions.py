"""Subscriptions over a real channel: made, changed, listed, and ended."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from privacyrights.v1 import feed_service_pb2 as pb
from privacyrights.v1 import types_pb2
from privacyrights.v1.audit_service_pb2 import ListLedgerEntriesRequest
from privacyrights.v1.audit_service_pb2_grpc import AuditServiceStub
from privacyrights.v1.feed_service_pb2_grpc import FeedServiceStub
from server.domain.clock import SteppingClock
from server.settings import Settings
from tests.rpc.conftest import BEGIN
from tests.rpc.feeds import at, creation, seconds, subscribed, subscriber
from tests.rpc.people import new_id, new_tenant, refused

if TYPE_CHECKING:
    from privacyrights.v1.feed_service_pb2_grpc import FeedServiceAsyncStub


@pytest.fixture(scope="module")
def settings(settings: Settings) -> Settings:
    """Return settings under which streams soon see what others do."""
    return settings.model_copy(update={"feed_lease_seconds": 1.0})


@pytest.fixture
def service(channel: grpc.aio.Channel) -> FeedServiceAsyncStub:
    """Return the service's stub."""
    return FeedServiceStub(channel)


async def get(service: FeedServiceAsyncStub, name: str) -> pb.Subscription:
    """Return the subscription *name*."""
    return (await service.GetSubscription(pb.GetSubscriptionRequest(name=name))).subscription


async def test_subscription_is_what_it_was_created_as(
    service: FeedServiceAsyncStub, channel: grpc.aio.Channel
) -> None:
    """It keeps its filter and times; a repeat creates nothing more."""
    tenant = await new_tenant(channel)
    request = creation(
        tenant, types=["consent.*", "subject.erased"], timeout=2.5, display_name="CRM"
    )
    request.subscription.filter.roles.append(types_pb2.ROLE_PROCESSOR)

    created = await service.CreateSubscription(request)
    repeated = await service.CreateSubscription(request)

    expected = pb.Subscription()
    expected.CopyFrom(request.subscription)
    expected.name = f"subscriptions/{request.subscription_id}"
    expected.create_time.CopyFrom(at(BEGIN))
    expected.etag = created.subscription.etag
    found = await get(service, expected.name)
    assert expected == created.subscription == repeated.subscription == found
    assert found.etag


async def test_an_id_is_given_once(service: FeedServiceAsyncStub) -> None:
    """A second subscription with an id is refused, until the first one has ended."""
    request = creation()
    created = await service.CreateSubscription(request)
    request.request_id = new_id()

    told = await refused(service.CreateSubscription(request))
    await service.DeleteSubscription(
        pb.DeleteSubscriptionRequest(name=created.subscription.name, request_id=new_id())
    )
    again = await service.CreateSubscription(request)

    assert ("ALREADY_EXISTS", "RESOURCE_EXISTS") == (told.code, told.reason)
    assert created.subscription.name == again.subscription.name


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"types": [""]}, "subscription.filter.types[0]"),
        ({"types": ["consent.*", "con*sent"]}, "subscription.filter.types[1]"),
        ({"types": ["$where"]}, "subscription.filter.types[0]"),
        ({"types": ["a"] * 101}, "subscription.filter.types"),
        ({"timeout": 0.5}, "subscription.acknowledge_timeout"),
        ({"timeout": 3601}, "subscription.acknowledge_timeout"),
        ({"display_name": "x" * 101}, "subscription.display_name"),
        ({"display_name": " "}, "subscription.display_name"),
    ],
)
async def test_what_breaks_a_rule_is_refused(
    service: FeedServiceAsyncStub, fields: dict[str, object], path: str
) -> None:
    """Each wrong field is named."""
    told = await refused(service.CreateSubscription(creation(**fields)))  # type: ignore[arg-type]  # a table's values

    assert ("INVALID_ARGUMENT", (path,)) == (told.code, told.fields)


async def test_filter_is_given_and_names_tenants_that_there_are(
    service: FeedServiceAsyncStub,
) -> None:
    """Who wants everything says so; a tenant that doesn't exist would never have an event."""
    bare = creation()
    bare.subscription.ClearField("filter")

    forgotten = await refused(service.CreateSubscription(bare))
    unknown = await refused(service.CreateSubscription(creation("tenants/nobody-at-all")))

    assert ("subscription.filter",) == forgotten.fields
    assert "TENANT_NOT_FOUND" == unknown.reason


async def test_only_what_the_mask_names_is_changed(
    service: FeedServiceAsyncStub, channel: grpc.aio.Channel
) -> None:
    """An update changes the named fields, and the etag; a stale etag is refused."""
    name = await subscribed(channel, types=["consent.*"], display_name="CRM", timeout=5)
    before = await get(service, name)
    wanted = pb.Subscription(
        name=name,
        etag=before.etag,
        display_name="Billing",
        filter=pb.EventFilter(types=["breach.*"]),
        acknowledge_timeout=seconds(9),
    )

    def update(*paths: str) -> pb.UpdateSubscriptionRequest:
        return pb.UpdateSubscriptionRequest(
            subscription=wanted, update_mask=FieldMask(paths=paths), request_id=new_id()
        )

    updated = (await service.UpdateSubscription(update("display_name"))).subscription
    stale = await refused(service.UpdateSubscription(update("filter")))
    wanted.etag = ""
    whole = (await service.UpdateSubscription(update("*"))).subscription
    unknown = [await refused(service.UpdateSubscription(update(*p))) for p in [("name",), ()]]

    assert ("Billing", before.filter) == (updated.display_name, updated.filter)
    assert before.etag != updated.etag
    assert ("FAILED_PRECONDITION", "ETAG_MISMATCH") == (stale.code, stale.reason)
    assert (wanted.filter, wanted.acknowledge_timeout) == (whole.filter, whole.acknowledge_timeout)
    assert [("update_mask",)] * 2 == [told.fields for told in unknown]


async def test_subscriptions_are_listed_by_name(
    service: FeedServiceAsyncStub, channel: grpc.aio.Channel
) -> None:
    """Pages go through all of them, in the order of their names."""
    for _ in range(3):
        await subscribed(channel)
    listed: list[str] = []
    request = pb.ListSubscriptionsRequest(page_size=2)
    while True:
        page = await service.ListSubscriptions(request)
        listed += [each.name for each in page.subscriptions]
        request.page_token = page.next_page_token
        if not page.next_page_token:
            break

    assert len(listed) >= 3
    assert sorted(listed) == listed


async def test_what_is_deleted_is_not_found(
    service: FeedServiceAsyncStub, channel: grpc.aio.Channel
) -> None:
    """A deleted subscription, like one that never was, is neither got, streamed nor deleted."""
    deleted = await subscribed(channel, types=["breach.*"])
    async with subscriber(channel, deleted) as stream:
        await service.DeleteSubscription(
            pb.DeleteSubscriptionRequest(name=deleted, request_id=new_id())
        )
        ended = await refused(stream.message())
    calls = [
        (
            service.GetSubscription(pb.GetSubscriptionRequest(name=name)),
            service.Subscribe(pb.SubscribeRequest(name=name)).read(),
            service.DeleteSubscription(
                pb.DeleteSubscriptionRequest(name=name, request_id=new_id())
            ),
            service.Acknowledge(pb.AcknowledgeRequest(name=name, positions=[pb.FeedPosition()])),
        )
        for name in (deleted, "subscriptions/never-was")
    ]
    told = [await refused(call) for group in calls for call in group]

    assert {("NOT_FOUND", "SUBSCRIPTION_NOT_FOUND")} == {
        (each.code, each.reason) for each in (*told, ended)
    }


async def test_changes_of_subscriptions_are_in_the_platforms_log(
    service: FeedServiceAsyncStub, channel: grpc.aio.Channel
) -> None:
    """Who reads along with whom is on record; acknowledging isn't, as it would never end."""
    name = await subscribed(channel)
    async with subscriber(channel, name) as stream:
        await stream.acknowledge(await stream.next())
    await service.UpdateSubscription(
        pb.UpdateSubscriptionRequest(
            subscription=pb.Subscription(name=name, display_name="X"),
            update_mask=FieldMask(paths=["display_name"]),
            request_id=new_id(),
        )
    )
    await service.DeleteSubscription(pb.DeleteSubscriptionRequest(name=name, request_id=new_id()))

    listed = await AuditServiceStub(channel).ListLedgerEntries(
        ListLedgerEntriesRequest(parent="platform", target=name)
    )

    assert {"subscription.created", "subscription.updated", "subscription.deleted"} == {
        entry.type for entry in listed.entries
    }
    assert 3 == len(listed.entries)


async def test_lag_is_what_waits(
    service: FeedServiceAsyncStub, channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """Matching events that aren't acknowledged are counted, and the oldest one's time is told."""
    tenant = await new_tenant(channel)
    first = clock.now()
    names = [
        await subscribed(channel, tenant, types=types, start_time=first)
        for types in (["tenant.*"], [], ["tenant.created", "breach.*"], ["breach.*"])
    ]
    async with subscriber(channel, names[0]) as stream:
        event = await stream.next()
        lags = [await get(service, name) for name in names]
        await stream.acknowledge(event)
        none = await get(service, names[0])

    assert [1, 1, 1, 0] == [each.lag_count for each in lags]
    assert [at(first)] * 3 == [each.oldest_waiting_time for each in lags[:3]]
    assert (0, False) == (none.lag_count, none.HasField("oldest_waiting_time"))
    assert ["default"] == [member.member_id for member in lags[0].members]
    assert list(range(16)) == list(lags[0].members[0].partitions)
    clock.advance(timedelta(seconds=1))
