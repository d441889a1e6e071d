"""Withdraw through one server, ask a cache that is subscribed to another: soon never "allowed"."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from privacyrights.cache import ConsentCache
from privacyrights.v1 import consent_service_pb2 as pb
from privacyrights.v1 import types_pb2
from privacyrights.v1.consent_service_pb2_grpc import ConsentServiceStub
from tests.faults.test_withdrawal_race import CUSTOMISE, Race, race
from tests.rpc.people import end_user, new_id, withdraw

IS_LONG = os.environ.get("PRIVACYRIGHTS_TEST_LONG") == "1"

PAIRS = 2_000 if IS_LONG else 24
AT_ONCE = 8
STALE_SECONDS = 5.0
"""What the cache promises at most."""


class Deaf(ConsentCache):
    """A cache that doesn't do as it is told."""

    def _invalidate(self, told: pb.Invalidation) -> None:
        pass


class Lags:
    """How long a cache goes on saying yes after a withdrawal was acknowledged elsewhere."""

    def __init__(self, race: Race, cache: ConsentCache, *, most_seconds: float) -> None:
        self._race = race
        self._cache = cache
        self._most = most_seconds
        self.seconds: list[float] = []
        self.wrong = 0

    async def run(self) -> None:
        """Run all pairs, some of them at a time."""
        turns = iter(range(self._race.pairs))
        await asyncio.gather(*(self._person(turns) for _ in range(AT_ONCE)))

    async def _person(self, turns: Iterator[int]) -> None:
        who = end_user(self._race.request.subject.tenant)
        for _ in turns:
            await self._pair(who)

    async def _pair(self, who: types_pb2.Subject) -> None:
        """Agree, have the cache keep that, withdraw, and ask until the answer is no."""
        there, _ = self._race.channels
        grant = pb.RecordConsentRequest()
        grant.CopyFrom(self._race.request)
        grant.subject.CopyFrom(who)
        grant.request_id = new_id("race")
        await ConsentServiceStub(there).RecordConsent(grant)
        async with asyncio.timeout(30):
            while (kept := self._cache.cached(who, CUSTOMISE)) is None or not kept.allowed:
                # What it keeps may still be the no of the pair before: let it hear of the grant.
                await asyncio.sleep(0.002)
                await self._cache.check(who, CUSTOMISE)
        await withdraw(there, who, CUSTOMISE)
        acknowledged = time.monotonic()
        while (await self._cache.check(who, CUSTOMISE)).allowed:
            if time.monotonic() - acknowledged > self._most:
                self.wrong += 1
                return
            await asyncio.sleep(0.002)
        self.seconds.append(time.monotonic() - acknowledged)


async def lags(race: Race, kind: type[ConsentCache], *, most_seconds: float) -> Lags:
    """Return how a cache of *kind* lags that is subscribed to the second server."""
    role = types_pb2.ROLE_PROCESSOR
    tenants = [race.request.subject.tenant]
    async with kind(race.channels[1], tenants, role=role, max_staleness=STALE_SECONDS) as cache:
        await asyncio.wait_for(cache.ready(), 30)
        found = Lags(race, cache, most_seconds=most_seconds)
        await found.run()
    return found


@pytest.mark.timeout(1800 if IS_LONG else 120)
async def test_no_cache_allows_for_long_after_a_withdrawal(
    mongo_uri: str, prefix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Within its bound a cache at one server refuses what was withdrawn at another.

    Deaf caches, on the same servers, say yes for so long that it is noticed.
    """
    async with race(mongo_uri, prefix, tmp_path, PAIRS) as pairs:
        found = await lags(pairs, ConsentCache, most_seconds=STALE_SECONDS)
        pairs.pairs = AT_ONCE
        deaf = await lags(pairs, Deaf, most_seconds=max(found.seconds) + 0.5)

    if IS_LONG:
        with capsys.disabled():
            # Standard output of a worker of the tests goes nowhere.
            sys.stderr.write(f"\n{told(found.seconds)}\n")
    assert (0, PAIRS) == (found.wrong, len(found.seconds))
    assert AT_ONCE == deaf.wrong


def told(seconds: list[float]) -> str:
    """Return the percentiles of *seconds* for people."""
    ordered = sorted(seconds)
    median, high = (1000 * ordered[len(ordered) * percent // 100] for percent in (50, 99))
    return f"withdrawal to refusal in a cache: p50 {median:.1f} ms, p99 {high:.1f} ms"
