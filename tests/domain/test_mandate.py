"""Mandates: what instructions given and taken back amount to, and how a revocation ends."""

from __future__ import annotations

from datetime import timedelta

import pytest

from server.domain.catalogue.mandate import Revocation, no_mandate
from server.domain.values import Role
from tests.domain.subjects import NOW

SETTLING = timedelta(hours=1)


def test_a_period_lasts_as_long_as_any_instruction_stands() -> None:
    """A further instruction continues the period; the first after none begins another (S6)."""
    first = no_mandate("acme", "history").given("a")
    both = first.given("b")
    one = both.taken_back("a")
    none = one.taken_back("b")
    again = none.given("c")

    assert [1, 1, 1, 1, 2] == [each.period for each in (first, both, one, none, again)]
    assert [True, True, True, False, True] == [
        each.stands for each in (first, both, one, none, again)
    ]
    assert [1, 2, 3, 4, 5] == [each.version for each in (first, both, one, none, again)]


@pytest.mark.parametrize(
    ("after", "spared_before", "spared", "over"),
    [
        (timedelta(0), False, False, False),
        (SETTLING, False, False, False),
        (SETTLING + timedelta(milliseconds=1), False, False, True),
        (SETTLING + timedelta(milliseconds=1), True, False, False),
        (SETTLING + timedelta(milliseconds=1), False, True, False),
    ],
)
def test_a_revocation_ends_when_all_is_settled_and_nobody_spared(
    after: timedelta, *, spared_before: bool, spared: bool, over: bool
) -> None:
    """Until then it is looked again, from the beginning."""
    walking = Revocation("acme/n1", "acme", 1, Role.PROCESSOR, "history", 1, NOW, NOW).walked(
        "acme/x", spared=spared_before
    )

    done = walking.finished(spared=spared, now=NOW + after, settling=SETTLING)

    assert (None if over else NOW + after + SETTLING) == done.due_time
    assert ("", False, 3) == (done.position, done.spared, done.version)
