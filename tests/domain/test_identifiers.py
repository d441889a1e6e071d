"""Ids sort by time, tell their regime, and some of them tell nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from server.domain.clock import SteppingClock
from server.domain.identifiers import TimeOrderedIds, random_id, role_of
from server.domain.values import InvalidValueError, Role, resource_id

START = datetime(2026, 3, 5, tzinfo=UTC)

Maker = Callable[[Role | None], str]
MAKERS: list[Maker] = [TimeOrderedIds(SteppingClock(START)).new, random_id]


class SettableClock:
    """A clock that can be set back, as a machine's can."""

    def __init__(self) -> None:
        self.time = START

    def now(self) -> datetime:
        """Return what it is set to."""
        return self.time


def assert_ordered(ids: list[str]) -> None:
    """Hold that ids sort as they were made, without a repeat."""
    assert sorted(set(ids)) == ids


def test_ids_of_one_millisecond_keep_their_order() -> None:
    """Ids made while the clock stands still sort in the order they were made."""
    ids = TimeOrderedIds(SteppingClock(START))

    assert_ordered([ids.new() for _ in range(10_000)])


def test_ids_keep_their_order_when_the_clock_is_set_back() -> None:
    """A clock that is set back doesn't take the ids with it."""
    clock = SettableClock()
    ids = TimeOrderedIds(clock)
    made: list[str] = []
    for seconds in (0, 5, -3600, -1800, 6):
        clock.time = START + timedelta(seconds=seconds)
        made += [ids.new() for _ in range(100)]

    assert_ordered(made)


def test_unordered_ids_are_caught() -> None:
    """The assertion catches ids that draw their random part anew in the same millisecond."""
    clock = SteppingClock(START)
    anew = [TimeOrderedIds(clock).new() for _ in range(20)]

    with pytest.raises(AssertionError):
        assert_ordered(anew)


def test_processes_order_by_time() -> None:
    """Ids of two processes sort by the millisecond in which they were made."""
    clock = SteppingClock(START)
    here, there = TimeOrderedIds(clock), TimeOrderedIds(clock)
    made: list[str] = []
    for process in (here, there) * 50:
        made.append(process.new())
        clock.advance(timedelta(milliseconds=1))

    assert_ordered(made)


def test_layout_is_known() -> None:
    """The first 48 bits are the milliseconds since 1970."""
    clock = SteppingClock(datetime(1970, 1, 1, 0, 0, 0, 33_000, tzinfo=UTC))

    # Ten characters hold two bits of padding and the 48; 33 is "11" in base 32.
    assert "n0000000011" == TimeOrderedIds(clock).new()[:11]


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("make", MAKERS)
def test_an_id_tells_its_regime(make: Maker, role: Role) -> None:
    """The regime is read off the id, so that no query has to try both (S1)."""
    id = make(role)

    assert role is role_of(id)
    assert role.value[0] == id[0]


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("role", [None, *Role])
def test_an_id_is_a_resource_id(make: Maker, role: Role | None) -> None:
    """An id has 27 characters and may stand where a resource id stands (AIP-122)."""
    id = make(role)

    assert 27 == len(id)
    assert id == resource_id(id)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "c",
        random_id(),
        random_id(Role.PROCESSOR)[:-1],
        random_id(Role.PROCESSOR) + "0",
        random_id(Role.PROCESSOR).upper(),
        random_id(Role.PROCESSOR) + "\n",
        "x" + random_id()[1:],
        "c8" + "0" * 25,
        "p0" + "u" * 25,
    ],
    ids=["empty", "short", "no regime", "cut", "long", "capitals", "line", "x", "over", "u"],
)
def test_what_is_no_id_has_no_regime(text: str) -> None:
    """A text that isn't an id of ours is refused, without being echoed."""
    with pytest.raises(InvalidValueError) as refusal:
        role_of(text)

    assert "must be an id that an earlier call returned" == str(refusal.value)


def test_random_ids_tell_no_time() -> None:
    """Random ids don't sort by when they were made (S5)."""
    made = [random_id() for _ in range(100)]

    assert 100 == len(set(made))
    with pytest.raises(AssertionError):
        assert_ordered(made)
