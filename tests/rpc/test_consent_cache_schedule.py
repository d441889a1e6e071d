"""The SDK's cache over a catalogue that changes at a time to come."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import grpc

from privacyrights.v1 import types_pb2
from server.domain.catalogue.instructions import Instructions
from server.domain.catalogue.line import Line
from server.domain.clock import SteppingClock
from tests.rpc.people import end_user, grant, new_id, new_tenant, verdict
from tests.rpc.proposing import apply, approved, purpose
from tests.rpc.test_consent_cache import caching

SOON = timedelta(seconds=60)


async def retiring(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> tuple[types_pb2.Subject, str]:
    """Return somebody who agreed to a purpose of which it is scheduled that it is retired soon."""
    name = f"purposes/{new_id('soon')}"
    await apply(channel, await approved(channel, purpose(name)))
    who = end_user(await new_tenant(channel))
    await grant(channel, who, name)
    change = await approved(channel, retired_purposes=[name])
    await apply(channel, change, at=clock.now() + SOON)
    return who, name


async def said(channel: grpc.aio.Channel, clock: SteppingClock) -> list[bool]:
    """Return whether a cache says yes from memory before the moment, at it, and when it asks."""
    who, name = await retiring(channel, clock)
    passed = [timedelta(0)]

    def monotonic() -> float:
        return time.monotonic() + passed[0].total_seconds()

    async with caching(channel, who.tenant, max_staleness=600, monotonic=monotonic) as cache:
        async with asyncio.timeout(30):
            while cache.cached(who, name) is None:
                assert (await cache.check(who, name)).allowed
        answers: list[bool] = []
        for _ in range(2):
            # Nothing can be told in between: it is the verdict itself that has to say when it ends.
            clock.advance(SOON / 2)
            passed[0] += SOON / 2
            answers.append(cache.cached(who, name) is not None)
        return [*answers, (await cache.check(who, name)).allowed]


async def test_nothing_is_kept_beyond_a_scheduled_change(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """A yes is answered from memory until its purpose is retired, and not any more then."""
    assert [True, False, False] == await said(channel, clock)


async def test_a_verdict_without_its_end_would_be_caught(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """Of a server whose verdicts don't say what is scheduled, a cache says yes for too long."""

    def unknown(*_: Any) -> None:
        return None

    with patch.object(Line, "next_change_of", unknown):
        assert [True, True, True] == await said(channel, clock)


async def test_one_moment_is_judged(channel: grpc.aio.Channel, clock: SteppingClock) -> None:
    """What takes effect while a check is under way ends its verdict, or is in it already."""
    who, name = await retiring(channel, clock)
    moment = clock.now() + SOON
    real = Instructions.periods

    async def slow(*given: Any, **named: Any) -> Any:
        clock.advance(SOON)
        return await real(*given, **named)

    with patch.object(Instructions, "periods", slow):
        found = await verdict(channel, who, name)

    assert found.allowed
    assert found.verdict_time.ToDatetime(moment.tzinfo) < moment
    assert moment == found.expire_time.ToDatetime(moment.tzinfo)
