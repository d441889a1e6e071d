"""Periods in calendar months, against a table worked out by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain.periods import add_months, end_of_period, newest_ended, start_of_day

MONTHS = [
    ("2026-03-05", 1, "2026-04-05"),  # EDPB Guidelines 01/2022: an ordinary date
    ("2026-08-31", 1, "2026-09-30"),  # EDPB Guidelines 01/2022: a shorter month
    ("2026-01-31", 1, "2026-02-28"),
    ("2028-01-31", 1, "2028-02-29"),  # a leap year
    ("2026-01-28", 1, "2026-02-28"),
    ("2026-12-31", 2, "2027-02-28"),
    ("2026-12-15", 1, "2027-01-15"),  # across the year
    ("2024-02-29", 12, "2025-02-28"),
    ("2024-02-29", 24, "2026-02-28"),  # S12
    ("2024-02-29", 36, "2027-02-28"),  # S11
    ("2024-02-29", 48, "2028-02-29"),
    ("2023-02-28", 12, "2024-02-28"),  # the date, not "the end of the month"
    ("2026-06-30", 24, "2028-06-30"),
    ("2096-02-29", 48, "2100-02-28"),  # 2100 is no leap year
    ("2026-05-31", 0, "2026-05-31"),
    ("2026-03-31", -1, "2026-02-28"),
    ("2026-01-15", -1, "2025-12-15"),
]

# day, months, zone, and the instant at which the period is over
ENDS = [
    # Both sides of UTC, and UTC itself.
    ("2026-03-05", 1, "UTC", "2026-04-06T00:00"),
    ("2026-12-31", 24, "UTC", "2029-01-01T00:00"),
    ("2026-01-10", 24, "Asia/Tokyo", "2028-01-10T15:00"),  # +9
    ("2026-01-10", 24, "America/New_York", "2028-01-11T05:00"),  # -5
    ("2026-06-10", 1, "Pacific/Kiritimati", "2026-07-10T10:00"),  # +14, the earliest
    ("2026-06-10", 1, "Pacific/Pago_Pago", "2026-07-11T11:00"),  # -11, the latest
    ("2026-06-10", 1, "Asia/Kathmandu", "2026-07-10T18:15"),  # +5:45
    # The offset is that of the end, not of the beginning.
    ("2026-01-15", 6, "Europe/Paris", "2026-07-15T22:00"),
    ("2026-07-15", 6, "Europe/Paris", "2027-01-15T23:00"),
    # The last day has 23 hours, then 25.
    ("2026-02-28", 1, "Europe/Paris", "2026-03-28T23:00"),
    ("2026-02-27", 1, "Europe/Paris", "2026-03-27T23:00"),
    ("2026-01-29", 2, "Europe/Paris", "2026-03-29T22:00"),
    ("2026-09-25", 1, "Europe/Paris", "2026-10-25T23:00"),
    # The next day begins at 1 o'clock, since its midnight is skipped.
    ("2018-10-03", 1, "America/Sao_Paulo", "2018-11-04T03:00"),
    ("2026-02-28", 1, "Asia/Beirut", "2026-03-28T22:00"),
    ("2026-02-07", 1, "America/Havana", "2026-03-08T05:00"),
    # Clocks go back from midnight to 23 o'clock: the last hour of the day comes twice.
    ("2018-01-17", 1, "America/Sao_Paulo", "2018-02-18T03:00"),
    # Clocks go back from 1 o'clock to midnight: the day is over at the first midnight.
    ("2026-09-30", 1, "America/Havana", "2026-10-31T04:00"),
    ("2026-09-01", 2, "America/Havana", "2026-11-02T05:00"),
    # Clocks went back from 0:01 to 23:01: the old day returned, and ended at the second midnight.
    ("2010-10-06", 1, "America/St_Johns", "2010-11-07T03:30"),
    # Clocks jumped from 23:30 to 0:30: the day was over at 23:30.
    ("1919-02-28", 1, "America/Toronto", "1919-03-29T05:00"),
    ("1919-01-30", 2, "America/Toronto", "1919-03-31T04:30"),
    # 30 December 2011 doesn't exist in Samoa: it and the day before end together.
    ("2011-11-29", 1, "Pacific/Apia", "2011-12-30T10:00"),
    ("2011-11-30", 1, "Pacific/Apia", "2011-12-30T10:00"),
]

ZONES = [
    "UTC",
    "Europe/Paris",
    "America/Havana",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Pacific/Apia",
    "Pacific/Kiritimati",
    "Asia/Beirut",
]


@pytest.mark.parametrize(("day", "months", "expected"), MONTHS)
def test_month_arithmetic(day: str, months: int, expected: str) -> None:
    """A period ends on the same date, or on the last of the month (Reg. 1182/71 Art. 3(2)(c))."""

    assert date.fromisoformat(expected) == add_months(date.fromisoformat(day), months)


@pytest.mark.parametrize(("day", "months", "zone", "expected"), ENDS)
def test_end_is_when_the_next_day_begins(day: str, months: int, zone: str, expected: str) -> None:
    """A period lasts to the last moment of its last date on the clocks of the place."""

    ended = end_of_period(date.fromisoformat(day), months, zone)

    assert datetime.fromisoformat(expected).replace(tzinfo=UTC) == ended


@given(
    day=st.dates(date(1990, 1, 1), date(2040, 1, 1)),
    months=st.integers(0, 40),
    zone=st.sampled_from(ZONES),
    offset=st.timedeltas(timedelta(days=-3), timedelta(days=3)),
)
def test_newest_ended_is_the_inverse(day: date, months: int, zone: str, offset: timedelta) -> None:
    """A period has ended exactly if it runs from the newest day that has ended, or an older one."""
    end = end_of_period(day, months, zone)
    for now in (end + offset, end, end - timedelta(milliseconds=1)):
        assert (end <= now) == (day <= newest_ended(now, months, zone))


@given(day=st.dates(date(1890, 1, 1), date(2040, 1, 1)), zone=st.sampled_from(ZONES))
def test_a_day_begins_for_good(day: date, zone: str) -> None:
    """The day before a day's beginning is over then, and not a moment earlier."""
    begin = start_of_day(day, zone)

    assert begin.astimezone(ZoneInfo(zone)).date() >= day
    assert (begin - timedelta(microseconds=1)).astimezone(ZoneInfo(zone)).date() < day


def test_a_naive_midnight_is_caught() -> None:
    """The table catches an end taken from the first midnight, or from one that never was."""

    def broken(day: date, months: int, zone: str) -> datetime:
        midnight = datetime.combine(
            add_months(day, months) + timedelta(days=1), datetime.min.time()
        )
        return midnight.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)

    wrong = {
        zone
        for day, months, zone, expected in ENDS
        if broken(date.fromisoformat(day), months, zone)
        != datetime.fromisoformat(expected).replace(tzinfo=UTC)
    }

    assert {"America/St_Johns", "America/Toronto"} == wrong
