"""From a commit to its subscriber, against a bare change stream: `python -m tests.bench.feed`.

The same writes are watched by both at once: by a subscriber over gRPC, whose events have been
sequenced, and by the driver's change stream on the very collection that the entries are
inserted into. A latency begins when the call is sent that commits, since a change stream may
well be faster than the answer of that call. With `--subscribers 200`, so many stream at once,
and what the server's memory grows by is told.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import uvloop
from pymongo import AsyncMongoClient

from privacyrights.v1 import (
    consent_service_pb2_grpc,
    feed_service_pb2,
    feed_service_pb2_grpc,
    tenant_service_pb2,
    tenant_service_pb2_grpc,
)
from tests.bench.record_consent import TENANT, request
from tests.bench.report import Ratio
from tests.bench.runs import cpu_seconds
from tests.served import ServerProcess

WRITES = 1_000
WARM = 50
PAUSE_SECONDS = (0.005, 0.035)
"""Between two writes, at random, so that nothing runs in step with them."""

ACKNOWLEDGE_EVERY = 50
MAX_OUTSTANDING = 1_000
LINGER_SECONDS = 3.0

Times = dict[str, float]


@dataclass(slots=True)
class Latencies:
    """When calls were sent and answered, and when each watcher had heard of their decisions."""

    sent: Times = field(default_factory=Times)
    answered: Times = field(default_factory=Times)
    streamed: Times = field(default_factory=Times)
    delivered: list[Times] = field(default_factory=list[Times])

    def ours(self) -> list[float]:
        """Return the milliseconds to each subscriber, sorted."""
        return sorted(1e3 * (t - self.sent[d]) for each in self.delivered for d, t in each.items())

    def theirs(self) -> list[float]:
        """Return the milliseconds to the change stream, sorted."""
        return sorted(1e3 * (time - self.sent[d]) for d, time in self.streamed.items())

    def answers(self) -> list[float]:
        """Return the milliseconds to the answer of the call, sorted."""
        return sorted(1e3 * (time - self.sent[d]) for d, time in self.answered.items())


def percentile(values: Sequence[float], percent: int) -> float:
    """Return a percentile of sorted *values*."""
    return values[min(len(values) - 1, len(values) * percent // 100)]


async def ratios(*, is_quick: bool) -> list[Ratio]:
    """Return how much later a subscriber hears of a commit than a change stream does."""
    with tempfile.TemporaryDirectory() as folder:
        async with ServerProcess(Path(folder)) as server:
            found = await measured(server, writes=60 if is_quick else WRITES, subscribers=1)
    print(table({"feed": found.ours(), "change stream": found.theirs(), "answer": found.answers()}))
    return [
        Ratio(
            f"commit_to_subscriber_p{percent}",
            percentile(found.ours(), percent) / percentile(found.theirs(), percent),
            goal,
            better="lower",
        )
        for percent, goal in ((50, 2.0), (99, 3.0))
    ]


def table(rows: Mapping[str, Sequence[float]]) -> str:
    """Return a table for people."""
    return "\n".join(
        f"{name:<14}p50 {percentile(values, 50):7.1f} ms  p99 {percentile(values, 99):7.1f} ms"
        f"  n={len(values)}"
        for name, values in rows.items()
    )


async def measured(server: ServerProcess, *, writes: int, subscribers: int) -> Latencies:
    """Return the latencies of *writes* to so many *subscribers* of all of them."""
    found = Latencies()
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(
            AsyncMongoClient[dict[str, Any]](server.database_uri)
        )
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(server.address))
        await _create(channel, subscribers)
        for number in range(subscribers):
            # Some share a connection, as the services of one machine would.
            own = channel if number % 10 else grpc.aio.insecure_channel(server.address)
            found.delivered.append({})
            await stack.enter_async_context(_subscriber(own, number, found.delivered[-1]))
        await stack.enter_async_context(_change_stream(client, found.streamed))
        stub = consent_service_pb2_grpc.ConsentServiceStub(channel)
        for number in range(WARM + writes):
            asked = request(number % 64, number)
            sent = time.perf_counter()
            decision = (await stub.RecordConsent(asked)).consent_decision
            if number >= WARM:
                found.sent[decision] = sent
                found.answered[decision] = time.perf_counter()
            await asyncio.sleep(random.uniform(*PAUSE_SECONDS))
        # Whatever takes longer than this is missing from the numbers that are told.
        await asyncio.sleep(LINGER_SECONDS)
    for times in (found.streamed, *found.delivered):
        for decision in times.keys() - found.sent.keys():
            del times[decision]
    return found


async def _create(channel: grpc.aio.Channel, subscribers: int) -> None:
    await tenant_service_pb2_grpc.TenantServiceStub(channel).CreateTenant(
        tenant_service_pb2.CreateTenantRequest(
            tenant_id=TENANT,
            tenant=tenant_service_pb2.Tenant(display_name="Bench", time_zone="UTC"),
            request_id=TENANT,
        )
    )
    stub = feed_service_pb2_grpc.FeedServiceStub(channel)
    wanted = feed_service_pb2.Subscription(filter=feed_service_pb2.EventFilter(types=["consent.*"]))
    for number in range(subscribers):
        await stub.CreateSubscription(
            feed_service_pb2.CreateSubscriptionRequest(
                subscription_id=f"s{number}", subscription=wanted, request_id=f"s{number}"
            )
        )


@asynccontextmanager
async def _subscriber(channel: grpc.aio.Channel, number: int, heard: Times) -> AsyncGenerator[None]:
    """Note during the block when each decision is delivered, and acknowledge now and then."""
    stub = feed_service_pb2_grpc.FeedServiceStub(channel)
    name = f"subscriptions/s{number}"
    call = stub.Subscribe(
        feed_service_pb2.SubscribeRequest(name=name, max_outstanding=MAX_OUTSTANDING)
    )
    streaming = asyncio.Event()

    async def listen() -> None:
        count = random.randrange(ACKNOWLEDGE_EVERY)
        async for message in call:
            now = time.perf_counter()
            streaming.set()
            heard.update((event.entry.target, now) for event in message.events)
            count += len(message.events)
            if count >= ACKNOWLEDGE_EVERY:
                count = 0
                last = message.events[-1]
                reached = feed_service_pb2.FeedPosition(
                    partition=last.partition, position=last.position
                )
                await stub.Acknowledge(
                    feed_service_pb2.AcknowledgeRequest(name=name, positions=[reached])
                )

    listening = asyncio.create_task(listen())
    await streaming.wait()
    try:
        yield
    finally:
        listening.cancel()
        await asyncio.wait((listening,))


@asynccontextmanager
async def _change_stream(
    client: AsyncMongoClient[dict[str, Any]], heard: Times
) -> AsyncGenerator[None]:
    """Note during the block when a bare change stream tells of each decision's entry."""
    entries = client["privacyrights"]["ledger"]
    wanted = {"operationType": "insert", "fullDocument.tenant": TENANT}
    async with await entries.watch([{"$match": wanted}]) as stream:
        await stream.try_next()

        async def listen() -> None:
            async for event in stream:
                heard[event["fullDocument"].get("target", "")] = time.perf_counter()

        listening = asyncio.create_task(listen())
        try:
            yield
        finally:
            listening.cancel()
            await asyncio.wait((listening,))


def resident_mib(pid: int) -> float:
    """Return the resident memory of process *pid* (proc(5))."""
    (line,) = (
        line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "VmRSS" in line
    )
    return int(line.split()[1]) / 1024


async def crowd(subscribers: int, writes: int) -> None:
    """Print what so many *subscribers* of everything come to on one server."""
    with tempfile.TemporaryDirectory() as folder:
        async with ServerProcess(Path(folder)) as server:
            memory, cpu = resident_mib(server.pid), cpu_seconds(server.pid)
            found = await measured(server, writes=writes, subscribers=subscribers)
            grown, spent = resident_mib(server.pid) - memory, cpu_seconds(server.pid) - cpu
    print(table({"feed": found.ours(), "change stream": found.theirs(), "answer": found.answers()}))
    each = 1e6 * spent / subscribers / (WARM + writes)
    print(
        f"{subscribers} subscribers: the server's memory grows by {grown:.0f} MiB from"
        f" {memory:.0f} MiB, and it spends {each:.0f} µs of CPU per delivery, all included"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.feed", description=__doc__)
    parser.add_argument("--subscribers", type=int, default=0, help="streams at once")
    parser.add_argument("--writes", type=int, default=WRITES, help=f"(default {WRITES})")
    given = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if given.subscribers:
            runner.run(crowd(given.subscribers, given.writes))
        else:
            for each in runner.run(ratios(is_quick=False)):
                print(each.line)


if __name__ == "__main__":
    main()
