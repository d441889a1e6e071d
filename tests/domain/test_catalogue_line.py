"""The line of catalogues: in force at their moments, and never contradicting each other."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from server.domain.catalogue.catalogue import Anchor, Catalogue, Proposal, RetentionRule
from server.domain.catalogue.line import HEAD, Head, Scheduled, line_of
from server.domain.values import Role
from tests.domain.subjects import NOW, catalogue, purpose

DAY = timedelta(days=1)
RULE = RetentionRule("rule", Role.PROCESSOR, 24, Anchor.LAST_INTERACTION, "The policy")


def stored() -> Catalogue:
    """Return a catalogue with one purpose."""
    return replace(
        catalogue(), number=7, purposes={"customise": purpose()}, retention_rules={"rule": RULE}
    )


def reworded(change: str, days: int, upon: Catalogue) -> Scheduled:
    """Return a change of the purpose, proposed *upon* a catalogue, in so many days."""
    proposal = Proposal(purposes=(purpose(title=change),))
    return Scheduled(change, NOW + days * DAY, proposal, upon.bases(proposal))


def test_each_catalogue_is_in_force_from_its_moment_on() -> None:
    """At the moment itself the next one is, a millisecond before it is not (S17)."""
    base = stored()
    first = reworded("first", 1, base)
    line = line_of(Head(HEAD, "", 1, 7), base, [first, reworded("second", 2, first.follows(base))])

    moments = [NOW, first.effective_time - timedelta(milliseconds=1), first.effective_time]
    found = [line.at(moment).number for moment in (*moments, NOW + 3 * DAY)]

    assert [7, 7, 8, 9] == found
    assert ["first"] == [each.change for each in line.due(NOW + DAY)]


def test_a_purpose_changes_with_what_verdicts_on_it_rest_on() -> None:
    """It changes next when it, or a category of it, does; what concerns others is passed over."""
    base = stored()
    other = Proposal(purposes=(purpose(id="other"),))
    retiring = Proposal(retired_categories=("profile",))
    elsewhere = Scheduled("other", NOW + DAY, other, base.bases(other))
    of_category = Scheduled("category", NOW + 2 * DAY, retiring, base.bases(retiring))
    of_itself = reworded("itself", 3, base)
    line = line_of(Head(HEAD, "", 1, 7), base, [elsewhere, of_category, of_itself])

    found = [line.next_change_of("customise", NOW + day * DAY) for day in range(4)]

    assert [NOW + 2 * DAY, NOW + 2 * DAY, NOW + 3 * DAY, None] == found
    assert NOW + DAY == line.next_change_of("other", NOW)


def test_outdated_base_is_noticed() -> None:
    """What was proposed before another change of the same thing doesn't undo that unseen."""
    base = stored()
    first = reworded("first", 1, base)
    line = line_of(Head(HEAD, "", 1, 7), base, [first])
    outdated = reworded("second", 2, base)
    # As it was before bases were kept: the broken variant lets it through.
    forgetful = replace(outdated, bases={})

    assert "purposes/customise has changed" in (line.with_change(outdated)[1] or "")
    assert line.with_change(forgetful)[1] is None


def test_what_comes_before_a_scheduled_change_leaves_its_ground() -> None:
    """A change is held against all that is scheduled after it, and the refusal names that one."""
    base = stored()
    line = line_of(Head(HEAD, "", 1, 7), base, [reworded("later", 2, base)])

    _, problem = line.with_change(reworded("sooner", 1, base))

    assert problem is not None
    assert problem.startswith("catalogueChanges/later: ")
