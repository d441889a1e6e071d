"""Checks out of the SDK's cache, on one core: `python -m tests.bench.consent_cache`."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

import grpc
import uvloop

from privacyrights.cache import ConsentCache
from privacyrights.v1 import types_pb2
from tests.bench.report import Ratio
from tests.rpc.people import end_user, grant, new_tenant
from tests.served import ServerProcess

PURPOSE = "purposes/customise_messages"
PEOPLE = 100
WANTED = 200_000
"""Checks per second of one core."""


async def ratios(*, is_quick: bool) -> list[Ratio]:
    """Return how many checks a second are answered from memory, of those that are wanted."""
    with tempfile.TemporaryDirectory() as folder:
        async with (
            ServerProcess(Path(folder)) as server,
            grpc.aio.insecure_channel(server.address) as channel,
        ):
            speeds = await measured(channel, rounds=3 if is_quick else 15)
    print(f"consent cache  {statistics.median(speeds):,.0f} checks/s, lowest {min(speeds):,.0f}")
    return [Ratio("consent_cache_per_second", statistics.median(speeds) / WANTED, 1.0)]


async def measured(channel: grpc.aio.Channel, *, rounds: int) -> list[float]:
    """Return the checks per second of each round, all of them answered from memory."""
    tenant = await new_tenant(channel)
    people = [end_user(tenant) for _ in range(PEOPLE)]
    for person in people:
        await grant(channel, person, PURPOSE)
    role = types_pb2.ROLE_PROCESSOR
    speeds: list[float] = []
    async with ConsentCache(channel, [tenant], role=role, max_staleness=10) as cache:
        await cache.ready()
        while not all(cache.cached(each, PURPOSE) for each in people):
            await asyncio.gather(*(cache.check(person, PURPOSE) for person in people))
        for _ in range(rounds):
            misses, begun = cache.misses, time.process_time()
            for _ in range(200):
                for person in people:
                    await cache.check(person, PURPOSE)
            speeds.append(200 * PEOPLE / (time.process_time() - begun))
            assert misses == cache.misses, "all are answered from memory"
            await asyncio.sleep(0.05)
    return speeds


def main() -> None:
    """Measure and print."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for each in runner.run(ratios(is_quick=False)):
            print(each.line)


if __name__ == "__main__":
    main()
