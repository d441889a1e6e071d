"""The clocks tell aware UTC in whole milliseconds and never go back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from server.domain.clock import SteppingClock, SystemClock

START = datetime(2026, 1, 31, 12, 30, 15, 250_000, tzinfo=UTC)


def test_system_time_survives_bson() -> None:
    """The time is UTC in whole milliseconds, which is what BSON keeps, and is the machine's."""
    before = datetime.now(UTC)
    now = SystemClock().now()

    assert UTC is now.tzinfo
    assert 0 == now.microsecond % 1000
    assert timedelta(milliseconds=-1) < now - before < timedelta(minutes=1)


def test_stepping_clock_stands_still() -> None:
    """Time passes only when it is told to."""
    clock = SteppingClock(START)

    assert START == clock.now() == clock.now()


def test_start_becomes_utc_milliseconds() -> None:
    """A start in another zone, with microseconds, is told as UTC milliseconds."""
    east = timezone(timedelta(hours=2))

    assert START == SteppingClock(START.replace(microsecond=250_999)).now()
    assert UTC is SteppingClock(START.astimezone(east)).now().tzinfo


@pytest.mark.parametrize(
    ("months", "by", "expected"),
    [
        (25, timedelta(0), datetime(2028, 2, 29, 12, 30, 15, 250_000, tzinfo=UTC)),
        (1, timedelta(days=1), datetime(2026, 3, 1, 12, 30, 15, 250_000, tzinfo=UTC)),
        (0, timedelta(milliseconds=5), START + timedelta(milliseconds=5)),
    ],
)
def test_advance_counts_calendar_months(months: int, by: timedelta, expected: datetime) -> None:
    """A step is calendar months and then a duration."""
    clock = SteppingClock(START)

    assert expected == clock.advance(by, months=months) == clock.now()


@pytest.mark.parametrize("step", [{"by": timedelta(seconds=-1)}, {"months": -1}])
def test_no_step_backwards(step: dict[str, timedelta | int]) -> None:
    """Nothing turns time back."""
    clock = SteppingClock(START)

    with pytest.raises(ValueError, match="forward"):
        clock.advance(**step)  # type: ignore[arg-type]  # a table's values


def test_naive_start_is_refused() -> None:
    """A time without a zone names no instant."""
    with pytest.raises(ValueError, match="aware"):
        SteppingClock(START.replace(tzinfo=None))
