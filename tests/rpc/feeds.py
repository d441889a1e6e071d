"""Subscribers: clients that stream, acknowledge, and hang up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from privacyrights.v1 import feed_service_pb2 as pb
from privacyrights.v1.feed_service_pb2_grpc import FeedServiceStub
from tests.rpc.people import new_id

PATIENCE_SECONDS = 30.0
"""How long an event is waited for, on a machine that has other things to do."""

SILENCE_SECONDS = 0.4
"""How long it is waited for what must not come: many times what comes takes."""


async def subscribed(
    channel: grpc.aio.Channel, *tenants: str, types: Sequence[str] = (), **fields: Any
) -> str:
    """Create a subscription and return its name; *fields* are others of the subscription."""
    created = await FeedServiceStub(channel).CreateSubscription(
        creation(*tenants, types=types, **fields)
    )
    return created.subscription.name


def creation(
    *tenants: str,
    types: Sequence[str] = (),
    start_time: datetime | None = None,
    timeout: float = 0,
    **fields: Any,
) -> pb.CreateSubscriptionRequest:
    """Return the request that creates a subscription."""
    request = pb.CreateSubscriptionRequest(
        subscription_id=new_id("feed"),
        subscription=pb.Subscription(filter=pb.EventFilter(types=types, tenants=tenants), **fields),
        request_id=new_id(),
    )
    if timeout:
        request.subscription.acknowledge_timeout.CopyFrom(seconds(timeout))
    if start_time is not None:
        request.start_time.CopyFrom(at(start_time))
    return request


def seconds(number: float) -> Duration:
    """Return a duration."""
    made = Duration()
    made.FromMilliseconds(round(number * 1000))
    return made


def at(time: datetime) -> Timestamp:
    """Return *time* as the contract has it."""
    made = Timestamp()
    made.FromDatetime(time)
    return made


class Subscriber:
    """One stream, and what has come on it."""

    def __init__(self, channel: grpc.aio.Channel, name: str, **fields: Any) -> None:
        self._stub = FeedServiceStub(channel)
        self._name = name
        self._member = str(fields.get("member_id", ""))
        self._call: Any = self._stub.Subscribe(pb.SubscribeRequest(name=name, **fields))
        self._waiting: list[pb.Event] = []
        self.messages: list[pb.SubscribeResponse] = []

    async def message(self, *, patience: float = PATIENCE_SECONDS) -> pb.SubscribeResponse:
        """Return the next message, once it has come."""
        response = await asyncio.wait_for(self._call.read(), patience)
        assert isinstance(response, pb.SubscribeResponse), "the stream has ended"
        self.messages.append(response)
        return response

    async def next(self, *, patience: float = PATIENCE_SECONDS) -> pb.Event:
        """Return the next event, once it has come."""
        async with asyncio.timeout(patience):
            while not self._waiting:
                self._waiting += (await self.message(patience=patience)).events
        return self._waiting.pop(0)

    async def take(self, count: int) -> list[pb.Event]:
        """Return the next *count* events."""
        return [await self.next() for _ in range(count)]

    async def nothing(self) -> bool:
        """Tell whether nothing comes for a while; the stream can't be read any more then."""
        try:
            await self.next(patience=SILENCE_SECONDS)
        except TimeoutError:
            return True
        return False

    async def acknowledge(self, *events: pb.Event) -> Sequence[pb.FeedPosition]:
        """Acknowledge the last of *events* in each partition."""
        last = {event.partition: event.position for event in events}
        return await self.acknowledge_positions(last.items())

    async def acknowledge_positions(
        self, positions: Iterable[tuple[int, int]]
    ) -> Sequence[pb.FeedPosition]:
        """Acknowledge *positions*: pairs of partition and position."""
        answer = await self._stub.Acknowledge(
            pb.AcknowledgeRequest(
                name=self._name,
                member_id=self._member,
                positions=[pb.FeedPosition(partition=p, position=n) for p, n in positions],
            )
        )
        return answer.positions

    def hang_up(self) -> None:
        """End the stream."""
        self._call.cancel()


@asynccontextmanager
async def subscriber(
    channel: grpc.aio.Channel, name: str, **fields: Any
) -> AsyncGenerator[Subscriber]:
    """Stream *name* during the block, from when the member has its place."""
    made = Subscriber(channel, name, **fields)
    try:
        assert not (await made.message()).events
        yield made
    finally:
        made.hang_up()
