"""One subscriber's stream: from the log to the line, no faster than it acknowledges."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import suppress

from server.domain.errors import DomainError, StorageUnavailableError
from server.domain.feed.lane import Delivered, Lane, Room
from server.domain.feed.membership import Membership, Standing
from server.domain.feed.subscription import Subscription, cursor_id
from server.domain.feed.tails import Tails

BATCH = 100
"""Events in one message at most…"""

BATCH_CHARACTERS = 256 * 1024
"""…and about how much text is in them, unless one alone has more."""

LIFE_SECONDS = 15.0
"""After how long without an event a sign of life is sent."""

REFRESH_SECONDS = 1.0
"""How often a stream that waits for acknowledgements looks for those made on other servers."""

CANCEL_SECONDS = 0.1
"""How long a task has to end before it is told so again."""

LEAVE_SECONDS = 2.0
"""How long the end of a stream may take; what isn't given back by then ends with its lease."""


class Stream:
    """Delivers to one member what is its to deliver.

    Holds positions and no events: at most `max_outstanding` of them are on their way, and
    when that many are not acknowledged, or the line takes no more, it reads no further. While
    the line is full only its membership goes on.
    """

    def __init__(
        self,
        tails: Tails,
        membership: Membership,
        subscription: Subscription,
        *,
        max_outstanding: int,
        tell_others: Callable[[], None],
        life_seconds: float = LIFE_SECONDS,
    ) -> None:
        """Deliver out of *tails* what *membership* has of *subscription*.

        *tell_others* has the other members of this process look at once at what changed.
        """
        self._tails = tails
        self._membership = membership
        self._subscription: Subscription = subscription
        self._wants = subscription.wants()
        self._max_outstanding = max_outstanding
        self._tell_others = tell_others
        self._life_seconds = life_seconds
        self._lanes: dict[int, Lane] = {}
        self._woken = asyncio.Event()
        self._due = asyncio.Event()
        self._failure: Exception | None = None
        self._turn = 0

    @property
    def member(self) -> str:
        """Whose stream it is."""
        return self._membership.member

    def acknowledged(self, partition: int, position: int) -> None:
        """Take note that all below *position* is acknowledged, durably."""
        lane = self._lanes.get(partition)
        if lane is not None:
            lane.acknowledge(position)
            self._woken.set()

    def look(self) -> None:
        """Look now at what the other members, or the subscription, have become."""
        self._due.set()

    def end(self, failure: Exception) -> None:
        """End with *failure*, at once unless the line is full."""
        self._failure = failure
        self._woken.set()

    async def messages(self) -> AsyncGenerator[Sequence[Delivered]]:
        """Yield events as they come, and at times none, as a sign of life; never end.

        The first message is a sign of life: from then on, the member has its place.

        Raises:
            SubscriptionNotFoundError: it was deleted.
            LimitExceededError: too many members, or a newer stream of this one.
            StorageUnavailableError: the database can't answer.
        """
        await self._membership.join()
        self._tails.listen(self._grown)
        keeping = asyncio.create_task(self._keep_membership())
        try:
            yield ()
            while True:
                events = await self._next()
                yield events
                self._sent()
        finally:
            self._tails.forget(self._grown)
            await _ended(keeping)
            with suppress(TimeoutError, DomainError):
                async with asyncio.timeout(LEAVE_SECONDS):
                    await self._membership.leave(self._resting())
            self._tell_others()

    async def _next(self) -> Sequence[Delivered]:
        """Return the next events, or none when it is time for a sign of life."""
        loop = asyncio.get_running_loop()
        silent_until = loop.time() + self._life_seconds
        while True:
            if self._failure is not None:
                raise self._failure
            self._woken.clear()
            now = loop.time()
            # Few of the lanes have anything on its way, as a rule.
            pending = [lane for lane in self._lanes.values() if lane.outstanding]
            await self._send_again(pending, now)
            events, has_read = await self._read(pending)
            if events or now >= silent_until:
                return events
            if has_read:
                await asyncio.sleep(0)
                continue
            deadlines = (lane.deadline for lane in pending)
            limits = [silent_until, *(each for each in deadlines if each is not None)]
            if self._room(pending) <= 0:
                await asyncio.gather(*map(self._refresh, pending))
                limits.append(now + REFRESH_SECONDS)
            with suppress(TimeoutError):
                async with asyncio.timeout_at(min(limits)):
                    await self._woken.wait()

    async def _read(self, pending: Iterable[Lane]) -> tuple[Sequence[Delivered], bool]:
        """Return events of all partitions in turn, and whether anything was read at all."""
        events: list[Delivered] = []
        has_read = False
        room = Room(min(self._room(pending), BATCH), BATCH_CHARACTERS)
        for lane in self._in_turn():
            if room.is_full:
                break
            position = lane.next
            entries = await self._tails.read(lane.partition, position)
            # Another member may have it by now, or it was acknowledged beyond that.
            if self._lanes.get(lane.partition) is lane and lane.next == position:
                has_read = has_read or bool(entries)
                events += lane.take(entries, self._wants, room)
        return events, has_read

    def _in_turn(self) -> list[Lane]:
        """Return the lanes with news, beginning with another one each time: none waits for ever."""
        ends = self._tails.ends
        lanes = [lane for lane in self._lanes.values() if lane.next < ends[lane.partition]]
        self._turn += 1
        begin = self._turn % len(lanes) if lanes else 0
        return lanes[begin:] + lanes[:begin]

    def _room(self, pending: Iterable[Lane]) -> int:
        return self._max_outstanding - sum(len(lane.outstanding) for lane in pending)

    def _resting(self) -> dict[int, int]:
        return {partition: lane.resting for partition, lane in self._lanes.items()}

    def _sent(self) -> None:
        """Begin to count the time that what was sent has."""
        deadline = asyncio.get_running_loop().time() + self._subscription.acknowledge_seconds
        for lane in self._lanes.values():
            if lane.outstanding:
                lane.sent(deadline)

    async def _send_again(self, pending: Iterable[Lane], now: float) -> None:
        """Go back to what was not acknowledged in time, here or on another server."""
        for lane in pending:
            if lane.is_overdue(now):
                await self._refresh(lane)
                if lane.is_overdue(now):
                    lane.rewind()

    async def _refresh(self, lane: Lane) -> None:
        cursor = await self._membership.cursor(cursor_id(self._subscription, lane.partition))
        if cursor is not None and cursor.member == self.member:
            lane.acknowledge(cursor.position)

    def _grown(self, partitions: frozenset[int]) -> None:
        if not partitions.isdisjoint(self._lanes):
            self._woken.set()

    async def _keep_membership(self) -> None:
        """Take pass after pass, also while the line is full; what ends the membership is kept."""
        while True:
            self._due.clear()
            try:
                standing = await self._membership.step(self._resting())
            except StorageUnavailableError:
                pass  # Others take its partitions if this lasts, and it finds so.
            except Exception as error:  # noqa: BLE001 – it ends the stream, which raises it
                self.end(error)
                return
            else:
                self._stand(standing)
                if standing.has_moved:
                    self._tell_others()
            due = self._membership.next_pass(asyncio.get_running_loop().time())
            with suppress(TimeoutError):
                async with asyncio.timeout_at(due):
                    await self._due.wait()

    def _stand(self, standing: Standing) -> None:
        """Deliver from now on what *standing* says."""
        if standing.subscription != self._subscription:
            self._subscription = standing.subscription
            self._wants = standing.subscription.wants()
        for partition in self._lanes.keys() - standing.cursors.keys():
            del self._lanes[partition]
        for partition, cursor in standing.cursors.items():
            if partition in self._lanes:
                self._lanes[partition].acknowledge(cursor.position)
            else:
                self._lanes[partition] = Lane(partition, cursor.position)
        self._woken.set()


async def _ended(task: asyncio.Task[None]) -> None:
    """Cancel *task* until it has ended; until Python 3.12, a cancellation can get lost."""
    while not task.done():
        task.cancel()
        await asyncio.wait((task,), timeout=CANCEL_SECONDS)
