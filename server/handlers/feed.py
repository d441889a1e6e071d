"""FeedService: translates between the contract, and subscriptions with their streams."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from privacyrights.v1 import feed_service_pb2 as pb
from server.domain.call import Call
from server.domain.feed.feed import Feed
from server.domain.feed.lags import Lags
from server.domain.feed.subscriptions import NewSubscription, Subscriptions, SubscriptionUpdate
from server.domain.ledger import PARTITIONS
from server.domain.ports import Clock
from server.domain.values import InvalidValueError, resource_id, sentence
from server.handlers import names
from server.handlers.etags import version_of
from server.handlers.feed_messages import (
    EventMessages,
    acknowledge_ms,
    event_filter,
    member_messages,
    subscription_message,
)
from server.handlers.fields import Fields
from server.handlers.pages import page

MAX_DISPLAY_NAME = 100
MAX_POSITIONS = 64
MAX_OUTSTANDING = 10_000
DEFAULT_OUTSTANDING = 100
DEFAULT_MEMBER = "default"

_CHANGEABLE = ("filter", "acknowledge_timeout", "display_name")
_MEMBER = re.compile(r"[a-z0-9_-]{1,63}")


class FeedHandler:
    """Answers the calls of FeedService."""

    SERVICE = "privacyrights.v1.FeedService"
    ENDLESS = frozenset({"Subscribe"})

    def __init__(self, subscriptions: Subscriptions, feed: Feed, lags: Lags, clock: Clock) -> None:
        """Ask *subscriptions*, *feed* and *lags*."""
        self._subscriptions = subscriptions
        self._feed = feed
        self._lags = lags
        self._clock = clock
        self._messages = EventMessages()

    async def CreateSubscription(
        self, request: pb.CreateSubscriptionRequest, call: Call
    ) -> pb.CreateSubscriptionResponse:
        """Create a subscription."""
        fields = Fields(self._clock.now())
        fields.request_id(request.request_id)
        given = request.subscription
        new = NewSubscription(
            id=fields.take("subscription_id", resource_id, request.subscription_id),
            filter=event_filter(fields, "subscription.filter", given.filter),
            acknowledge_ms=acknowledge_ms(fields, given),
            display_name=_display_name(fields, given),
            start_time=fields.time("start_time", request, request.start_time),
        )
        if not given.HasField("filter"):
            fields.wrong("subscription.filter", "must be given; an empty one restricts nothing")
        fields.done()
        committed = await self._subscriptions.create(call, new)
        return pb.CreateSubscriptionResponse(subscription=subscription_message(committed.outcome))

    async def GetSubscription(
        self, request: pb.GetSubscriptionRequest, _call: Call
    ) -> pb.GetSubscriptionResponse:
        """Return a subscription with its lag and its members."""
        fields = Fields(self._clock.now())
        id = fields.take("name", names.subscription, request.name)
        fields.done()
        found = await self._subscriptions.get(id)
        message = subscription_message(found, await self._lags.of(found))
        members = await self._lags.members(found)
        message.members.extend(member_messages(members, await self._lags.partitions(found)))
        return pb.GetSubscriptionResponse(subscription=message)

    async def ListSubscriptions(
        self, request: pb.ListSubscriptionsRequest, _call: Call
    ) -> pb.ListSubscriptionsResponse:
        """List the subscriptions with their lag."""
        fields = Fields(self._clock.now())
        asked = page(fields, request)
        fields.done()
        found = await self._subscriptions.list(after=asked.after, limit=asked.limit)
        shown, token = asked.cut(found, lambda each: (each.id, each.id))
        lags = await self._lags.each(shown)
        return pb.ListSubscriptionsResponse(
            subscriptions=[
                subscription_message(each, lag) for each, lag in zip(shown, lags, strict=True)
            ],
            next_page_token=token,
        )

    async def UpdateSubscription(
        self, request: pb.UpdateSubscriptionRequest, call: Call
    ) -> pb.UpdateSubscriptionResponse:
        """Change the fields that the mask names."""
        fields = Fields(self._clock.now())
        fields.request_id(request.request_id)
        given = request.subscription
        id = fields.take("subscription.name", names.subscription, given.name)
        mask = _mask(fields, request.update_mask.paths)
        filter = event_filter(fields, "subscription.filter", given.filter)
        timeout = acknowledge_ms(fields, given)
        display_name = _display_name(fields, given)
        fields.done()
        update = SubscriptionUpdate(
            filter=filter if "filter" in mask else None,
            acknowledge_ms=timeout if "acknowledge_timeout" in mask else None,
            display_name=display_name if "display_name" in mask else None,
            version=version_of(given.etag) if given.etag else None,
        )
        committed = await self._subscriptions.update(call, id, update)
        return pb.UpdateSubscriptionResponse(subscription=subscription_message(committed.outcome))

    async def DeleteSubscription(
        self, request: pb.DeleteSubscriptionRequest, call: Call
    ) -> pb.DeleteSubscriptionResponse:
        """End a subscription."""
        fields = Fields(self._clock.now())
        fields.request_id(request.request_id)
        id = fields.take("name", names.subscription, request.name)
        fields.done()
        await self._subscriptions.delete(call, id)
        return pb.DeleteSubscriptionResponse()

    async def Subscribe(
        self, request: pb.SubscribeRequest, _call: Call
    ) -> AsyncGenerator[pb.SubscribeResponse]:
        """Stream a subscription's events."""
        fields = Fields(self._clock.now())
        id = fields.take("name", names.subscription, request.name)
        member = _member(fields, request.member_id)
        most = request.max_outstanding or DEFAULT_OUTSTANDING
        if not 0 < most <= MAX_OUTSTANDING:
            fields.wrong("max_outstanding", f"must be 1-{MAX_OUTSTANDING}, or 0 for the default")
        fields.done()
        delivering = self._feed.subscribe(id, member=member, max_outstanding=most)
        async with aclosing(delivering) as messages:
            async for events in messages:
                yield pb.SubscribeResponse(events=[self._messages.of(event) for event in events])

    async def Acknowledge(
        self, request: pb.AcknowledgeRequest, _call: Call
    ) -> pb.AcknowledgeResponse:
        """Acknowledge events."""
        fields = Fields(self._clock.now())
        id = fields.take("name", names.subscription, request.name)
        member = _member(fields, request.member_id)
        positions = _positions(fields, request.positions)
        fields.done()
        reached = await self._feed.acknowledge(id, member=member, positions=positions)
        return pb.AcknowledgeResponse(
            positions=[
                pb.FeedPosition(partition=partition, position=position)
                for partition, position in reached.items()
            ]
        )


def _display_name(fields: Fields, given: pb.Subscription) -> str:
    return fields.optional(
        "subscription.display_name",
        lambda text: sentence(text, most=MAX_DISPLAY_NAME),
        given.display_name,
    )


def _member(fields: Fields, id: str) -> str:
    return fields.optional("member_id", _member_id, id) or DEFAULT_MEMBER


def _member_id(text: str) -> str:
    if not _MEMBER.fullmatch(text):
        raise InvalidValueError("must be 1-63 characters of a-z, 0-9, '_' and '-'")
    return text


def _mask(fields: Fields, paths: Sequence[str]) -> frozenset[str]:
    """Return the fields that *paths* name; `*` names all (AIP-134)."""
    if list(paths) == ["*"]:
        return frozenset(_CHANGEABLE)
    if not paths or any(path not in _CHANGEABLE for path in paths):
        fields.wrong("update_mask", f"must name some of {', '.join(_CHANGEABLE)}, or be '*'")
    return frozenset(paths)


def _positions(fields: Fields, given: Sequence[pb.FeedPosition]) -> dict[int, int]:
    positions: dict[int, int] = {}
    for index, each in enumerate(fields.several("positions", given, least=1, most=MAX_POSITIONS)):
        if not 0 <= each.partition < PARTITIONS:
            fields.wrong(f"positions[{index}].partition", f"must be 0-{PARTITIONS - 1}")
        elif each.partition in positions:
            fields.wrong(f"positions[{index}].partition", "must be named once")
        if each.position < 0:
            fields.wrong(f"positions[{index}].position", "must not be negative")
        positions[each.partition] = each.position
    return positions
