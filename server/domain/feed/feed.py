"""Delivers the ledger to those who subscribed, and takes their acknowledgements."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING

from server.domain.change import Change, Replace
from server.domain.commands import MAX_ATTEMPTS
from server.domain.errors import (
    ConcurrentChangeError,
    ConflictError,
    InvalidArgumentError,
    LimitExceededError,
    PartitionLostError,
    Violation,
)
from server.domain.feed.frontier import Frontier
from server.domain.feed.lane import Delivered
from server.domain.feed.log import FeedLog
from server.domain.feed.membership import LEASE_SECONDS, Membership
from server.domain.feed.roster import Roster
from server.domain.feed.stream import LIFE_SECONDS, Stream
from server.domain.feed.subscription import CURSORS, PLATFORM, Cursor, Subscription, cursor_id
from server.domain.feed.tails import Tails

if TYPE_CHECKING:
    from server.domain.feed.subscriptions import Subscriptions
    from server.domain.ports import Ports

_BEYOND = "must not be beyond the end of the partition"


class Feed:
    """The streams of this process, over one tail of the log."""

    def __init__(
        self,
        ports: Ports,
        subscriptions: Subscriptions,
        *,
        lease_seconds: float = LEASE_SECONDS,
        life_seconds: float = LIFE_SECONDS,
    ) -> None:
        """Deliver to *subscriptions*; somebody has to run `tails` and `frontier`."""
        self._ports = ports
        self._subscriptions = subscriptions
        self._lease_seconds = lease_seconds
        self._life_seconds = life_seconds
        self._log = FeedLog(ports.reader)
        self.tails = Tails(self._log)
        self.frontier = Frontier(ports, self._log, self.tails)
        self._roster = Roster(ports.reader)
        self._streams: dict[str, set[Stream]] = {}

    async def subscribe(
        self, id: str, *, member: str, max_outstanding: int
    ) -> AsyncGenerator[Sequence[Delivered]]:
        """Yield events as they come, and at times none, as a sign of life; never end.

        Raises:
            SubscriptionNotFoundError: there is none, or it was deleted.
            LimitExceededError: too many members, or a newer stream of this one.
        """
        subscription = await self._subscriptions.get(id)
        life = subscription.life
        stream = Stream(
            self.tails,
            self._membership(subscription, member),
            subscription,
            max_outstanding=max_outstanding,
            tell_others=lambda: self._tell(life, stream),
            life_seconds=self._life_seconds,
        )
        try:
            async with aclosing(stream.messages()) as messages:
                async for events in messages:
                    self._take_place(life, stream)
                    yield events
        finally:
            self._streams.get(life, set()).discard(stream)
            if not self._streams.get(life):
                self._streams.pop(life, None)

    async def acknowledge(
        self, id: str, *, member: str, positions: Mapping[int, int]
    ) -> Mapping[int, int]:
        """Make durable that events were dealt with, and return the last of each partition.

        Positions only rise. All or none of *positions* count.

        Shapes:
            positions: partition → the last position dealt with, in the order of the request.

        Raises:
            SubscriptionNotFoundError: there is none.
            PartitionLostError: another member has one of the partitions, or nobody.
            InvalidArgumentError: a position isn't there yet.
        """
        subscription = await self._subscriptions.get(id)
        await self._require_there(positions)
        for _ in range(MAX_ATTEMPTS):
            cursors = await self._cursors(subscription, member, positions)
            moved = [
                cursor.moved(position=positions[partition] + 1)
                for partition, cursor in cursors.items()
                if cursor.position <= positions[partition]
            ]
            try:
                if moved:
                    change = Change([Replace(CURSORS, each) for each in moved], ())
                    await self._ports.committer.commit(change, type(None))
            except ConflictError:
                continue
            reached = {p: cursor.position for p, cursor in cursors.items()}
            reached |= {each.partition: each.position for each in moved}
            self._free(subscription.life, member, reached)
            return {partition: position - 1 for partition, position in reached.items()}
        raise ConcurrentChangeError

    def _membership(self, subscription: Subscription, member: str) -> Membership:
        return Membership(
            self._ports, self._roster, subscription, member, lease_seconds=self._lease_seconds
        )

    async def _require_there(self, positions: Mapping[int, int]) -> None:
        if all(position < self.tails.ends[p] for p, position in positions.items()):
            return
        heads = await self._log.heads()
        if beyond := tuple(
            Violation(f"positions[{index}].position", _BEYOND)
            for index, (partition, position) in enumerate(positions.items())
            if position >= heads[partition]
        ):
            raise InvalidArgumentError(beyond)

    async def _cursors(
        self, subscription: Subscription, member: str, partitions: Mapping[int, int]
    ) -> dict[int, Cursor]:
        found = await asyncio.gather(
            *(
                self._ports.reader.get(
                    CURSORS, PLATFORM, cursor_id(subscription, partition), Cursor
                )
                for partition in partitions
            )
        )
        held = [cursor for cursor in found if cursor is not None and cursor.member == member]
        if len(held) != len(partitions):
            raise PartitionLostError
        return {cursor.partition: cursor for cursor in held}

    def _take_place(self, life: str, stream: Stream) -> None:
        """Have *stream* known, and end an older one of the same member: its line may be dead."""
        streams = self._streams.setdefault(life, set())
        if stream in streams:
            return
        for other in streams:
            if other.member == stream.member:
                other.end(LimitExceededError(what="streams of a member", limit=1))
        streams.add(stream)

    def _tell(self, life: str, stream: Stream) -> None:
        for other in self._streams.get(life, ()):
            if other is not stream:
                other.look()

    def _free(self, life: str, member: str, reached: Mapping[int, int]) -> None:
        for stream in self._streams.get(life, ()):
            if stream.member == member:
                for partition, position in reached.items():
                    stream.acknowledged(partition, position)
