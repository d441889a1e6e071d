"""Each check is needed: a verifier that leaves it out misses what the harness makes."""

from __future__ import annotations

from typing import Any

import pytest

from privacyrights.audit import Finding
from privacyrights.audit.findings import Findings
from tests.audit.broken import BROKEN
from tests.audit.kinds import KINDS
from tests.audit.stories import Kind, story_of
from tests.audit.verifying import found

STORIES = 20


def unseen(kind: Kind) -> int:
    """Return how many mutations of *kind* the harness would complain of."""
    given = (kind(story_of(seed)) for seed in range(STORIES))
    return sum(not found(one) & one.among for one in given)


@pytest.mark.parametrize("name", BROKEN)
def test_check_is_needed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the check left out, some mutations go unseen that are seen with it."""
    broken = BROKEN[name]
    assert 0 == unseen(KINDS[broken.kind])

    monkeypatch.setattr(broken.place, broken.name, broken.instead)

    assert 0 < unseen(KINDS[broken.kind])


# Without it, a note that is missing is one that is malformed.
@pytest.mark.parametrize("finding", [one for one in Finding if one is not Finding.NOTE_MISSING])
def test_finding_is_needed(finding: Finding, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of every other name there is, some mutations are found by it alone."""
    add = Findings.add

    def add_others(self: Findings, made: Finding, *where: Any) -> None:
        if made is not finding:
            add(self, made, *where)

    monkeypatch.setattr(Findings, "add", add_others)

    given = (kind(story_of(seed)) for seed in range(8) for kind in KINDS.values())
    assert any(not found(one) for one in given if finding in one.among)
