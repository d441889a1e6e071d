"""One stream's place among the members of its subscription."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING
from zlib import crc32

from server.domain.change import Change, Delete, Insert, Replace
from server.domain.commands import MAX_ATTEMPTS
from server.domain.errors import (
    ConcurrentChangeError,
    ConflictError,
    LimitExceededError,
    SubscriptionNotFoundError,
)
from server.domain.feed.roster import MAX_MEMBERS, Roster
from server.domain.feed.sharing import moves
from server.domain.feed.subscription import (
    CURSORS,
    MEMBERS,
    PLATFORM,
    SUBSCRIPTIONS,
    Cursor,
    Member,
    Subscription,
    member_id,
)

if TYPE_CHECKING:
    from server.domain.change import Write
    from server.domain.ports import Ports

LEASE_SECONDS = 15.0
"""How long a member may show no sign of life before the others take what it has."""

RENEWALS = 3
"""How often a member shows one in that time."""

GROUPS = 10
"""Into how many groups the streams of a process are divided."""

LAZY_ENTRIES = 1_000
"""How many entries that nobody wanted are gone past before that is made durable…"""

LAZY_SECONDS = 30.0
"""…or how long ago that was, if it is longer: who starts anew reads this much again at most."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a member has after one pass: the subscription as it is now, and its partitions."""

    subscription: Subscription
    cursors: Mapping[int, Cursor]
    has_moved: bool


class Membership:
    """Keeps a member alive, and its share of the partitions in balance with the others'.

    A member that is gone is noticed by its document standing still for a lease, by the clock
    of whoever looks: neither servers' clocks nor the domain's have to agree. That two believe
    to have a partition at the same time is possible and harmless: the cursor names one of
    them, only that one's acknowledgements count, and events come at least once.

    Not `storage.leases`: a lease there is a document of its own, outside of transactions. Here
    the right to acknowledge and what is acknowledged change in one document, by its version.
    """

    def __init__(
        self,
        ports: Ports,
        roster: Roster,
        subscription: Subscription,
        member: str,
        *,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        """Be *member* of *subscription*, in a stream of its own."""
        self._ports = ports
        self._roster = roster
        self._subscription = subscription
        self._life = subscription.life
        self._lease_seconds = lease_seconds
        self.member = member
        self.stream = ports.ids.new()
        self._seen: dict[str, tuple[int, float]] = {}
        self._saved: dict[int, float] = {}

    def next_pass(self, now: float) -> float:
        """Return when the next pass is due after *now*, by the event loop's clock.

        The streams of a process take theirs in groups, so that a group's reads and writes go
        together, and no two groups are in each other's way.
        """
        between = self._lease_seconds / RENEWALS
        offset = crc32(self._life.encode()) % GROUPS / GROUPS * between
        return now + between - (now - offset) % between

    async def join(self) -> None:
        """Become a member, in the place of an older stream of the same one.

        Raises:
            LimitExceededError: there are as many as there may be.
        """
        for _ in range(MAX_ATTEMPTS):
            now = self._ports.clock.now()
            others = await self._roster.members(self._life)
            own = others.pop(self.member, None)
            seen_since = now - timedelta(seconds=self._lease_seconds)
            if own is None and sum(m.seen_time >= seen_since for m in others.values()) >= (
                MAX_MEMBERS
            ):
                raise LimitExceededError(what="members of a subscription", limit=MAX_MEMBERS)
            fresh = Member(
                id=member_id(self._subscription, self.member),
                tenant=PLATFORM,
                version=1 if own is None else own.version + 1,
                life=self._life,
                member=self.member,
                stream=self.stream,
                connect_time=now,
                seen_time=now,
            )
            write = Insert(MEMBERS, fresh) if own is None else Replace(MEMBERS, fresh)
            if await self._commit(write):
                return
        raise ConcurrentChangeError

    async def step(self, resting: Mapping[int, int]) -> Standing:
        """Show a sign of life, take and leave partitions, and return what this member has.

        Shapes:
            resting: partition → the position up to which all is acknowledged or was not wanted.

        Raises:
            SubscriptionNotFoundError: it was deleted.
            LimitExceededError: a newer stream of this member is in its place.
        """
        subscription = await self._current()
        members = await self._roster.members(self._life)
        await self._show_life(members.get(self.member))
        live = self._live(members)
        cursors = await self._roster.cursors(self._life)
        holders = {partition: cursor.member for partition, cursor in cursors.items()}
        changes = moves(self.member, holders, live)
        wanted = [
            *(cursors[each].moved(member=self.member) for each in changes.take),
            *(cursors[each].moved(member="", position=resting.get(each)) for each in changes.leave),
            *self._lazily(cursors, resting, set(changes.leave)),
        ]
        made = await asyncio.gather(*(self._commit(Replace(CURSORS, each)) for each in wanted))
        moved = (each for each, is_made in zip(wanted, made, strict=True) if is_made)
        cursors |= {each.partition: each for each in moved}
        dead = [each for id, each in members.items() if id not in live]
        await asyncio.gather(*(self._commit(Delete(MEMBERS, each)) for each in dead))
        own = {p: cursor for p, cursor in cursors.items() if cursor.member == self.member}
        return Standing(subscription, own, has_moved=bool(changes.take or changes.leave))

    async def leave(self, resting: Mapping[int, int]) -> None:
        """Be no member any more, unless a newer stream of this one is in its place.

        The cursors keep its name, so that what it still acknowledges counts until another
        member takes them, which may be at once.
        """
        for _ in range(MAX_ATTEMPTS):
            own = (await self._roster.members(self._life)).get(self.member)
            if own is None or own.stream != self.stream:
                return
            moved = [
                Replace(CURSORS, cursor.moved(position=resting[partition]))
                for partition, cursor in (await self._roster.cursors(self._life)).items()
                if cursor.member == self.member
                and resting.get(partition, cursor.position) > cursor.position
            ]
            if await self._commit(Delete(MEMBERS, own), *moved):
                return

    async def cursor(self, id: str) -> Cursor | None:
        """Return the cursor *id* as it is now."""
        return await self._ports.reader.get(CURSORS, PLATFORM, id, Cursor)

    async def _current(self) -> Subscription:
        found = await self._ports.reader.get(
            SUBSCRIPTIONS, PLATFORM, self._subscription.id, Subscription
        )
        if found is None or found.life != self._life:
            raise SubscriptionNotFoundError
        return found

    async def _show_life(self, own: Member | None) -> None:
        if own is not None and own.stream != self.stream:
            raise LimitExceededError(what="streams of a member", limit=1)
        if own is None:
            # The others took this one for dead.
            await self.join()
            return
        seen = replace(own, version=own.version + 1, seen_time=self._ports.clock.now())
        # A conflict is a newer stream, which the next pass finds.
        await self._commit(Replace(MEMBERS, seen))

    def _live(self, members: Mapping[str, Member]) -> set[str]:
        """Return who has shown a sign of life within a lease, as seen from here."""
        now = asyncio.get_running_loop().time()
        before = self._seen
        self._seen = {
            id: (each.version, before[id][1] if _stands_still(before.get(id), each) else now)
            for id, each in members.items()
            if id != self.member
        }
        return {self.member} | {
            id for id, (_, since) in self._seen.items() if now - since < self._lease_seconds
        }

    def _lazily(
        self, cursors: Mapping[int, Cursor], resting: Mapping[int, int], left: set[int]
    ) -> Sequence[Cursor]:
        """Return the cursors of this member that what nobody wanted has moved on far enough."""
        now = asyncio.get_running_loop().time()
        moved: list[Cursor] = []
        for partition, position in resting.items():
            cursor = cursors.get(partition)
            if cursor is None or cursor.member != self.member or partition in left:
                continue
            gone_past = position - cursor.position
            is_due = now - self._saved.setdefault(partition, now) >= LAZY_SECONDS
            if gone_past >= LAZY_ENTRIES or (gone_past > 0 and is_due):
                moved.append(cursor.moved(position=position))
                self._saved[partition] = now
        return moved

    async def _commit(self, *writes: Write) -> bool:
        """Tell whether *writes* were made; what others changed first is looked at next time."""
        with suppress(ConflictError):
            await self._ports.committer.commit(Change(writes, ()), type(None))
            return True
        return False


def _stands_still(before: tuple[int, float] | None, member: Member) -> bool:
    return before is not None and before[0] == member.version
