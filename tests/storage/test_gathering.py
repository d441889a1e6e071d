"""Work that is shared waits for company, and whoever is alone for nobody."""

from __future__ import annotations

import asyncio
import time

from server.storage.gathering import Gathering


async def waited(gathering: Gathering) -> float:
    """Return how many seconds the next round of *gathering* waits."""
    started = time.monotonic()
    await gathering.wait()
    return time.monotonic() - started


async def after(size: int, *, seconds: float, most_seconds: float) -> float:
    """Return how long is waited after a round of so many callers that took so many *seconds*."""
    gathering = Gathering(most_seconds)
    with gathering.round(size):
        await asyncio.sleep(seconds)
    return await waited(gathering)


async def test_who_is_alone_waits_for_nobody() -> None:
    """The first round, and one after a round of one, begin at once."""
    assert 0.02 > await waited(Gathering(10))
    assert 0.02 > await after(1, seconds=0.05, most_seconds=10)


async def test_a_crowd_waits_as_long_as_the_last_round_took() -> None:
    """Nobody waits for company for longer than work takes."""
    assert 0.05 <= await after(2, seconds=0.05, most_seconds=10) < 1


async def test_a_round_that_took_long_is_no_measure() -> None:
    """The wait has a limit."""
    assert 0.01 <= await after(2, seconds=0.2, most_seconds=0.01) < 0.15
