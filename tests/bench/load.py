"""A process that makes calls as fast as so many callers can, whenever it is told to.

It reads a number of seconds from standard input, calls for as long, and answers with one
line of JSON; so it is warm, and costs nothing while another one is measured.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any

import structlog
import uvloop

CALLERS = 64

CallOnce = Callable[[int], Awaitable[object]]
"""Makes one call for the caller of that number."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What one run came to: calls that were answered, the seconds they took, and latencies."""

    calls: int
    seconds: float
    median_ms: float
    p99_ms: float


async def obey(call: CallOnce, callers: int = CALLERS) -> None:
    """Run with so many *callers* whenever standard input says for how long, until it ends."""
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(asdict(await measure(call, float(line), callers))), flush=True)


async def measure(call: CallOnce, seconds: float, callers: int = CALLERS) -> Measured:
    """Return how *call* does with all *callers* at once, for so many *seconds*."""
    latencies: list[float] = []
    started = time.perf_counter()
    until = started + seconds

    async def go_on(caller: int) -> None:
        before = time.perf_counter()
        while before < until:
            await call(caller)
            after = time.perf_counter()
            latencies.append(after - before)
            before = after

    await asyncio.gather(*(go_on(caller) for caller in range(callers)))
    took = time.perf_counter() - started
    latencies.sort()
    return Measured(
        calls=len(latencies),
        seconds=took,
        median_ms=latencies[len(latencies) // 2] * 1000,
        p99_ms=latencies[len(latencies) * 99 // 100] * 1000,
    )


def run(main: Awaitable[Any]) -> None:
    """Run *main* on the event loop that the server uses, too; standard output is for figures."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))

    async def awaited() -> None:
        await main

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(awaited())
