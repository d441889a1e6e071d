"""How far subscriptions are behind, as whoever operates the service sees it."""

from __future__ import annotations

from datetime import timedelta

import grpc
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from privacyrights.v1 import feed_service_pb2 as pb
from privacyrights.v1.feed_service_pb2_grpc import FeedServiceStub
from server.compose import App
from server.domain.feed.lags import Lags
from server.domain.feed.subscription import CURSORS, MEMBERS, Cursor, Member
from server.domain.ports import Query
from server.workers.feed import LAG_METRIC, FeedLagger
from tests.rpc.conftest import BEGIN
from tests.rpc.feeds import subscribed, subscriber
from tests.rpc.people import new_id, new_tenant


class Gauge:
    """What an exporter would read of the lag."""

    def __init__(self, app: App) -> None:
        self._reader = InMemoryMetricReader()
        provider = MeterProvider([self._reader], shutdown_on_exit=False)
        self._lagger = FeedLagger(Lags(app.ports), provider.get_meter("test"))

    async def of(self, subscription: str) -> object:
        """Return the lag of one subscription; None if there is none."""
        await self._lagger.step()
        data = self._reader.get_metrics_data()
        told = {
            (point.attributes or {})["subscription"]: getattr(point, "value", None)
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == LAG_METRIC
            for point in metric.data.data_points
        }
        return told.get(subscription.removeprefix("subscriptions/"))


async def test_lag_is_a_metric_also_of_those_that_nobody_streams(
    app: App, channel: grpc.aio.Channel
) -> None:
    """A subscriber that is gone is the one to look for; a deleted subscription has no lag."""
    gauge = Gauge(app)
    tenant = await new_tenant(channel)
    start = BEGIN - timedelta(days=1)
    name = await subscribed(channel, tenant, types=["tenant.*"], start_time=start)
    async with subscriber(channel, name) as stream:
        event = await stream.next()

    waiting = await gauge.of(name)
    async with subscriber(channel, name) as stream:
        await stream.acknowledge(event)
    none = await gauge.of(name)
    await FeedServiceStub(channel).DeleteSubscription(
        pb.DeleteSubscriptionRequest(name=name, request_id=new_id())
    )
    deleted = await gauge.of(name)

    assert (1, 0, None) == (waiting, none, deleted)


async def test_a_list_tells_each_lag(channel: grpc.aio.Channel) -> None:
    """Who looks for the one that is behind needn't ask for each of them."""
    tenant = await new_tenant(channel)
    start = BEGIN - timedelta(days=1)
    names = [
        await subscribed(channel, tenant, types=[type], start_time=start)
        for type in ("tenant.*", "breach.*")
    ]
    service = FeedServiceStub(channel)
    async with subscriber(channel, names[0]) as stream:
        await stream.next()

    listed = await service.ListSubscriptions(pb.ListSubscriptionsRequest(page_size=1000))
    found = {each.name: each for each in listed.subscriptions}
    alone = await service.GetSubscription(pb.GetSubscriptionRequest(name=names[0]))

    assert [1, 0] == [found[name].lag_count for name in names]
    assert alone.subscription.oldest_waiting_time == found[names[0]].oldest_waiting_time


async def test_what_deleted_subscriptions_leave_is_tidied_up(
    app: App, channel: grpc.aio.Channel
) -> None:
    """Cursors and members of a subscription that is gone don't stay for ever; others' stay."""
    deleted, kept = [await subscribed(channel, types=["breach.*"]) for _ in range(2)]
    async with subscriber(channel, kept):
        await FeedServiceStub(channel).DeleteSubscription(
            pb.DeleteSubscriptionRequest(name=deleted, request_id=new_id())
        )
        await Lags(app.ports).all()
        cursors = await app.ports.reader.find(Query(CURSORS, tenant="", limit=1_000), Cursor)
        members = await app.ports.reader.find(Query(MEMBERS, tenant=""), Member)

    owners = [each.id.partition("/")[0] for each in cursors]
    assert 16 == owners.count(kept.removeprefix("subscriptions/"))
    assert 0 == owners.count(deleted.removeprefix("subscriptions/"))
    assert [kept.removeprefix("subscriptions/")] == [each.id.partition("/")[0] for each in members]
