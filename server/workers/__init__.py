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
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _kept_working(worker: Worker) -> None:
    """Run *worker* for ever: a failure is logged, and is no reason to stop what is due by law."""
    while True:
        try:
            await worker.run()
        except Exception:  # noqa: BLE001 – it is logged, and the others go on
            _log.exception("worker failed", worker=worker.name)
        await asyncio.sleep(PAUSE_SECONDS)
