"""What directives come to when one takes precedence over another: the table, row by row."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from server.domain.directives import directive as module
from server.domain.directives.activation import says_otherwise
from server.domain.directives.carrying_out import is_fulfilled
from server.domain.directives.directive import Action, Directive, Effect, State, effects
from server.domain.rights.request import Cause, Identity, Result, RightsRequest
from server.domain.rights.request import State as RequestState
from server.domain.rights.terms import Assurance, Ending, IdentityMethod, Right
from server.domain.values import Role

NOW = datetime(2026, 3, 2, tzinfo=UTC)
ALL = frozenset("abc")
KEEP, ERASE, TELL = Action.KEEP, Action.ERASE, Action.COMMUNICATE


def directive(number: int, action: Action, categories: str) -> Directive:
    """Return the directive with a *number*, which was recorded that much later."""
    time = NOW + timedelta(hours=number)
    return Directive(
        id=f"acme/c{number}",
        tenant="acme",
        version=1,
        role=Role.CONTROLLER,
        subject="acme/ref",
        generation=1,
        action=action,
        categories=tuple(categories),
        state=State.STANDING,
        create_time=time,
        update_time=time,
        identity=Identity(Assurance.HIGH, IdentityMethod.PLATFORM_LOGIN),
    )


TABLE = [
    # What stands, in the order of recording, and what each comes to: None is nothing, "" all.
    pytest.param([(ERASE, "")], [""], id="a general one is about everything"),
    pytest.param([(ERASE, ""), (KEEP, "a")], ["bc", "a"], id="particular before general"),
    pytest.param([(KEEP, "a"), (ERASE, "")], ["a", "bc"], id="also if it is the earlier one"),
    pytest.param([(KEEP, ""), (ERASE, "a")], ["bc", "a"], id="an erasure before a general keep"),
    pytest.param([(ERASE, "ab"), (KEEP, "b")], ["a", "b"], id="of two the later one"),
    pytest.param([(KEEP, "b"), (ERASE, "ab")], [None, "ab"], id="which may leave nothing"),
    pytest.param([(ERASE, ""), (KEEP, "abc")], [None, "abc"], id="of a general one, too"),
    pytest.param([(ERASE, ""), (ERASE, "a")], ["", "a"], id="the same twice takes nothing away"),
    pytest.param([(ERASE, ""), (TELL, "a")], ["", "a"], id="told, then erased"),
    pytest.param([(TELL, ""), (KEEP, "a")], ["", "a"], id="told, and kept"),
    pytest.param([(TELL, "ab"), (TELL, "b")], ["a", "b"], id="of two readers the later one"),
]


def come_to(wanted: list[tuple[Action, str]]) -> list[str | None]:
    """Return the categories of each, None for one that is overruled."""
    standing = tuple(directive(number, *each) for number, each in enumerate(wanted))
    found = effects(standing, ALL)
    by_id = {each.directive.id: "".join(sorted(each.categories)) for each in found.effects}
    assert {each.id for each in standing} == {*by_id, *(each.id for each in found.overruled)}
    return [by_id.get(each.id) for each in standing]


@pytest.mark.parametrize(("wanted", "expected"), TABLE)
def test_precedence(wanted: list[tuple[Action, str]], expected: list[str | None]) -> None:
    """Each row of the table holds."""
    assert expected == come_to(wanted)


def test_communicating_comes_first() -> None:
    """What is to be communicated and erased is communicated first."""
    found = effects((directive(1, ERASE, ""), directive(2, TELL, "a")), ALL)

    assert [TELL, ERASE] == [each.directive.action for each in found.effects]


def test_table_catches_first_come_first_served(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variant in which the earlier of two wins fails the table."""

    def earliest(directives: list[Directive]) -> dict[str, Directive]:
        held: dict[str, Directive] = {}
        for each in directives:
            for id in each.categories:
                held.setdefault(id, each)
        return held

    monkeypatch.setattr(module, "_holding", earliest)

    assert ["a", "b"] != come_to([(ERASE, "ab"), (KEEP, "b")])


def request(right: Right, categories: str = "") -> RightsRequest:
    """Return an open request."""
    return RightsRequest(
        id="acme/c9",
        tenant="acme",
        version=1,
        role=Role.CONTROLLER,
        subject="acme/ref",
        generation=1,
        right=right,
        state=RequestState.IN_PROGRESS,
        receive_time=NOW,
        create_time=NOW,
        due_time=NOW,
        categories=tuple(categories),
    )


@pytest.mark.parametrize(
    ("action", "about", "right", "categories", "expected"),
    [
        (ERASE, "", Right.ACCESS, "", True),
        (ERASE, "", Right.ERASURE, "", False),
        (ERASE, "", Right.OBJECTION, "", False),
        (ERASE, "a", Right.ACCESS, "b", False),
        (ERASE, "a", Right.ACCESS, "ab", True),
        (TELL, "a", Right.ERASURE, "", True),
        (TELL, "a", Right.ERASURE, "b", False),
        (TELL, "", Right.RESTRICTION, "", True),
        (TELL, "", Right.ACCESS, "", False),
        *((KEEP, "", right, "", False) for right in Right),
    ],
)
def test_what_says_otherwise(
    action: Action, about: str, right: Right, categories: str, *, expected: bool
) -> None:
    """ERASE and COMMUNICATE end requests that want otherwise of the same data; KEEP ends none."""
    effect = Effect(directive(1, action, about), frozenset(about))

    assert expected == says_otherwise(request(right, categories), effect)


def result(ending: Ending) -> Result:
    """Return what became of a request in our own store."""
    return Result("holders/store", ending, NOW)


def test_directive_is_carried_out_only_when_all_is_done() -> None:
    """Not by a request that ended without some confirmation, or because the life ended first."""
    open_one = request(Right.ERASURE)
    done = open_one.executed([result(Ending.CONFIRMED)], time=NOW)
    missing = open_one.executed([result(Ending.FAILED)], time=NOW)
    too_late = replace(open_one, right=Right.COMMUNICATION).executed(
        [result(Ending.CONFIRMED)], time=NOW, cause=Cause.SUBJECT_ERASED
    )
    told = replace(too_late, export="e1", export_expire_time=NOW)

    assert [True, False, False, True] == [
        is_fulfilled(each) for each in (done, missing, too_late, told)
    ]
