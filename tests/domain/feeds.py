"""Entries and a log for tests of the feed's rules, in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

from server.domain.feed.log import FeedLog
from server.domain.feed.subscription import EventFilter, Subscription
from server.domain.ledger import PARTITIONS, Entry

BEGIN = datetime(2026, 3, 2, 9, tzinfo=UTC)


def entry(position: int, **fields: Any) -> Entry:
    """Return the entry at *position* of partition 0."""
    given: dict[str, Any] = {
        "id": f"acme/n{position}",
        "tenant": "acme",
        "type": "consent.granted",
        "time": BEGIN,
        "actor": "messaging",
        "rpc": "ConsentService/RecordConsent",
        "partition": 0,
        "position": position,
        "feed_position": position,
        **fields,
    }
    return Entry(**given)


def entries(begin: int, end: int, **fields: Any) -> list[Entry]:
    """Return the entries from *begin* to just below *end*."""
    return [entry(position, **fields) for position in range(begin, end)]


def subscription(
    filter: EventFilter | None = None, *, start_time: datetime | None = None
) -> Subscription:
    """Return a subscription with a filter."""
    return Subscription(
        id="crm",
        tenant="",
        version=1,
        life="n1",
        filter=filter or EventFilter(),
        acknowledge_ms=30_000,
        create_time=BEGIN,
        start_time=start_time,
    )


class MemoryLog(FeedLog):
    """A log in memory; only what is below the head is sequenced."""

    def __init__(self, first: Sequence[Entry] = ()) -> None:
        self.kept = list(first)
        self.reads: list[tuple[int, int]] = []
        self.hint = asyncio.Event()
        self.readers = 0
        self.most_readers = 0

    async def heads(self) -> dict[int, int]:
        """Return the number of entries in partition 0; all others are empty."""
        return {**dict.fromkeys(range(PARTITIONS), 0), 0: len(self.kept)}

    async def read(self, partition: int, position: int, *, limit: int) -> Sequence[Entry]:
        """Return what is there, and keep what was asked for."""
        self.reads.append((partition, position))
        self.readers += 1
        self.most_readers = max(self.most_readers, self.readers)
        await asyncio.sleep(0)
        self.readers -= 1
        return self.kept[position : position + limit] if partition == 0 else []

    async def wait(self, *, at_most_seconds: float) -> None:
        """Wait for the hint that a test gives, or for the time to be over."""
        try:
            await asyncio.wait_for(self.hint.wait(), at_most_seconds)
        except TimeoutError:
            return
        self.hint.clear()

    @property
    def as_log(self) -> FeedLog:
        """Itself, as what it stands in for."""
        return cast("FeedLog", self)
