"""One partition of one stream: what was sent, and what must be sent again."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from server.domain.ledger import Entry


@dataclass(frozen=True, slots=True)
class Delivered:
    """An event on its way: the entry, and how often it was sent before by this stream."""

    entry: Entry
    redelivery_count: int


@dataclass(slots=True)
class Room:
    """How much one message still takes: so many events, and about so much text."""

    events: int
    characters: int

    @property
    def is_full(self) -> bool:
        """Whether not even a short event fits in any more; a long one may go a bit beyond."""
        return self.events <= 0 or self.characters <= 0

    def use(self, entry: Entry) -> None:
        """Put *entry* in."""
        self.events -= 1
        self.characters -= len(entry.reason) + len(entry.target)


@dataclass(slots=True)
class Outstanding:
    """The position of an event that is not acknowledged; `deadline` is None until it was sent."""

    position: int
    deadline: float | None = None


@dataclass(slots=True)
class Lane:
    """What a stream knows of one partition; holds positions and counts, and no events.

    Shapes:
        acknowledged: all below is dealt with.
        next: the position that is read next.
        outstanding: sent and not acknowledged, in order.
        counts: position → how often it was sent, for what is not acknowledged.
    """

    partition: int
    acknowledged: int
    next: int = field(init=False)
    outstanding: deque[Outstanding] = field(default_factory=deque[Outstanding])
    counts: dict[int, int] = field(default_factory=dict[int, int])

    def __post_init__(self) -> None:
        """Begin with the first that is not acknowledged."""
        self.next = self.acknowledged

    @property
    def resting(self) -> int:
        """The position up to which all is acknowledged, or was never wanted."""
        return self.outstanding[0].position if self.outstanding else self.next

    @property
    def deadline(self) -> float | None:
        """When the oldest event is sent again, unless it is acknowledged before."""
        return self.outstanding[0].deadline if self.outstanding else None

    def take(
        self, entries: Iterable[Entry], wants: Callable[[Entry], bool], room: Room
    ) -> list[Delivered]:
        """Return the events out of *entries*, which begin with `next`, that there is *room* for.

        What isn't wanted is gone past: a filter never stops a stream.
        """
        taken: list[Delivered] = []
        for entry in entries:
            if wants(entry):
                if room.is_full:
                    break
                count = self.counts.get(self.next, 0)
                taken.append(Delivered(entry, count))
                self.counts[self.next] = count + 1
                self.outstanding.append(Outstanding(self.next))
                room.use(entry)
            self.next += 1
        return taken

    def sent(self, deadline: float) -> None:
        """Give what was just sent until *deadline*: a slow reader's time begins when it has read.

        The clock is the event loop's.
        """
        for each in reversed(self.outstanding):
            if each.deadline is not None:
                break
            each.deadline = deadline

    def acknowledge(self, position: int) -> None:
        """Forget what is below *position*, which is the first not acknowledged."""
        self.acknowledged = max(self.acknowledged, position)
        self.next = max(self.next, position)
        while self.outstanding and self.outstanding[0].position < position:
            self.outstanding.popleft()
        # Positions were first sent in order, so that the first is the lowest.
        while self.counts and (first := next(iter(self.counts))) < position:
            del self.counts[first]

    def is_overdue(self, now: float) -> bool:
        """Tell whether the oldest event has waited too long."""
        return self.deadline is not None and self.deadline <= now

    def rewind(self) -> None:
        """Begin again with the oldest event that is not acknowledged."""
        self.next = self.resting
        self.outstanding.clear()
