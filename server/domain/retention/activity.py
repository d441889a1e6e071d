"""The days on which somebody was first and last heard of: what retention counts from (S11, S12)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from server.domain.change import Kind, Table
from server.domain.errors import InvalidArgumentError, TimeInFutureError, Violation
from server.domain.values import CLOCK_SKEW, InvalidValueError, Role, past_time

EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
"""No chatbot is older; what claims to be is a mistake of units or of a missing value."""


@dataclass(frozen=True, slots=True)
class Activity:
    """The first and the last day on which a subject interacted, in one life of it.

    Shapes:
        id, subject: the subject's id, `tenant/reference`.
        first_date, last_date: `YYYY-MM-DD` in the tenant's time zone.
    """

    id: str
    tenant: str
    subject: str
    generation: int
    version: int
    first_date: str
    last_date: str

    def including(self, day: str) -> Activity:
        """Return this activity with *day* in it: an older one never moves the last day back."""
        return replace(
            self, first_date=min(self.first_date, day), last_date=max(self.last_date, day)
        )


def interactions(role: Role) -> Table:
    """Return the table of the activities of subjects of *role*."""
    return Table(Kind.INTERACTIONS, role)


def last_day(activity: Activity | None, generation: int) -> str:
    """Return the last day of *activity* if it belongs to the life *generation*, else ""."""
    return activity.last_date if activity is not None and activity.generation == generation else ""


def day_of(
    time: datetime | None, zone: str, now: datetime, *, field: str = "interaction_time"
) -> str:
    """Return the day of an interaction at *time* (None: now) in *zone*, never a future one.

    *field* is where the caller gave the time.

    Raises:
        TimeInFutureError: it is later than clocks may differ.
        InvalidArgumentError: it is too long ago to be true.
    """
    if time is None:
        time = now
    try:
        past_time(time, now=now, skew=CLOCK_SKEW)
    except InvalidValueError as error:
        raise TimeInFutureError((Violation(field, str(error)),)) from None
    if time < EARLIEST:
        raise InvalidArgumentError((Violation(field, f"must not be before {EARLIEST:%Y-%m-%d}"),))
    return min(time, now).astimezone(ZoneInfo(zone)).date().isoformat()
