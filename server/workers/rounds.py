"""Working off what is to be done, and waiting until there is more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from server.domain.change import Table
from server.domain.ports import Reader


async def rounds(
    reader: Reader, table: Table, step: Callable[[], Awaitable[bool]], *, idle_seconds: float
) -> None:
    """Take *step* until it finds nothing more to do, and again when *table* is written to.

    Nothing may tell of what is due by the clock alone: it is also looked for every
    *idle_seconds*. Goes on until cancelled.
    """
    while True:
        # What comes while the rest is worked off must not be missed.
        woken = asyncio.create_task(reader.wait_for_change(table, at_most_seconds=idle_seconds))
        try:
            while await step():
                pass
            await woken
        finally:
            woken.cancel()
