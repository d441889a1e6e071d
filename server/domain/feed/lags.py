"""How far subscriptions are behind, and what deleted ones have left."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from server.domain.change import Change, Delete
from server.domain.errors import ConflictError
from server.domain.feed.log import FeedLog
from server.domain.feed.membership import LEASE_SECONDS
from server.domain.feed.subscription import (
    CURSORS,
    MEMBERS,
    PLATFORM,
    SUBSCRIPTIONS,
    Cursor,
    EventFilter,
    Member,
    Subscription,
)
from server.domain.ledger import LEDGER, PARTITIONS, Entry
from server.domain.ports import Query

if TYPE_CHECKING:
    from server.domain.change import Table
    from server.domain.ports import Ports

COUNTED = 10_000
"""Events that are counted at most."""

LOOKED_AT = 50_000
"""Entries of a partition that are looked at for them at most."""

PAGE = 500


@dataclass(frozen=True, slots=True)
class Lag:
    """How many events wait, and the time of the oldest of them."""

    count: int
    oldest_time: datetime | None


class Lags:
    """Measures what waits, whether anybody streams or not."""

    def __init__(self, ports: Ports, *, lease_seconds: float = LEASE_SECONDS) -> None:
        """Measure through *ports*; who shows no sign of life for a lease doesn't stream."""
        self._ports = ports
        self._lease = timedelta(seconds=lease_seconds)
        self._log = FeedLog(ports.reader)

    async def of(self, subscription: Subscription) -> Lag:
        """Return how far *subscription* is behind."""
        query = Query(CURSORS, PLATFORM, equals={"life": subscription.life}, limit=PARTITIONS)
        cursors = await self._ports.reader.find(query, Cursor)
        return await self._measured(subscription, cursors, await self._log.heads())

    async def each(self, subscriptions: Sequence[Subscription]) -> Sequence[Lag]:
        """Return how far each of *subscriptions* is behind, one after another."""
        lives = tuple(each.life for each in subscriptions)
        own: dict[str, list[Cursor]] = {life: [] for life in lives}
        query = Query(CURSORS, PLATFORM, equals={"life": lives}, limit=PAGE)
        async for cursor in self._ports.reader.scan(query, Cursor):
            own[cursor.life].append(cursor)
        heads = await self._log.heads()
        return [await self._measured(each, own[each.life], heads) for each in subscriptions]

    async def members(self, subscription: Subscription) -> Sequence[Member]:
        """Return who streams now."""
        query = Query(MEMBERS, PLATFORM, equals={"life": subscription.life}, limit=PAGE)
        found = await self._ports.reader.find(query, Member)
        since = self._ports.clock.now() - self._lease
        return [each for each in found if each.seen_time >= since]

    async def partitions(self, subscription: Subscription) -> Mapping[str, Sequence[int]]:
        """Return the partitions of each member."""
        query = Query(CURSORS, PLATFORM, equals={"life": subscription.life}, limit=PARTITIONS)
        held: dict[str, list[int]] = {}
        for cursor in await self._ports.reader.find(query, Cursor):
            held.setdefault(cursor.member, []).append(cursor.partition)
        return held

    async def all(self) -> Mapping[str, Lag]:
        """Return the lag of every subscription, and tidy up what deleted ones have left."""
        heads = await self._log.heads()
        # Cursors first: one whose subscription isn't found afterwards outlived it.
        cursors: dict[str, list[Cursor]] = {}
        async for cursor in self._ports.reader.scan(Query(CURSORS, PLATFORM, limit=PAGE), Cursor):
            cursors.setdefault(cursor.life, []).append(cursor)
        members = [
            each
            async for each in self._ports.reader.scan(Query(MEMBERS, PLATFORM, limit=PAGE), Member)
        ]
        lags: dict[str, Lag] = {}
        lives: set[str] = set()
        query = Query(SUBSCRIPTIONS, PLATFORM, limit=PAGE)
        async for subscription in self._ports.reader.scan(query, Subscription):
            lives.add(subscription.life)
            own = cursors.get(subscription.life, ())
            lags[subscription.id] = await self._measured(subscription, own, heads)
        for life in cursors.keys() - lives:
            await self._tidy_up(CURSORS, cursors[life])
        await self._tidy_up(MEMBERS, [each for each in members if each.life not in lives])
        return lags

    async def _measured(
        self, subscription: Subscription, cursors: Sequence[Cursor], heads: Mapping[int, int]
    ) -> Lag:
        behind = [each for each in cursors if each.position < heads[each.partition]]
        found = await asyncio.gather(
            *(self._partition(subscription, each, heads[each.partition]) for each in behind)
        )
        times = [lag.oldest_time for lag in found if lag.oldest_time is not None]
        count = min(COUNTED, sum(lag.count for lag in found))
        return Lag(count, min(times, default=None))

    async def _partition(self, subscription: Subscription, cursor: Cursor, head: int) -> Lag:
        filter = subscription.filter
        equals: dict[str, Any] = {"partition": cursor.partition}
        if filter.tenants:
            equals["tenant"] = filter.tenants
        if filter.roles:
            equals["role"] = filter.roles
        at_least: dict[str, Any] = {"feed_position": cursor.position}
        if subscription.start_time is not None:
            at_least["time"] = subscription.start_time
        query = Query(
            LEDGER,
            tenant=None,
            equals=equals,
            patterns={"type": filter.types} if filter.types else {},
            at_least=at_least,
            at_most={"feed_position": min(head, cursor.position + LOOKED_AT) - 1},
            order="feed_position",
            limit=1,
        )
        oldest = await self._ports.reader.find(query, Entry)
        if not oldest:
            return Lag(0, None)
        if filter == EventFilter() and subscription.start_time is None:
            return Lag(head - cursor.position, oldest[0].time)
        return Lag(await self._ports.reader.count(query), oldest[0].time)

    async def _tidy_up(self, table: Table, left: Sequence[Cursor] | Sequence[Member]) -> None:
        for begin in range(0, len(left), PAGE):
            deletes = [Delete(table, each) for each in left[begin : begin + PAGE]]
            # Another server tidies up as well, or a stream is just ending.
            with suppress(ConflictError):
                await self._ports.committer.commit(Change(deletes, ()), type(None))
