"""Consent states: what a sequence of decisions amounts to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from server.domain.consent.consent import ConsentDecision, applied, takes_effect
from server.domain.ledger import Entry
from server.domain.subject import Choice, ConsentState, Subject
from tests.domain.subjects import NOW, person, state

ENTRY = Entry(
    id="acme/new",
    tenant="acme",
    type="consent.granted",
    time=NOW,
    actor="a",
    rpc="ConsentService/RecordConsent",
    partition=0,
)

Decides = Callable[[ConsentDecision, ConsentState | None], bool]


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
        **fields,
    }
    return ConsentDecision(**given)


def is_withdrawal_final(decides: Decides, minutes: list[int]) -> bool:
    """Tell whether no grant made at one of *minutes* before a withdrawal undoes it."""
    withdrawn = state(Choice.WITHDRAWN)
    return not any(
        decides(decision(Choice.GRANTED, NOW - timedelta(minutes=minute)), withdrawn)
        for minute in minutes
    )


@given(st.lists(st.integers(min_value=0, max_value=10_000)))
def test_older_grants_never_undo_a_withdrawal(minutes: list[int]) -> None:
    """Whenever they arrive, grants from before a withdrawal don't make it allowed again."""

    assert is_withdrawal_final(takes_effect, minutes)


def test_last_write_wins_would_be_caught() -> None:
    """The rule "whatever arrives last holds" fails the test above."""

    assert not is_withdrawal_final(lambda _decision, _before: True, [5])


@given(st.integers(min_value=-10_000, max_value=10_000))
def test_withdrawals_always_take_effect(minutes: int) -> None:
    """A withdrawal holds even if its time is before the grant's: the error favours the person."""

    late = decision(Choice.WITHDRAWN, NOW + timedelta(minutes=minutes))

    assert takes_effect(late, state(Choice.GRANTED))


def test_newer_grant_follows_a_withdrawal() -> None:
    """Whoever said no may say yes later."""

    assert takes_effect(decision(Choice.GRANTED, NOW + timedelta(seconds=1)), state(Choice.REFUSED))


def test_decision_becomes_the_state() -> None:
    """The subject moves on by one version, with the decision and its entry."""

    after: Subject = applied(person(), decision(Choice.GRANTED), ENTRY)

    assert (2, "acme/new") == (after.version, after.entry)
    assert ("acme/new-decision", "acme/new") == (
        after.consents["customise"].decision,
        after.consents["customise"].entry,
    )


def test_ineffective_decision_still_moves_the_subject() -> None:
    """A late grant is recorded – version and entry move – and changes no state."""
    before = person(consents={"customise": state(Choice.WITHDRAWN)})

    after = applied(before, decision(Choice.GRANTED, NOW - timedelta(days=1)), ENTRY)

    assert before.consents == after.consents
    assert (2, "acme/new") == (after.version, after.entry)
