"""When somebody's data is due, against a table worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain.catalogue.catalogue import Anchor, RetentionRule
from server.domain.errors import InvalidArgumentError, TimeInFutureError
from server.domain.retention.activity import Activity, day_of, last_day
from server.domain.retention.retention import (
    Candidates,
    ChatbotUse,
    Counted,
    Whom,
    candidates,
    counted_from,
    cutoff_date,
    due_time,
    explained,
    use_of,
)
from server.domain.tenants import Chatbot
from server.domain.values import Role

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)

END_USERS = RetentionRule(
    id="end_users",
    role=Role.PROCESSOR,
    months=24,
    anchor=Anchor.LAST_INTERACTION,
    reason="the policy",
    version=1,
)
USERS = replace(
    END_USERS,
    id="users",
    role=Role.CONTROLLER,
    months=36,
    anchor=Anchor.TENANT_CHATBOTS_ELSE_CONNECTION,
)

# rule, last day, zone, and the first moment (UTC) at which destruction is due
DUE = [
    (END_USERS, "2024-03-05", "UTC", "2026-03-06T00:00"),
    (END_USERS, "2024-03-05", "Europe/Paris", "2026-03-05T23:00"),
    (END_USERS, "2024-02-29", "Europe/Paris", "2026-02-28T23:00"),  # no such day in 2026
    (END_USERS, "2022-02-28", "Europe/Paris", "2024-02-28T23:00"),  # and the 29th is not waited for
    (END_USERS, "2026-02-28", "Europe/Paris", "2028-02-28T23:00"),
    (END_USERS, "2026-02-28", "America/New_York", "2028-02-29T05:00"),
    (END_USERS, "2024-12-31", "Europe/Paris", "2026-12-31T23:00"),  # the last day of a year
    (END_USERS, "2024-08-31", "Asia/Tokyo", "2026-08-31T15:00"),
    (END_USERS, "2024-03-29", "Europe/Paris", "2026-03-29T22:00"),  # its last day has 23 hours
    (END_USERS, "2024-10-25", "Europe/Paris", "2026-10-25T23:00"),  # and here 25
    (END_USERS, "2024-06-10", "Pacific/Kiritimati", "2026-06-10T10:00"),
    (END_USERS, "2024-06-10", "Pacific/Pago_Pago", "2026-06-11T11:00"),
    (USERS, "2023-03-02", "UTC", "2026-03-03T00:00"),
    (USERS, "2024-02-29", "Europe/Paris", "2027-02-28T23:00"),
    (USERS, "2025-02-28", "Europe/Paris", "2028-02-28T23:00"),
    (USERS, "2023-12-31", "Europe/Paris", "2026-12-31T23:00"),
    (USERS, "2021-05-31", "America/New_York", "2024-06-01T04:00"),
]


@pytest.mark.parametrize(("rule", "day", "zone", "due"), DUE)
def test_due_from_the_day_after_the_last(
    rule: RetentionRule, day: str, zone: str, due: str
) -> None:
    """The last day of the period isn't due; the next one is, from its first moment in the zone."""
    first = datetime.fromisoformat(due).replace(tzinfo=UTC)

    assert first == due_time(rule, day, zone)
    assert day > cutoff_date(rule, first - timedelta(milliseconds=1), zone)
    assert day <= cutoff_date(rule, first, zone)


@given(
    st.dates(date(2000, 1, 1), date(2060, 1, 1)),
    st.datetimes(datetime(2024, 1, 1), datetime(2090, 1, 1)),  # noqa: DTZ001 – made aware below
    st.sampled_from(["UTC", "Europe/Paris", "America/Sao_Paulo", "Pacific/Apia"]),
    st.sampled_from([END_USERS, USERS]),
)
def test_plan_and_explanation_agree(
    day: date, now: datetime, zone: str, rule: RetentionRule
) -> None:
    """A sweep finds somebody exactly from the moment on that `GetRetention` has told."""
    moment = now.replace(tzinfo=UTC)
    text = day.isoformat()

    assert (due_time(rule, text, zone) <= moment) == (text <= cutoff_date(rule, moment, zone))


# the person's own last day; of the chatbots that exist and of the deleted ones: what counts
COUNTED = [
    ("2024-05-01", ChatbotUse(), "2024-05-01"),  # no chatbot, or none was ever used
    ("", ChatbotUse(), ""),  # never guessed
    ("2024-05-01", ChatbotUse("2024-01-01", ""), "2024-01-01"),  # the chatbots', also if earlier
    ("2024-05-01", ChatbotUse("2025-01-01", ""), "2025-01-01"),
    ("", ChatbotUse("2025-01-01", ""), "2025-01-01"),
    ("2024-05-01", ChatbotUse("2024-01-01", "2024-02-02"), "2024-02-02"),  # deleted ones count on
    ("2024-05-01", ChatbotUse("2024-01-01", "2023-02-02"), "2024-01-01"),
    ("2024-05-01", ChatbotUse("", "2024-02-02"), "2024-05-01"),  # all deleted: the later one
    ("2024-05-01", ChatbotUse("", "2024-08-08"), "2024-08-08"),
    ("", ChatbotUse("", "2024-08-08"), ""),  # the later of the two isn't known
]


@pytest.mark.parametrize(("own", "use", "day"), COUNTED)
def test_users_are_counted_from_their_chatbots(own: str, use: ChatbotUse, day: str) -> None:
    """S11: the last interaction of any chatbot if one was ever used, else the connection."""
    assert day == counted_from(Anchor.TENANT_CHATBOTS_ELSE_CONNECTION, own, use).day


@pytest.mark.parametrize(("own", "use", "_day"), COUNTED)
def test_end_users_are_counted_from_themselves(own: str, use: ChatbotUse, _day: str) -> None:
    """S12: whatever else happened with the tenant's chatbots."""
    assert own == counted_from(Anchor.LAST_INTERACTION, own, use).day


_days = st.sampled_from(["", "2023-06-01", "2024-01-01", "2024-06-01", "2025-01-01"])


@given(_days, _days, _days, st.sampled_from(["2023-12-31", "2024-01-01", "2026-01-01"]))
def test_candidates_are_exactly_who_is_due(
    own: str, present: str, deleted: str, cutoff: str
) -> None:
    """Looking for many at once finds whom looking at each would: nobody more, nobody less."""
    for anchor in Anchor:
        use = ChatbotUse(present, deleted)
        day = counted_from(anchor, own, use).day
        is_found = {
            Candidates.NOBODY: False,
            Candidates.EVERYBODY: True,
            Candidates.INACTIVE: bool(own) and own <= cutoff,
        }[candidates(anchor, use, cutoff)]

        assert (bool(day) and day <= cutoff) == is_found


def test_use_of_chatbots_tells_deleted_ones_apart() -> None:
    """The last day of those that exist, and of those that don't any more."""
    bot = Chatbot("acme/a", "acme", 1, "a", "A", NOW, "2024-01-01")
    unused = replace(bot, id="acme/b", last_interaction_date="")
    gone = replace(bot, id="acme/c", last_interaction_date="2025-01-01", delete_time=NOW)

    assert ChatbotUse("2024-01-01", "2025-01-01") == use_of([unused, bot, gone])
    assert ChatbotUse() == use_of([])


@pytest.mark.parametrize(
    ("time", "zone", "day"),
    [
        ("2026-03-01T23:30+00:00", "UTC", "2026-03-01"),
        ("2026-03-01T23:30+00:00", "Europe/Paris", "2026-03-02"),
        ("2026-03-01T23:30+00:00", "America/New_York", "2026-03-01"),
        ("2024-02-29T23:30+00:00", "Asia/Tokyo", "2024-03-01"),
        ("1990-01-01T00:00+00:00", "America/New_York", "1989-12-31"),
    ],
)
def test_day_is_the_tenants(time: str, zone: str, day: str) -> None:
    """An interaction belongs to the day that it was where the tenant is."""
    assert day == day_of(datetime.fromisoformat(time), zone, NOW)


def test_day_is_never_a_future_one() -> None:
    """A caller's clock may be a little ahead; the day that is kept has come, all the same."""
    now = datetime(2026, 3, 1, 23, 59, 30, tzinfo=UTC)

    assert "2026-03-01" == day_of(now + timedelta(seconds=60), "UTC", now)
    assert "2026-03-01" == day_of(None, "UTC", now)


def test_impossible_times_are_refused() -> None:
    """What lies in the future, or before there were chatbots, is a caller's mistake."""
    with pytest.raises(TimeInFutureError):
        day_of(NOW + timedelta(seconds=61), "UTC", NOW)
    with pytest.raises(InvalidArgumentError):
        day_of(datetime(1, 1, 1, tzinfo=UTC), "America/New_York", NOW)


def test_older_interaction_moves_nothing_back() -> None:
    """The last day only moves forward, and the first one only back."""
    activity = Activity("acme/r", "acme", "acme/r", 1, 1, "2024-01-01", "2024-01-01")

    wider = activity.including("2025-01-01").including("2023-01-01")

    assert ("2023-01-01", "2025-01-01") == (wider.first_date, wider.last_date)
    assert wider == wider.including("2024-06-01")


def test_activity_of_an_earlier_life_does_not_count() -> None:
    """Whoever was erased and came back is not judged by what was before."""
    activity = Activity("acme/r", "acme", "acme/r", 1, 1, "2024-01-01", "2024-01-01")

    assert "2024-01-01" == last_day(activity, 1)
    assert "" == last_day(activity, 2)
    assert "" == last_day(None, 1)


def test_explanation_tells_all_of_it() -> None:
    """A person reads the day, the rule, the period, the end and what will happen."""
    counted = Counted("2024-02-29", "the last interaction")

    found = explained(END_USERS, counted, "Europe/Paris", Whom("r", 1, is_restricted=False))

    assert (
        "retentionRules/end_users keeps the data for 24 calendar months from 2024-02-29, the day "
        "of the last interaction: until the end of 2026-02-28 in Europe/Paris. "
        "From 2026-03-01 on, the next sweep destroys it."
    ) == found.explanation
    assert datetime(2026, 3, 1, tzinfo=ZoneInfo("Europe/Paris")) == found.due_time


def test_explanation_of_what_is_not_known() -> None:
    """Without a day there is no due time, and the sentence says why."""
    found = explained(END_USERS, Counted("", ""), "UTC", Whom("r", 1, is_restricted=False))

    assert ("", None) == (found.anchor_date, found.due_time)
    assert "nothing is guessed" in found.explanation


def test_explanation_names_a_restriction() -> None:
    """Art. 18: what is restricted isn't destroyed, and that is said."""
    counted = Counted("2024-02-29", "the last interaction")

    found = explained(END_USERS, counted, "UTC", Whom("r", 1, is_restricted=True))

    assert "skips it while its processing is restricted" in found.explanation
