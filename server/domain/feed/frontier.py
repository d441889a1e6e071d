"""How far the feed is complete: before which moment nothing is missing from it any more."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from server.domain.errors import StorageUnavailableError
from server.domain.feed.log import FeedLog
from server.domain.feed.tails import Tails
from server.domain.ledger import LEDGER, PARTITIONS
from server.domain.ports import Query

if TYPE_CHECKING:
    from server.domain.ports import Ports

PASS_SECONDS = 0.25
"""How often a look is taken while nothing happens."""

AWAY_SECONDS = 1.0
"""How long a database that can't answer is left alone."""

WAITING = 1_000
"""Entries without a place that are looked at; with as many, nothing is known to be complete."""

FACTS = 64
"""What is known and waits for the tails to have read so far."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What one look came to.

    Shapes:
        heads: the next position of each partition, as stored.
        ends: the position that each partition may be delivered up to, this one excluded.
        token: the consistency token of a moment at which all below `ends` was committed.
        complete_time: whatever was committed by then is below `ends`; None: not known yet.
    """

    number: int
    heads: Mapping[int, int]
    ends: Sequence[int]
    token: str
    complete_time: datetime | None


@dataclass(frozen=True, slots=True)
class _Waiting:
    id: str


@dataclass(frozen=True, slots=True)
class _Pending:
    time: datetime
    ids: frozenset[str]


class Frontier:
    """Looks for all streams of a process, three small reads at a time.

    An entry is committed first and gets its place just after. What was committed by some moment
    is in the feed, up to its heads, once nothing has waited since that waited at that moment –
    so the heads are read after those that wait. Times are those of one clock that never steps,
    so that the time between two of them is what has passed.
    """

    def __init__(self, ports: Ports, log: FeedLog, tails: Tails) -> None:
        """Look at what *tails* deliver of *log*; somebody has to `run` it."""
        self._ports = ports
        self._log = log
        self._tails = tails
        self._watchers = 0
        self._begun = 0
        self._wanted = asyncio.Event()
        self._due = asyncio.Event()
        self._passed = asyncio.Event()
        self._sight: Sight | None = None
        self._pending: _Pending | None = None
        self._facts: deque[tuple[datetime, Mapping[int, int]]] = deque()
        self._complete_time: datetime | None = None
        self._origin: tuple[datetime, float] | None = None

    def now(self) -> datetime:
        """Return the time, by a clock that never steps while the process lives."""
        monotonic = asyncio.get_running_loop().time()
        if self._origin is None:
            self._origin = (self._ports.clock.now(), monotonic)
        began, at = self._origin
        return began + timedelta(seconds=monotonic - at)

    def join(self) -> None:
        """Have it look from now on."""
        self._watchers += 1
        if self._watchers == 1:
            self._tails.listen(self._grown)
        self._wanted.set()
        self._due.set()

    def leave(self) -> None:
        """Take back one `join`; with nobody left, nothing is read any more."""
        self._watchers -= 1
        if not self._watchers:
            self._tails.forget(self._grown)
            self._wanted.clear()

    @property
    def begun(self) -> int:
        """The number of the last look that was begun."""
        return self._begun

    async def after(self, number: int, *, at_most_seconds: float) -> Sight | None:
        """Return the newest look once it is later than look *number*, or None in the end."""
        until = asyncio.get_running_loop().time() + at_most_seconds
        with suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                while self._sight is None or self._sight.number <= number:
                    await self._passed.wait()
                return self._sight
        return None

    async def run(self) -> None:
        """Look while anybody wants it, until cancelled."""
        while True:
            await self._wanted.wait()
            self._due.clear()
            try:
                await self.step()
            except StorageUnavailableError:
                await asyncio.sleep(AWAY_SECONDS)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(PASS_SECONDS):
                    await self._due.wait()

    async def step(self) -> None:
        """Take one look, and tell those who wait for it."""
        self._begun += 1
        number, time, ends = self._begun, self.now(), tuple(self._tails.ends)
        (waiting, heads), token = await asyncio.gather(self._places(), self._ports.reader.moment())
        self._note(time, waiting, heads)
        self._sight = Sight(number, heads, ends, token, self._completed(ends))
        passed, self._passed = self._passed, asyncio.Event()
        passed.set()

    def _grown(self, _partitions: frozenset[int]) -> None:
        self._due.set()

    async def _places(self) -> tuple[frozenset[str], Mapping[int, int]]:
        """Return which entries wait for their places, and after that the heads."""
        query = Query(
            LEDGER,
            tenant=None,
            equals={"waiting": True, "partition": tuple(range(PARTITIONS))},
            order="stamp",
            limit=WAITING,
            is_snapshot=True,
            only=("id",),
        )
        found = await self._ports.reader.find(query, _Waiting)
        return frozenset(each.id for each in found), await self._log.heads()

    def _note(self, time: datetime, waiting: frozenset[str], heads: Mapping[int, int]) -> None:
        if len(waiting) >= WAITING:
            return
        if not waiting:
            self._know(time, heads)
        elif self._pending is None:
            self._pending = _Pending(time, waiting)
        elif waiting.isdisjoint(self._pending.ids):
            self._know(self._pending.time, heads)
            self._pending = _Pending(time, waiting)

    def _know(self, time: datetime, heads: Mapping[int, int]) -> None:
        self._pending = None
        if len(self._facts) < FACTS:
            self._facts.append((time, heads))

    def _completed(self, ends: Sequence[int]) -> datetime | None:
        """Return up to when all is below *ends*; this never goes back."""
        while self._facts and all(head <= ends[p] for p, head in self._facts[0][1].items()):
            self._complete_time = self._facts.popleft()[0]
        return self._complete_time
