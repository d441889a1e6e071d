"""The end of the feed, read once for all streams of a process."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice

from server.domain.errors import StorageUnavailableError
from server.domain.feed.log import FeedLog
from server.domain.ledger import PARTITIONS, Entry

RECENT_ENTRIES = 1_000
"""Entries of one partition that are kept at most…"""

RECENT_BYTES = 1024 * 1024
"""…and how much memory they take together, roughly."""

PAGE = 500
"""Entries that are read or handed out at a time."""

POLL_SECONDS = 1.0
"""How long a hint that there is more is waited for: what the hint misses comes this late."""

READERS = 4
"""Streams of a process that read for themselves at a time; the others wait for their turn."""

_ENTRY_BYTES = 1_000
"""What an entry takes besides its texts, measured with CPython 3.11."""


class Tail:
    """The newest entries of one partition: all from `first` to just below `next`."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self.first = 0
        self.next = 0
        self._entries: deque[Entry] = deque()
        self._bytes = 0

    def restart(self, position: int) -> None:
        """Forget all, and go on from *position*."""
        self._entries.clear()
        self._bytes = 0
        self.first = self.next = position

    def append(self, entries: Sequence[Entry]) -> None:
        """Add what comes next, and drop the oldest beyond the limits."""
        self._entries.extend(entries)
        self._bytes += sum(map(_size, entries))
        self.next += len(entries)
        while len(self._entries) > RECENT_ENTRIES or self._bytes > RECENT_BYTES:
            self._bytes -= _size(self._entries.popleft())
            self.first += 1

    def since(self, position: int) -> Sequence[Entry]:
        """Return up to a page of entries from *position* on, which must not be below `first`."""
        begin = position - self.first
        return tuple(islice(self._entries, begin, begin + PAGE))


class Tails:
    """One tail for each partition, and whom to wake when it grows.

    Memory, whoever is slow and however many streams there are: at most 1,000 entries and 1 MiB
    in each of 16 partitions, so 16 MiB, while anybody streams. A stream that is up to date is
    served from here and costs the database nothing; one that is behind reads for itself, a page
    of 500 entries at a time and 4 streams at a time, so that those who are behind hold at most
    2,000 entries together and leave the database to the others. Nothing is queued for a stream:
    it has a position, and takes from there when its subscriber can take more.

    Change streams, and commits of this process, are hints only. Heads are read at least once a
    second, so that without any hint the feed is that much later and nothing else.
    """

    def __init__(self, log: FeedLog) -> None:
        """Read *log*."""
        self._log = log
        self._tails = [Tail() for _ in range(PARTITIONS)]
        self._ends = [0] * PARTITIONS
        self._listeners: set[Callable[[frozenset[int]], None]] = set()
        self._wanted = asyncio.Event()
        self._reading = asyncio.Semaphore(READERS)

    def listen(self, wake: Callable[[frozenset[int]], None]) -> None:
        """Call *wake* with the partitions that have grown, from now on."""
        self._listeners.add(wake)
        self._wanted.set()

    def forget(self, wake: Callable[[frozenset[int]], None]) -> None:
        """Call *wake* no more; with nobody left, nothing is read any more."""
        self._listeners.discard(wake)
        if not self._listeners:
            self._wanted.clear()

    @property
    def ends(self) -> Sequence[int]:
        """The position that comes next in each partition, as far as is known."""
        return self._ends

    async def read(self, partition: int, position: int) -> Sequence[Entry]:
        """Return up to a page of entries from *position* on, as far as is known; none at the end.

        Raises:
            StorageUnavailableError: the database can't answer one who is behind.
        """
        tail = self._tails[partition]
        if position >= tail.next:
            return ()
        if position >= tail.first:
            return tail.since(position)
        async with self._reading:
            return await self._log.read(partition, position, limit=PAGE)

    async def run(self) -> None:
        """Follow the log while anybody listens, until cancelled."""
        while True:
            await self._wanted.wait()
            # What is sequenced while the rest is read must not be missed.
            woken = asyncio.create_task(self._log.wait(at_most_seconds=POLL_SECONDS))
            try:
                while await self.step():
                    pass
                await woken
            except StorageUnavailableError:
                await asyncio.sleep(POLL_SECONDS)
            finally:
                woken.cancel()

    async def step(self) -> bool:
        """Read what is new, a page of each partition, and tell whether there was any."""
        heads = await self._log.heads()
        behind = [
            partition for partition, head in heads.items() if head > self._tails[partition].next
        ]
        read = await asyncio.gather(*(self._advance(each, heads[each]) for each in behind))
        grown = frozenset(each for each, has_grown in zip(behind, read, strict=True) if has_grown)
        if grown:
            for wake in tuple(self._listeners):
                wake(grown)
        return bool(grown)

    async def _advance(self, partition: int, head: int) -> bool:
        tail = self._tails[partition]
        begun = tail.next
        if head - begun > RECENT_ENTRIES:
            # Nobody listened for long: whoever is behind reads for himself up to here.
            tail.restart(head)
        else:
            tail.append(await self._log.read(partition, begun, limit=PAGE))
        self._ends[partition] = tail.next
        return tail.next > begun


def _size(entry: Entry) -> int:
    texts = (entry.id, entry.type, entry.actor, entry.reason, entry.target, entry.purpose)
    return _ENTRY_BYTES + sum(map(len, texts))
