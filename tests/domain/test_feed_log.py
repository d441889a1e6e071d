"""Reading the log by position, and finding positions by time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from server.domain.feed.log import LATENESS, FeedLog
from server.domain.ledger import Entry
from server.domain.ports import Query, Reader
from tests.domain.feeds import BEGIN, MemoryLog, entry

MINUTES = st.lists(st.integers(0, 600), max_size=40)


class Holes:
    """A reader that sees some positions and not yet others."""

    def __init__(self, *seen: int) -> None:
        self._seen = seen

    async def find(self, query: Query, _type: type[Any]) -> Sequence[Entry]:
        """Return what it sees from the position on that is asked for."""
        first = query.at_least["feed_position"]
        assert isinstance(first, int)
        return [entry(position) for position in self._seen if position >= first]


async def test_a_read_ends_before_a_gap() -> None:
    """A read that saw a later transaction but not the one before it misses nothing."""
    log = FeedLog(cast("Reader", Holes(4, 5, 7, 8)))

    assert [4, 5] == [each.feed_position for each in await log.read(0, 4, limit=9)]
    assert [] == await log.read(0, 3, limit=9)
    assert [7, 8] == [each.feed_position for each in await log.read(0, 7, limit=9)]


@given(MINUTES, st.lists(st.integers(0, 60), min_size=40, max_size=40), st.integers(0, 700))
async def test_nothing_of_a_time_or_later_is_before_its_position(
    minutes: list[int], lateness: list[int], asked: int
) -> None:
    """Times that are out of order, by as much as they may be, hide nothing that is wanted."""
    times = [
        BEGIN + timedelta(minutes=minute) - timedelta(minutes=late)
        for minute, late in zip(sorted(minutes), lateness, strict=False)
    ]
    assert timedelta(minutes=60) <= LATENESS
    log = MemoryLog([entry(position, time=time) for position, time in enumerate(times)])
    time = BEGIN + timedelta(minutes=asked)

    position = (await log.as_log.positions_at(time))[0]

    assert all(each < time for each in times[:position])
    # And it doesn't begin much too early: what it begins with is at most so much older.
    assert all(each >= time - 2 * LATENESS for each in times[position:])
