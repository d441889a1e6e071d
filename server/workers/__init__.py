"""What goes on beside the calls, for as long as the server runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

import structlog

if TYPE_CHECKING:
    from collections.abc import Sequence

PAUSE_SECONDS = 5.0
"""How long a worker that failed is left alone before it goes on."""

REPEAT_SECONDS = 0.1
"""How long a worker has to end before it is told so again."""

_log = structlog.get_logger("server.workers")


class Worker(Protocol):
    """One thing that goes on."""

    @property
    def name(self) -> str:
        """What logs call it."""
        ...

    async def run(self) -> None:
        """Work until cancelled, at any await: nothing may be left half done by that."""
        ...


@asynccontextmanager
async def working(workers: Sequence[Worker]) -> AsyncGenerator[None]:
    """Keep *workers* at work during the block."""
    tasks = [asyncio.create_task(_kept_working(worker)) for worker in workers]
    try:
        yield
    finally:
        await _end(tasks)


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel *tasks* until all of them have ended.

    Until Python 3.12, a cancellation that comes as `asyncio.wait_for` finishes is lost
    (python/cpython#86296), and the driver sends every command through one.
    """
    while running := [task for task in tasks if not task.done()]:
        for task in running:
            task.cancel()
        await asyncio.wait(running, timeout=REPEAT_SECONDS)


async def _kept_working(worker: Worker) -> None:
    """Run *worker* for ever: a failure is logged, and is no reason to stop what is due by law."""
    while True:
        try:
            await worker.run()
        except Exception:  # noqa: BLE001 – it is logged, and the others go on
            _log.exception("worker failed", worker=worker.name)
        await asyncio.sleep(PAUSE_SECONDS)
