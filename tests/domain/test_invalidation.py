"""Which entries of the ledger make verdicts doubtful."""

from __future__ import annotations

import pytest

from server.domain.call import Call
from server.domain.consent.invalidation import Invalidation, invalidation
from server.domain.ledger import Entry, new_entry
from server.domain.values import Role
from tests.domain.subjects import NOW


class Ids:
    """Always the same id."""

    def new(self, role: Role | None = None) -> str:
        """Return it."""
        del role
        return "1"


def entry(type: str, tenant: str = "", subject: str = "", purpose: str = "") -> Entry:
    """Return an entry of the ledger."""
    call = Call("test", "")
    return new_entry(
        call, Ids(), tenant=tenant, type=type, time=NOW, subject=subject, purpose=purpose
    )


@pytest.mark.parametrize("done", ["applied", "scheduled", "withdrawn"])
def test_what_becomes_of_the_catalogue_makes_everything_doubtful(done: str) -> None:
    """Who kept a verdict before doesn't know when it ends, or that it doesn't."""
    assert Invalidation("", "", "", NOW) == invalidation(entry(f"catalogue.change_{done}"))


@pytest.mark.parametrize("done", ["proposed", "approved", "rejected"])
def test_what_is_only_thought_of_is_harmless(done: str) -> None:
    """Nothing unreviewed or unapplied takes effect (S17), and caches aren't bothered."""
    assert invalidation(entry(f"catalogue.change_{done}")) is None


def test_what_nobody_has_thought_of_is_doubted() -> None:
    """A kind of entry that is new makes doubtful all of whom it is about."""
    found = invalidation(entry("novelty.begun", "acme", "reference", "customise"))

    assert Invalidation("acme", "reference", "", NOW) == found


def test_a_decision_is_of_its_purpose_only() -> None:
    """What is decided on one purpose leaves the verdicts on the others as they were."""
    found = invalidation(entry("consent.withdrawn", "acme", "reference", "customise"))

    assert Invalidation("acme", "reference", "customise", NOW) == found
