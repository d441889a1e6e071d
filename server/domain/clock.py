"""The clocks: the system's, and one that only moves when it is told to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from time import time_ns

from server.domain.periods import add_months
from server.domain.values import milliseconds


class SystemClock:
    """The time of the machine."""

    def now(self) -> datetime:
        """Return the time: UTC, aware, whole milliseconds."""
        return datetime.fromtimestamp(time_ns() // 1_000_000 / 1_000, UTC)


class SteppingClock:
    """A clock that stands still until it is advanced, so that years pass in a test or the demo."""

    def __init__(self, start: datetime) -> None:
        """Stand at *start*, an aware time.

        Raises:
            ValueError: *start* is naive: it names no instant.
        """
        if start.tzinfo is None:
            raise ValueError("a clock needs an aware time")
        self._now = milliseconds(start.astimezone(UTC))

    def now(self) -> datetime:
        """Return the time it stands at: UTC, aware, whole milliseconds."""
        return self._now

    def advance(self, by: timedelta = timedelta(0), *, months: int = 0) -> datetime:
        """Move on by calendar *months*, then by a duration, and return the new time.

        Raises:
            ValueError: the step leads backwards, as time never does.
        """
        if by < timedelta(0) or months < 0:
            raise ValueError("a clock only goes forward")
        day = add_months(self._now.date(), months)
        self._now = milliseconds(datetime.combine(day, self._now.timetz()) + by)
        return self._now
