"""Consent states: what a sequence of decisions amounts to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain.catalogue.catalogue import Catalogue, PolicyVersion
from server.domain.consent.consent import (
    ConsentDecision,
    NewDecision,
    ParentalAuthority,
    Shown,
    applied,
    require_grantable,
    state_after,
)
from server.domain.errors import ParentalAuthorityRequiredError, PolicyVersionNotInForceError
from server.domain.subject import Choice, ConsentState, Subject
from server.domain.values import Role, SubjectId
from tests.domain.subjects import NOW, catalogue, person, purpose, state

Folds = Callable[[ConsentState | None, ConsentDecision], ConsentState]


def decision(choice: Choice, decision_time: datetime = NOW, **fields: Any) -> ConsentDecision:
    """Return a decision on the purpose `customise`; *fields* override."""
    given: dict[str, Any] = {
        "id": "acme/new-decision",
        "tenant": "acme",
        "subject": "acme/reference",
        "generation": 1,
        "number": 2,
        "purpose": "customise",
        "purpose_version": 1,
        "choice": choice,
        "decision_time": decision_time,
        "record_time": NOW,
        "entry": "acme/new",
        **fields,
    }
    return ConsentDecision(**given)


CHOICES = st.sampled_from(Choice)
TIMES = st.integers(min_value=-10_000, max_value=0).map(lambda minute: timedelta(minutes=minute))
HISTORIES = st.lists(st.tuples(CHOICES, TIMES), min_size=1, max_size=8)


def is_allowed_wrongly(fold: Folds, history: list[tuple[Choice, timedelta]]) -> bool:
    """Tell whether *history*, in order of arrival, ends allowed though a later "no" is known."""
    now: ConsentState | None = None
    for choice, time in history:
        now = fold(now, decision(choice, NOW + time))
    newest_no = max(
        (time for choice, time in history if choice is not Choice.GRANTED), default=None
    )
    newest_yes = max((time for choice, time in history if choice is Choice.GRANTED), default=None)
    if now is None or now.choice is not Choice.GRANTED or newest_no is None:
        return False
    return newest_yes is None or newest_yes <= newest_no


@given(HISTORIES)
def test_no_older_grant_outlives_a_later_no(history: list[tuple[Choice, timedelta]]) -> None:
    """In whatever order decisions arrive, the newest being a "no" means not allowed."""

    assert not is_allowed_wrongly(state_after, history)


def test_last_arrival_wins_would_be_caught() -> None:
    """The rule "whatever arrives last holds" fails the check above."""

    def last_wins(_: ConsentState | None, new: ConsentDecision) -> ConsentState:
        return state_after(None, new)

    late = [(Choice.WITHDRAWN, timedelta(0)), (Choice.GRANTED, timedelta(minutes=-5))]
    assert is_allowed_wrongly(last_wins, late)


def test_time_that_goes_back_would_be_caught() -> None:
    """A late withdrawal that turns the state's time back lets an older grant in."""

    def forgetful(before: ConsentState | None, new: ConsentDecision) -> ConsentState:
        after = state_after(before, new)
        return replace(after, time=new.decision_time) if after is not before else after

    late = [
        (Choice.WITHDRAWN, timedelta(0)),
        (Choice.WITHDRAWN, timedelta(days=-6)),
        (Choice.GRANTED, timedelta(days=-5)),
    ]
    assert is_allowed_wrongly(forgetful, late)
    assert not is_allowed_wrongly(state_after, late)


@given(TIMES)
def test_withdrawals_always_take_effect(time: timedelta) -> None:
    """A withdrawal holds even if its time is before the grant's: the error favours the person."""

    found = state_after(state(Choice.GRANTED), decision(Choice.WITHDRAWN, NOW + time))

    assert Choice.WITHDRAWN is found.choice


def test_older_grant_replaces_no_newer_one() -> None:
    """What was agreed to last – for a time, say – isn't replaced by what was agreed to before."""
    limited = state(Choice.GRANTED, expire_time=NOW + timedelta(seconds=4))

    found = state_after(limited, decision(Choice.GRANTED, NOW - timedelta(days=30)))

    assert limited == found


def test_newer_grant_follows_a_withdrawal() -> None:
    """Whoever said no may say yes later."""

    later = decision(Choice.GRANTED, NOW + timedelta(seconds=1))

    assert Choice.GRANTED is state_after(state(Choice.REFUSED), later).choice


def test_decision_becomes_the_state() -> None:
    """The subject moves on by one version, with the decision and its entry."""

    after: Subject = applied(person(), decision(Choice.GRANTED))

    assert (2, "acme/new") == (after.version, after.entry)
    assert ("acme/new-decision", "acme/new") == (
        after.consents["customise"].decision,
        after.consents["customise"].entry,
    )


def test_ineffective_decision_still_moves_the_subject() -> None:
    """A late grant is recorded – version and entry move – and changes no state."""
    before = person(consents={"customise": state(Choice.WITHDRAWN)})

    after = applied(before, decision(Choice.GRANTED, NOW - timedelta(days=1)))

    assert before.consents == after.consents
    assert (2, "acme/new") == (after.version, after.entry)


POLICY = PolicyVersion("2026-03-01", (), NOW - timedelta(days=1))
VERSIONED: Catalogue = replace(catalogue(), policy_versions={POLICY.id: POLICY})


def reported(decision_time: datetime | None) -> NewDecision:
    """Return a grant made at *decision_time*, with the text and policy of `VERSIONED` shown."""
    who = SubjectId(Role.PROCESSOR, "acme", "ada")
    shown = Shown(POLICY.id, "0" * 64, "en")
    return NewDecision(who, "customise", Choice.GRANTED, shown, decision_time=decision_time)


@pytest.mark.parametrize("decision_time", [None, NOW, POLICY.effective_time])
def test_a_policy_in_force_can_be_agreed_to(decision_time: datetime | None) -> None:
    """A grant names the policy version that was in force when the person decided (S15)."""

    require_grantable(reported(decision_time), purpose(), VERSIONED, NOW)


@pytest.mark.parametrize(
    ("decision_time", "now"),
    [
        (POLICY.effective_time - timedelta(milliseconds=1), NOW),
        (None, POLICY.effective_time - timedelta(milliseconds=1)),
        # A caller's clock that is ahead of ours doesn't bring the version into force.
        (POLICY.effective_time, POLICY.effective_time - timedelta(milliseconds=1)),
    ],
)
def test_nobody_agreed_to_a_policy_of_a_day_to_come(
    decision_time: datetime | None, now: datetime
) -> None:
    """What wasn't in force when the person decided can't be what was shown (S15)."""

    with pytest.raises(PolicyVersionNotInForceError):
        require_grantable(reported(decision_time), purpose(), VERSIONED, now)


@pytest.mark.parametrize(
    "authority",
    [
        None,
        ParentalAuthority(subject_is_child=False, authorised=False),
        ParentalAuthority(subject_is_child=True, authorised=True),
    ],
)
def test_grown_ups_and_children_with_authority_may_agree(
    authority: ParentalAuthority | None,
) -> None:
    """Art. 8 asks for the holder of responsibility where a child agrees, and nowhere else."""

    given = replace(reported(None), parental_authority=authority)
    require_grantable(given, purpose(), VERSIONED, NOW)


def test_no_child_agrees_alone() -> None:
    """Art. 8(1): without the holder of parental responsibility a child's grant is none."""
    alone = ParentalAuthority(subject_is_child=True, authorised=False)

    with pytest.raises(ParentalAuthorityRequiredError):
        require_grantable(
            replace(reported(None), parental_authority=alone), purpose(), VERSIONED, NOW
        )
