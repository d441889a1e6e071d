"""Waiting for writes ends when it is told to, whatever the driver does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from server.storage.place import Place
from server.storage.waking import Waking


class Deaf:
    """A driver whose stream loses the first cancellation, as `asyncio.wait_for` can."""

    has_change_streams = True

    def __init__(self) -> None:
        self.is_open = asyncio.Event()

    @asynccontextmanager
    async def watch(
        self, _database: str, _collections: Sequence[str]
    ) -> AsyncGenerator[Callable[[], Awaitable[str]]]:
        """Open a stream on which nothing comes."""

        async def next_write() -> str:
            self.is_open.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                await asyncio.Event().wait()
            raise AssertionError

        yield next_write


async def test_a_stream_that_loses_a_cancellation_is_closed() -> None:
    """Closing takes no longer because the driver was deaf for a moment."""
    driver: Any = Deaf()
    waking = Waking(driver)
    waiting = asyncio.create_task(waking.wait(Place("d", "c"), at_most_seconds=60))
    await asyncio.wait_for(driver.is_open.wait(), 5)

    await asyncio.wait_for(waking.close(), 5)

    await asyncio.wait_for(waiting, 5)
