"""What a breach may be, and what it allows, decided without a server."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from server.domain.breach.breach import (
    MAX_MEASURES,
    MAX_TENANTS,
    Breach,
    BreachKind,
    BreachState,
    Facts,
    Measure,
    Notice,
    Phase,
    RiskAssessment,
    RiskLevel,
    Scope,
    Timeline,
)
from server.domain.catalogue.catalogue import Category
from server.domain.errors import BreachClosedError, InvalidArgumentError
from server.domain.values import InvalidValueError, Role

AWARE = datetime(2026, 3, 27, 23, 30, tzinfo=UTC)
OWN = Category(id="account", role=Role.CONTROLLER, title="Account", fields=())
THEIRS = Category(id="profile", role=Role.PROCESSOR, title="Profile", fields=())
BOTH = (Role.CONTROLLER, Role.PROCESSOR)
MEASURE = Measure(Phase.CONTAINMENT, "Access was closed.", AWARE)


def facts(**fields: Any) -> Facts:
    """Return what is known of a breach; *fields* override."""
    given: dict[str, Any] = {
        "kinds": (BreachKind.INTEGRITY,),
        "description": "What happened.",
        "timeline": Timeline(AWARE),
        **fields,
    }
    return Facts(**given)


def breach(**fields: Any) -> Breach:
    """Return a breach as it was reported; *fields* override."""
    given: dict[str, Any] = {
        "id": "n1",
        "tenant": "",
        "version": 1,
        "facts": facts(),
        "scope": Scope(roles=(Role.PROCESSOR,)),
        "state": BreachState.OPEN,
        "create_time": AWARE,
        "update_time": AWARE,
        "notice_count": 0,
        **fields,
    }
    return Breach(**given)


def test_the_authority_is_due_in_72_hours() -> None:
    """The period is 72 hours by the clock, whatever the calendar or the time zone does."""

    # The clocks of most of the Union go forward within these three days.
    assert datetime(2026, 3, 30, 23, 30, tzinfo=UTC) == breach().authority_due_time


def test_where_we_are_processor_the_tenant_tells_its_authority() -> None:
    """Of a breach of the processor regime alone we tell no authority: its controllers do."""
    theirs = breach(regimes=(Role.PROCESSOR,))
    told = Notice("acme/p1", "acme", 1, "n1", 1, Role.PROCESSOR, 7, AWARE)

    assert theirs.authority_due_time is None
    assert AWARE + timedelta(hours=72) == told.authority_due_time
    assert replace(told, role=Role.CONTROLLER).authority_due_time is None


@pytest.mark.parametrize("later", [timedelta(0), timedelta(milliseconds=1), timedelta(days=400)])
def test_a_breach_may_be_discovered_when_or_after_it_began(later: timedelta) -> None:
    """Discovery is at the beginning or after it."""

    made = Timeline(AWARE, start_time=AWARE - later, discovery_time=AWARE)

    assert later == AWARE - (made.start_time or AWARE)


def test_nothing_is_discovered_before_it_began() -> None:
    """Such a timeline can't be built."""

    with pytest.raises(InvalidValueError):
        Timeline(AWARE, start_time=AWARE, discovery_time=AWARE - timedelta(milliseconds=1))


@pytest.mark.parametrize("kinds", [(), (BreachKind.INTEGRITY, BreachKind.INTEGRITY)])
def test_facts_name_different_kinds(kinds: tuple[BreachKind, ...]) -> None:
    """What was hurt is named, and once."""

    with pytest.raises(InvalidValueError):
        facts(kinds=kinds)


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"tenants": ("a", "a")},
        {"roles": (Role.PROCESSOR, Role.PROCESSOR)},
        {"categories": ("profile", "profile")},
        {"tenants": tuple(f"t{n}" for n in range(MAX_TENANTS + 1))},
    ],
)
def test_a_scope_names_something_and_nothing_twice(parts: dict[str, Any]) -> None:
    """A scope without limits, with repetitions or with too many tenants can't be built."""

    with pytest.raises(InvalidValueError):
        Scope(**parts)


@pytest.mark.parametrize(
    ("roles", "categories", "touched"),
    [
        ((), (), BOTH),
        ((Role.PROCESSOR,), (), (Role.PROCESSOR,)),
        ((), (THEIRS,), (Role.PROCESSOR,)),
        (BOTH, (OWN,), (Role.CONTROLLER,)),
        (BOTH, (OWN, THEIRS), BOTH),
        ((Role.CONTROLLER,), (OWN,), (Role.CONTROLLER,)),
    ],
)
def test_categories_tell_the_regimes(
    roles: tuple[Role, ...], categories: tuple[Category, ...], touched: tuple[Role, ...]
) -> None:
    """A regime is touched if it is in the scope and has one of its categories, if it has any."""
    scope = Scope(("acme",), roles, tuple(category.id for category in categories))

    assert touched == scope.regimes(categories)


def test_a_category_outside_the_roles_contradicts_them() -> None:
    """A scope of one regime that names a category of the other is a mistake of the reporter."""
    scope = Scope(roles=(Role.CONTROLLER,), categories=("account", "profile"))

    with pytest.raises(InvalidArgumentError):
        scope.regimes((OWN, THEIRS))


def test_every_step_adds_a_version() -> None:
    """Each step raises the version by one and leaves the rest of the breach as it was."""
    reported = breach()
    risk = RiskAssessment(RiskLevel.HIGH, "Because.", AWARE)

    measured = reported.with_measure(MEASURE, now=AWARE)
    assessed = measured.assessed(risk)
    closed = assessed.closed(lessons="Test backups.", time=AWARE)

    assert [2, 3, 4] == [measured.version, assessed.version, closed.version]
    assert closed == replace(
        reported,
        version=4,
        measures=(MEASURE,),
        risk=risk,
        state=BreachState.CLOSED,
        lessons="Test backups.",
        close_time=AWARE,
    )


def test_a_closed_breach_takes_no_step() -> None:
    """Its record is complete, also where another rule would refuse the step as well."""
    closed = breach(measures=(MEASURE,) * MAX_MEASURES).closed(lessons="Enough.", time=AWARE)

    with pytest.raises(BreachClosedError):
        closed.with_measure(MEASURE, now=AWARE)
    with pytest.raises(BreachClosedError):
        closed.assessed(RiskAssessment(RiskLevel.RISK, "Because.", AWARE))
    with pytest.raises(BreachClosedError):
        closed.closed(lessons="Again.", time=AWARE)


def test_measures_fit_into_a_document() -> None:
    """The last measure that fits is taken, the next is refused with the rule."""
    nearly = breach(measures=(MEASURE,) * (MAX_MEASURES - 1))

    full = nearly.with_measure(MEASURE, now=AWARE)

    with pytest.raises(InvalidArgumentError):
        full.with_measure(MEASURE, now=AWARE)


def test_a_snapshot_is_another_document() -> None:
    """A version is kept under an id of its own, so that the next one doesn't replace it."""
    reported = breach()

    kept = [reported.snapshot().id, reported.with_measure(MEASURE, now=AWARE).snapshot().id]

    assert ["n1/000001", "n1/000002"] == kept
    assert reported.snapshot().is_snapshot
    assert not reported.is_snapshot
