"""A writer and a subscriber that go on across crashes, and keep book of what they were told.

A finding is one line that begins with its kind: LOST (committed, and never delivered), AGAIN
(delivered although its acknowledgement was answered), DISORDER (first delivered out of order),
DUPLICATES (more than crashes explain).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from privacyrights.v1 import (
    consent_service_pb2_grpc,
    feed_service_pb2,
    feed_service_pb2_grpc,
    tenant_service_pb2,
    tenant_service_pb2_grpc,
    types_pb2,
)
from tests.faults.book import GRANTED as GRANT
from tests.faults.book import TENANT, Asked, Person
from tests.served import ServerProcess

NAME = "subscriptions/crm"
PURPOSE = "customise_messages"
MAX_OUTSTANDING = 10
"""How many events are on their way at most: after a crash, no more than these come again."""

EVENTS_AFTERWARDS = 15
CLIENT_CRASHES_EVERY = 9
"""The subscriber dies at each so-many-th message, before it has dealt with what it was given."""

RETRY_SECONDS = 0.1
CALL_SECONDS = 5.0
LOST_SECONDS = 5.0
"""After how long, with all crashes over and everything written, an event counts as lost."""

ROUND_SECONDS = 40.0
CRASH_SECONDS = 20.0
"""What a round takes at most, and each crash besides, on a busy machine."""

_LOST = (
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.UNAVAILABLE,
)


@dataclass(slots=True)
class Delivery:
    """What the subscriber has dealt with, by position in the one partition that there is."""

    handled: dict[int, str] = field(default_factory=dict[int, str])
    acknowledged: int = -1
    duplicates: int = 0
    findings: list[str] = field(default_factory=list[str])

    def handle(self, events: Sequence[feed_service_pb2.Event]) -> None:
        """Deal with *events*."""
        for event in events:
            if event.position <= self.acknowledged:
                self.findings.append(f"AGAIN {event.position}, which was acknowledged")
            if event.position in self.handled:
                self.duplicates += 1
                if event.id != self.handled[event.position].rpartition(" ")[2]:
                    self.findings.append(f"AGAIN {event.position} with another id")
            elif self.handled and event.position < max(self.handled):
                self.findings.append(f"DISORDER {event.position} comes late")
            self.handled[event.position] = f"{event.entry.target} {event.id}"


class FeedHarness:
    """One server that dies at each failpoint of a plan, and its two clients."""

    def __init__(
        self, folder: Path, plan: Sequence[tuple[str, int]], broken: str = "", **settings: str
    ) -> None:
        """Plan to die at each of *plan*: failpoint and passing."""
        file = folder / "plan"
        file.write_text("".join(f"{name} {passings}\n" for name, passings in plan))
        command = ("-m", "tests.faults.feed_server", str(file), *([broken] if broken else []))
        self.server = ServerProcess(folder, command=command, feed_lease_seconds="0.6", **settings)
        self.crashes = 0
        self.client_crashes = 0
        self._messages = 0
        self.delivery = Delivery()
        self._plan = plan
        self._decisions: list[str] = []
        self._is_written = False
        self._complete = asyncio.Event()
        self._restarted = asyncio.Event()
        self._begun = asyncio.Event()

    async def run(self) -> list[str]:
        """Return the findings, once all crashes have come and all events were delivered."""
        limit = ROUND_SECONDS + CRASH_SECONDS * len(self._plan)
        async with asyncio.timeout(limit), self.server, asyncio.TaskGroup() as group:
            subscribing = group.create_task(self._for_ever(self._subscribe))
            dying = group.create_task(self._die_and_rise())
            writing = group.create_task(self._write(dying))
            await asyncio.wait((writing, subscribing), return_when=asyncio.FIRST_COMPLETED)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._complete.wait(), LOST_SECONDS)
            subscribing.cancel()
        bound = MAX_OUTSTANDING * (self.crashes + self.client_crashes)
        found = list(self.delivery.findings)
        if self.delivery.duplicates > bound:
            found.append(f"DUPLICATES {self.delivery.duplicates} > {bound}")
        delivered = [each.partition(" ")[0] for _, each in sorted(self.delivery.handled.items())]
        found += [f"LOST {each}" for each in self._decisions if each not in delivered]
        if not found and delivered != self._decisions:
            found.append("DISORDER the positions are not in the order of commits")
        return found

    async def _begin(self) -> None:
        async with grpc.aio.insecure_channel(self.server.address) as channel:
            await tenant_service_pb2_grpc.TenantServiceStub(channel).CreateTenant(
                tenant_service_pb2.CreateTenantRequest(
                    tenant_id=TENANT,
                    tenant=tenant_service_pb2.Tenant(display_name="Faulty", time_zone="UTC"),
                    request_id="faulty",
                )
            )
            await feed_service_pb2_grpc.FeedServiceStub(channel).CreateSubscription(
                feed_service_pb2.CreateSubscriptionRequest(
                    subscription_id="crm",
                    subscription=feed_service_pb2.Subscription(
                        filter=feed_service_pb2.EventFilter(types=["consent.*"])
                    ),
                    request_id="crm",
                )
            )

    async def _die_and_rise(self) -> None:
        for _ in self._plan:
            await self.server.wait()
            self.crashes += 1
            await self.server.start()
            self._restarted.set()
            self._restarted.clear()

    async def _write(self, dying: asyncio.Task[None]) -> None:
        """Write until all crashes have come, and a few more."""
        await self._until_done(self._begin)
        self._begun.set()
        left = EVENTS_AFTERWARDS
        number = 0
        while left:
            left -= dying.done()
            number += 1
            person = Person(types_pb2.ROLE_PROCESSOR, f"p{number}")
            await self._once(Asked(0, number, person, PURPOSE, GRANT))
        self._is_written = True
        self._look()

    async def _once(self, asked: Asked) -> None:
        """Have one event committed, however often that must be asked for."""

        async def ask() -> None:
            async with grpc.aio.insecure_channel(self.server.address) as channel:
                stub = consent_service_pb2_grpc.ConsentServiceStub(channel)
                answer = await stub.RecordConsent(asked.request, timeout=CALL_SECONDS)
            self._decisions.append(answer.consent_decision)

        await self._until_done(ask)

    async def _until_done(self, act: Callable[[], Awaitable[None]]) -> None:
        """Do *act* until no crash comes in between; it can be repeated."""
        while True:
            try:
                await act()
            except grpc.aio.AioRpcError as error:
                await self._pause(error)
            else:
                return

    async def _for_ever(self, act: Callable[[], Awaitable[None]]) -> None:
        await self._begun.wait()
        while True:
            await self._until_done(act)

    async def _pause(self, error: grpc.aio.AioRpcError) -> None:
        """Wait for the next server, or a little while for the one that there is."""
        if error.code() not in _LOST:
            raise error
        try:
            await asyncio.wait_for(self._restarted.wait(), RETRY_SECONDS)
        except TimeoutError:
            return

    async def _subscribe(self) -> None:
        """Deal with events and acknowledge them, until this end or the other one dies."""
        async with grpc.aio.insecure_channel(self.server.address) as channel:
            stub = feed_service_pb2_grpc.FeedServiceStub(channel)
            request = feed_service_pb2.SubscribeRequest(name=NAME, max_outstanding=MAX_OUTSTANDING)
            async for message in stub.Subscribe(request):
                self._messages += bool(message.events)
                if message.events and self._messages % CLIENT_CRASHES_EVERY == 0:
                    self.client_crashes += 1
                    return
                if message.events:
                    await self._deal_with(stub, message.events)

    async def _deal_with(
        self,
        stub: feed_service_pb2_grpc.FeedServiceAsyncStub,
        events: Sequence[feed_service_pb2.Event],
    ) -> None:
        self.delivery.handle(events)
        self._look()
        last = events[-1]
        await stub.Acknowledge(
            feed_service_pb2.AcknowledgeRequest(
                name=NAME,
                positions=[
                    feed_service_pb2.FeedPosition(partition=last.partition, position=last.position)
                ],
            ),
            timeout=CALL_SECONDS,
        )
        self.delivery.acknowledged = max(self.delivery.acknowledged, last.position)

    def _look(self) -> None:
        """Notice when the last event was delivered: what is missing by then is lost."""
        delivered = {each.partition(" ")[0] for each in self.delivery.handled.values()}
        if self._is_written and self._decisions[-1] in delivered:
            self._complete.set()
