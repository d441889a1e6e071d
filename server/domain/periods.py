"""Periods counted in calendar months, as the law counts them.

The day of the event isn't counted; a period of months ends with the last moment of the
same date *n* months later, or of that month's last day if the date doesn't occur there
(Regulation (EEC, Euratom) 1182/71, Art. 3(1) and 3(2)(c); EDPB Guidelines 01/2022 on the
right of access apply it to Art. 12(3)). Art. 3(4) would let a period that ends on a weekend
or a public holiday run to the next working day. It isn't applied: holidays differ from place
to place, and ending earlier errs on the side of the person.
"""

from __future__ import annotations

from bisect import bisect_left
from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)
_INSTANT = timedelta(microseconds=1)


def add_months(day: date, months: int) -> date:
    """Return the same date *months* later, or that month's last day if it has no such date.

    Raises:
        ValueError: the result lies outside the years 1 to 9999.
    """
    years, month = divmod(day.month - 1 + months, 12)
    year, month = day.year + years, month + 1
    return date(year, month, min(day.day, _last_day(year, month)))


def end_of_period(day: date, months: int, zone: str) -> datetime:
    """Return when the period of *months* that runs from *day* is over, for somebody in *zone*.

    That is the instant, in UTC, at which the day after its last date begins: what is due
    "until the end of the period" is on time before it, and late at it.

    Raises:
        ValueError: *zone* isn't an IANA time zone, or the result lies beyond the year 9999.
    """
    return start_of_day(add_months(day, months) + _DAY, zone)


def newest_ended(now: datetime, months: int, zone: str) -> date:
    """Return the newest day from which a period of *months* has run out at *now*.

    The inverse of `end_of_period`, so that a query can ask for all anchors up to a date:
    `day <= newest_ended(now, months, zone)` exactly when `end_of_period(day, months, zone) <= now`.
    """
    # A day can only be over if the next has begun for good: at the very repeat of a
    # midnight the wall clock alone would say so an hour early.
    today = now.astimezone(ZoneInfo(zone)).date()
    last = today - _DAY if start_of_day(today, zone) <= now else today - 2 * _DAY
    newest = add_months(last, -months)
    if last.day == _last_day(last.year, last.month):
        # Longer months end here too: periods from 29, 30 and 31 January end on 28 February.
        return newest.replace(day=_last_day(newest.year, newest.month))
    return newest


def start_of_day(day: date, zone: str) -> datetime:
    """Return the instant, in UTC, at which *day* begins for good on the clocks of *zone*."""
    place = ZoneInfo(zone)
    midnight = datetime.combine(day, time(), tzinfo=place)
    first, second = midnight.astimezone(UTC), midnight.replace(fold=1).astimezone(UTC)
    if first < second:
        # Clocks were put back across or to midnight, which comes twice. If the old day returned
        # in between, it ended with the second (St. John's until 2011); else with the first.
        returned = (second - _INSTANT).astimezone(place).date() < day
        return second if returned else first
    if first > second:
        # Clocks jumped over midnight: the day began with the jump, which lies between what
        # the offset after it and the offset before it make of a midnight that never was.
        seconds = range(int(second.timestamp()), int(first.timestamp()) + 1)
        index = bisect_left(seconds, day, key=lambda at: datetime.fromtimestamp(at, place).date())
        return datetime.fromtimestamp(seconds[index], UTC)
    return first


def _last_day(year: int, month: int) -> int:
    return monthrange(year, month)[1]
