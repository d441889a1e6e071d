"""Wakes those who wait for a collection to be written to.

A change stream costs the server work for every write, so that it is open only while
somebody waits, watches only what is waited for, and is closed by the first event of a
burst. It is a hint: what it misses is found by the next read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import structlog

from server.domain.errors import StorageUnavailableError
from server.storage.driver import Driver
from server.storage.failures import TransactionAbortedError
from server.storage.place import Place

POLL_SECONDS = 0.5
"""How long a wait lasts at most while no change stream is open."""

PAUSE_SECONDS = 0.05
"""How long a burst of writes is left alone before the next event is looked at."""

REPEAT_SECONDS = 0.1
"""How long a stream has to close before it is told so again."""

_log = structlog.get_logger("server.storage")


class Waking:
    """Lets tasks wait for writes: of this process at once, of others through a change stream."""

    def __init__(
        self,
        driver: Driver,
        *,
        poll_seconds: float = POLL_SECONDS,
        pause_seconds: float = PAUSE_SECONDS,
    ) -> None:
        """Wait for what others write through *driver*'s database."""
        self._driver = driver
        self._poll_seconds = poll_seconds
        self._pause_seconds = pause_seconds
        self._waiting: dict[Place, set[asyncio.Future[None]]] = {}
        self._watching: dict[Place, int] = {}
        self._streams: dict[str, asyncio.Task[None]] = {}
        self._watched: dict[str, frozenset[str]] = {}

    async def wait(self, place: Place, *, at_most_seconds: float, by_others: bool = True) -> None:
        """Return soon after a write to *place*, or when the time is over.

        A stream is opened only to hear of writes *by_others*.
        """
        future = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(place, set()).add(future)
        self._watching[place] = self._watching.get(place, 0) + by_others
        try:
            limit = at_most_seconds
            if by_others:
                self._watch(place)
                if place.collection not in self._watched.get(place.database, ()):
                    limit = min(at_most_seconds, self._poll_seconds)
            await asyncio.wait((future,), timeout=limit)
        finally:
            self._waiting[place].discard(future)
            self._watching[place] -= by_others

    def wake(self, places: Iterable[Place]) -> None:
        """Wake those who wait for any of *places*."""
        for place in places:
            for future in self._waiting.get(place, ()):
                if not future.done():
                    future.set_result(None)

    async def close(self) -> None:
        """Close the streams and wake everybody."""
        # More than once: until Python 3.12, a cancellation that comes as `asyncio.wait_for`
        # finishes is lost (python/cpython#86296), and the driver sends each command through one.
        while running := [task for task in self._streams.values() if not task.done()]:
            for task in running:
                task.cancel()
            await asyncio.wait(running, timeout=REPEAT_SECONDS)
        self._streams.clear()
        self.wake(tuple(self._waiting))

    def _watch(self, place: Place) -> None:
        """Have *place* watched, if it isn't."""
        if not self._driver.has_change_streams or place.collection in self._watched.get(
            place.database, ()
        ):
            return
        task = self._streams.get(place.database)
        if task is not None:
            if not task.done() and place.database not in self._watched:
                return  # It is between two streams, and takes the new collection into the next.
            task.cancel()
        self._watched.pop(place.database, None)
        self._streams[place.database] = asyncio.create_task(self._follow(place.database))

    async def _follow(self, database: str) -> None:
        """Watch what is waited for in *database*, until nobody waits."""
        while wanted := self._wanted(database):
            try:
                async with self._driver.watch(database, sorted(wanted)) as next_write:
                    self._watched[database] = wanted
                    # What was written before the stream was open would be missed.
                    self.wake(place for place in self._waiting if place.database == database)
                    self.wake([Place(database, await next_write())])
            except (StorageUnavailableError, TransactionAbortedError):
                _log.warning("change stream lost")
                self._watched.pop(database, None)
                await asyncio.sleep(self._poll_seconds)
            finally:
                self._watched.pop(database, None)
            await asyncio.sleep(self._pause_seconds)

    def _wanted(self, database: str) -> frozenset[str]:
        return frozenset(
            place.collection
            for place, watching in self._watching.items()
            if watching and place.database == database
        )
