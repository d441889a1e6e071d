"""The course of a request: which steps the law allows, and how it may end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain.errors import (
    ControllerNotAuthorisedError,
    DomainError,
    IdentityNotVerifiedError,
    IllegalTransitionError,
)
from server.domain.rights.request import (
    OPEN,
    STORE,
    Identity,
    Result,
    RightsRequest,
    State,
    Step,
    due_time,
    first_state,
)
from server.domain.rights.terms import (
    Assurance,
    Ending,
    Ground,
    IdentityMethod,
    Right,
    may_be_refused_on,
)
from server.domain.values import Role

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
LOGIN = Identity(Assurance.SUBSTANTIAL, IdentityMethod.PLATFORM_LOGIN)
DONE = Result(STORE, Ending.CONFIRMED, NOW)

Taken = Callable[[RightsRequest], RightsRequest]

STEPS: dict[Step, Taken] = {
    Step.ATTEST: lambda request: request.attested(LOGIN, time=NOW),
    Step.AUTHORISE: lambda request: request.authorised(time=NOW, by=b"sealed", instruction=None),
    Step.EXECUTE: lambda request: request.executed((DONE,), time=NOW),
    Step.REFUSE: lambda request: request.refused(Ground.EXCESSIVE, explanation=None, time=NOW),
    Step.WITHDRAW: lambda request: request.withdrawn(time=NOW),
}

# Written down by hand from the contract, and not read from the table that is tested.
LEGAL = {
    (State.AWAITING_IDENTITY, Step.ATTEST),
    (State.AWAITING_IDENTITY, Step.REFUSE),
    (State.AWAITING_IDENTITY, Step.WITHDRAW),
    (State.AWAITING_CONTROLLER, Step.AUTHORISE),
    (State.AWAITING_CONTROLLER, Step.REFUSE),
    (State.AWAITING_CONTROLLER, Step.WITHDRAW),
    (State.IN_PROGRESS, Step.EXECUTE),
    (State.IN_PROGRESS, Step.REFUSE),
    (State.IN_PROGRESS, Step.WITHDRAW),
}
FINAL = {
    State.COMPLETED,
    State.PARTIALLY_COMPLETED,
    State.REFUSED,
    State.WITHDRAWN,
    State.EXPIRED,
}


def request(**fields: Any) -> RightsRequest:
    """Return an access request of an end-user; *fields* override."""
    given: dict[str, Any] = {
        "id": "acme/p0",
        "tenant": "acme",
        "version": 1,
        "role": Role.PROCESSOR,
        "subject": "acme/reference",
        "generation": 1,
        "right": Right.ACCESS,
        "state": State.AWAITING_IDENTITY,
        "receive_time": NOW,
        "create_time": NOW,
        "due_time": NOW,
        **fields,
    }
    return RightsRequest(**given)


def is_taken(step: Taken, state: State) -> bool:
    """Tell whether *step* is taken from *state*."""
    try:
        step(request(state=state))
    except DomainError:
        return False
    return True


def accepted(steps: dict[Step, Taken]) -> set[tuple[State, Step]]:
    """Return the pairs of state and step that are accepted."""
    return {(state, step) for state, step in product(State, steps) if is_taken(steps[step], state)}


def test_only_legal_steps_are_taken() -> None:
    """Every step is taken from the states that the contract allows, and from no other."""

    assert LEGAL == accepted(STEPS)


def test_broken_table_would_be_noticed() -> None:
    """A step that asks for nothing, as after a forgotten check, is caught by the test above."""

    def careless(found: RightsRequest) -> RightsRequest:
        return replace(found, state=State.WITHDRAWN, end_time=NOW)

    assert LEGAL != accepted({**STEPS, Step.WITHDRAW: careless})


@pytest.mark.parametrize("state", sorted(FINAL))
def test_illegal_transition_tells_the_state(state: State) -> None:
    """What has ended takes no step, and the refusal says how it had ended."""

    with pytest.raises(IllegalTransitionError) as refused:
        request(state=state).withdrawn(time=NOW)

    assert {"state": state.value} == refused.value.metadata


@pytest.mark.parametrize(
    ("state", "error"),
    [
        (State.AWAITING_IDENTITY, IdentityNotVerifiedError),
        (State.AWAITING_CONTROLLER, ControllerNotAuthorisedError),
        (State.COMPLETED, IllegalTransitionError),
    ],
)
def test_execution_says_what_is_missing(state: State, error: type[DomainError]) -> None:
    """Whoever executes too early is told what to do first."""

    with pytest.raises(error):
        request(state=state).require(Step.EXECUTE)


@pytest.mark.parametrize(
    ("role", "identity", "state"),
    [
        (Role.CONTROLLER, None, State.AWAITING_IDENTITY),
        (Role.PROCESSOR, None, State.AWAITING_IDENTITY),
        (Role.CONTROLLER, LOGIN, State.IN_PROGRESS),
        (Role.PROCESSOR, LOGIN, State.AWAITING_CONTROLLER),
    ],
)
def test_tenant_decides_about_its_end_users(
    role: Role, identity: Identity | None, state: State
) -> None:
    """Once verified, a request waits for the tenant exactly where the tenant is the controller."""

    assert state is first_state(role, identity)
    assert identity is None or state is request(role=role).attested(identity, time=NOW).state


@pytest.mark.parametrize(
    ("endings", "state"),
    [
        ((Ending.CONFIRMED,), State.COMPLETED),
        ((Ending.CONFIRMED, Ending.CONFIRMED), State.COMPLETED),
        *(
            ((Ending.CONFIRMED, ending), State.PARTIALLY_COMPLETED)
            for ending in set(Ending) - {Ending.CONFIRMED}
        ),
        ((), State.PARTIALLY_COMPLETED),
    ],
)
def test_complete_means_everywhere(endings: Sequence[Ending], state: State) -> None:
    """A request is complete when every place confirmed, and there was one; else partially."""

    results = [Result("store", ending, NOW) for ending in endings]

    assert state is request(state=State.IN_PROGRESS).executed(results, time=NOW).state


@given(st.sampled_from(Role), st.lists(st.sampled_from(sorted(STEPS)), max_size=12))
def test_no_course_leads_out_of_an_end(role: Role, steps: list[Step]) -> None:
    """Whatever is tried in whatever order: ends stay, and each step is one version more."""

    found = request(role=role)
    for step in steps:
        before = found
        try:
            found = STEPS[step](found)
        except DomainError:
            continue
        assert before.state in OPEN
        assert before.version + 1 == found.version
        assert (found.end_time is None) == (found.state in OPEN)


@pytest.mark.parametrize(
    ("received", "zone", "due"),
    [
        # The month of the same date, until the end of that day on the tenant's clocks.
        ("2026-03-02T09:00Z", "Europe/Paris", "2026-04-02T22:00Z"),
        ("2026-03-02T09:00Z", "UTC", "2026-04-03T00:00Z"),
        # Late in the evening in Paris it is still the day; in Tokyo it is the next.
        ("2026-03-31T21:59Z", "Europe/Paris", "2026-04-30T22:00Z"),
        ("2026-03-31T22:01Z", "Europe/Paris", "2026-05-01T22:00Z"),
        ("2026-03-31T15:00Z", "Asia/Tokyo", "2026-05-01T15:00Z"),
        # There is no 31 February: the month's last day, also of a leap year.
        ("2026-01-31T12:00Z", "Europe/Paris", "2026-02-28T23:00Z"),
        ("2028-01-31T12:00Z", "Europe/Paris", "2028-02-29T23:00Z"),
        # Across the change of clocks: the day ends by the clocks of then.
        ("2026-02-28T12:00Z", "America/New_York", "2026-03-29T04:00Z"),
        ("2026-12-31T23:30Z", "UTC", "2027-02-01T00:00Z"),
    ],
)
def test_due_one_month_after_receipt(received: str, zone: str, due: str) -> None:
    """Art. 12(3), worked out by hand: one calendar month from receipt, on the tenant's clocks."""

    assert datetime.fromisoformat(due) == due_time(datetime.fromisoformat(received), zone)


def test_thirty_days_would_be_noticed() -> None:
    """A clock that counts 30 days instead of a month differs in the table above."""

    received = datetime.fromisoformat("2026-01-31T12:00Z")

    assert due_time(received, "UTC") != received + timedelta(days=30)


@pytest.mark.parametrize("right", Right)
def test_grounds_fit_rights(right: Right) -> None:
    """A ground that the law offers against one right is no ground against another."""

    grounds = {ground for ground in Ground if may_be_refused_on(ground, right)}

    assert {Ground.MANIFESTLY_UNFOUNDED, Ground.EXCESSIVE, Ground.NOT_IDENTIFIABLE} <= grounds
    assert (right is Right.OBJECTION) == (Ground.COMPELLING_LEGITIMATE_GROUNDS in grounds)
    assert (right is Right.ERASURE) == (Ground.FREEDOM_OF_EXPRESSION in grounds)
    assert (right in (Right.ACCESS, Right.PORTABILITY)) == (Ground.RIGHTS_OF_OTHERS in grounds)
