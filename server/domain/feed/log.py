"""Reads the sequenced ledger by partition and position."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from server.domain.ledger import LEDGER, PARTITIONS, Entry
from server.domain.ledger.heads import PARTITION_HEADS, PartitionHead
from server.domain.ports import Query, Reader

LATENESS = timedelta(hours=1)
"""How much earlier than an entry before it in the log an entry's time may be, at most.

An entry has the time of its decision; servers' clocks differ, and a change may be tried for
a while before it is committed and gets its place.
"""


class FeedLog:
    """The partitions of the feed, as far as they are sequenced."""

    def __init__(self, reader: Reader) -> None:
        """Read with *reader*."""
        self._reader = reader

    async def heads(self) -> dict[int, int]:
        """Return the next position of each partition: what is below has been given its place."""
        query = Query(PARTITION_HEADS, tenant=None, limit=PARTITIONS)
        found = await self._reader.find(query, PartitionHead)
        return dict.fromkeys(range(PARTITIONS), 0) | {head.number: head.size for head in found}

    async def read(self, partition: int, position: int, *, limit: int) -> Sequence[Entry]:
        """Return up to *limit* entries from *position* on, without a gap.

        Positions are given in one transaction and without gaps, but a read that goes on while
        two of them commit may see the later one only: it ends before what it missed.
        """
        query = Query(
            LEDGER,
            tenant=None,
            equals={"partition": partition},
            at_least={"feed_position": position},
            order="feed_position",
            limit=limit,
        )
        found = await self._reader.find(query, Entry)
        for index, entry in enumerate(found):
            if entry.feed_position != position + index:
                return found[:index]
        return found

    async def wait(self, *, at_most_seconds: float) -> None:
        """Return soon after more was sequenced, or when the time is over: a hint only."""
        await self._reader.wait_for_change(PARTITION_HEADS, at_most_seconds=at_most_seconds)

    async def positions_at(self, time: datetime) -> Mapping[int, int]:
        """Return for each partition a position before which every entry is older than *time*.

        Times rise with positions but for `LATENESS`, which is taken off: where a search for the
        earlier time ends, the entry before is older than that, so that no entry before it is as
        late as *time*. What is older and stands after it is for the filter to leave out.
        """
        heads = await self.heads()
        found = await asyncio.gather(
            *(self._first(partition, head, time - LATENESS) for partition, head in heads.items())
        )
        return dict(zip(heads, found, strict=True))

    async def _first(self, partition: int, head: int, time: datetime) -> int:
        low, high = 0, head
        while low < high:
            middle = (low + high) // 2
            found = await self.read(partition, middle, limit=1)
            if found and found[0].time < time:
                low = middle + 1
            else:
                high = middle
        return low
