"""What a stream sends of one partition, and sends again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from server.domain.feed.lane import Delivered, Lane, Room
from server.domain.ledger import Entry
from tests.domain.feeds import entries

LOTS = 1_000_000


def room(events: int = 100, characters: int = LOTS) -> Room:
    """Return the room of one message."""
    return Room(events, characters)


def everything(_entry: Entry) -> bool:
    """Want everything."""
    return True


def even(entry: Entry) -> bool:
    """Want every second one."""
    return (entry.feed_position or 0) % 2 == 0


def positions(taken: list[Delivered]) -> list[int | None]:
    """Return the positions of events."""
    return [each.entry.feed_position for each in taken]


def test_a_filter_does_not_stop_a_lane() -> None:
    """What isn't wanted is gone past, and nothing of it is outstanding."""
    lane = Lane(0, 10)

    taken = lane.take(entries(10, 15), even, room())
    lane.acknowledge(15)
    unwanted = lane.take(entries(15, 16), even, room())

    assert [10, 12, 14] == positions(taken)
    assert [] == unwanted
    assert (16, 16) == (lane.next, lane.resting)


def test_room_is_all_that_is_taken() -> None:
    """A lane stops before the first wanted entry that doesn't fit, by number or by length."""
    by_number, by_length = Lane(0, 0), Lane(0, 0)

    numbered = by_number.take(entries(0, 9), even, room(2))
    lengthy = by_length.take(entries(0, 9, reason="x" * 60), everything, room(characters=100))

    assert ([0, 2], 4) == (positions(numbered), by_number.next)
    assert ([0, 1], 2) == (positions(lengthy), by_length.next)


def test_what_waited_too_long_comes_again_with_all_after_it() -> None:
    """The time begins when an event was sent; then it and its followers are sent again."""
    lane = Lane(0, 0)
    lane.take(entries(0, 3), everything, room())
    assert not lane.is_overdue(1e9)  # Not even sent: the line is full.
    lane.sent(5.0)
    lane.acknowledge(1)
    assert (False, True) == (lane.is_overdue(4.9), lane.is_overdue(5.0))

    lane.rewind()
    again = lane.take(entries(1, 4), everything, room())

    assert [(1, 1), (2, 1), (3, 0)] == [
        (each.entry.feed_position, each.redelivery_count) for each in again
    ]


def test_a_later_message_has_a_later_deadline() -> None:
    """Sending more doesn't give more time to what was sent before."""
    lane = Lane(0, 0)
    lane.take(entries(0, 1), everything, room())
    lane.sent(5.0)
    lane.take(entries(1, 2), everything, room())
    lane.sent(8.0)

    before = lane.deadline
    lane.acknowledge(1)

    assert (5.0, 8.0) == (before, lane.deadline)


def test_an_acknowledgement_beyond_what_was_sent_goes_on_there() -> None:
    """What an earlier stream delivered need not be delivered again."""
    lane = Lane(0, 0)
    lane.take(entries(0, 2), everything, room())

    lane.acknowledge(7)

    assert (7, 7, 7, 0) == (lane.acknowledged, lane.next, lane.resting, len(lane.outstanding))


@given(st.lists(st.one_of(st.just("take"), st.just("rewind"), st.integers(0, 40)), max_size=40))
def test_nothing_is_rested_on_that_was_not_acknowledged(steps: list[str | int]) -> None:
    """Whatever happens, every wanted entry below `resting` was acknowledged, and memory is bounded.

    That is the position which is made durable without an acknowledgement.
    """
    lane, log, acknowledged = Lane(0, 0), entries(0, 60), 0
    for step in steps:
        if step == "take":
            lane.take(log[lane.next :], even, room(5 - len(lane.outstanding)))
        elif step == "rewind":
            lane.rewind()
        else:
            acknowledged = max(acknowledged, int(step))
            lane.acknowledge(int(step))
        wanted = [each.feed_position or 0 for each in log[: lane.resting] if even(each)]
        assert all(position < acknowledged for position in wanted)
        assert len(lane.outstanding) <= 5
        assert len(lane.counts) <= 10
