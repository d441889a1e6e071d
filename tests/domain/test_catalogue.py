"""The catalogue: what is in force, and what contradicts itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from server.domain.catalogue.catalogue import Anchor, PolicyVersion, RetentionRule
from server.domain.errors import PolicyVersionNotFoundError
from server.domain.values import Role
from tests.domain.subjects import NOW, catalogue, purpose

DAY = timedelta(days=1)
RULE = RetentionRule("rule", Role.PROCESSOR, 24, Anchor.LAST_INTERACTION, "The policy")


def test_policy_in_force_is_the_newest_that_has_begun() -> None:
    """Of the versions whose day has come, the last binds; one of a day to come does not (S15)."""
    versions = {
        version.id: version
        for version in (
            PolicyVersion("2026-01-01", (), NOW - 2 * DAY),
            PolicyVersion("2026-02-01", (), NOW),
            PolicyVersion("2026-04-01", (), NOW + DAY),
        )
    }
    found = replace(catalogue(), policy_versions=versions)

    assert "2026-02-01" == found.policy_version_in_force(NOW).id
    with pytest.raises(PolicyVersionNotFoundError):
        found.policy_version_in_force(NOW - 3 * DAY)


@pytest.mark.parametrize(("retired", "problems"), [(False, 1), (True, 0)])
def test_only_a_purpose_in_force_misses_a_retired_category(*, retired: bool, problems: int) -> None:
    """A category is retired together with its purposes, or after them, and never before."""
    profile = replace(catalogue().categories["profile"], retire_time=NOW)
    asked = purpose(retire_time=NOW if retired else None)
    found = replace(catalogue(), categories={"profile": profile}, retention_rules={"rule": RULE})

    assert problems == len(list(found.problems_of(asked, NOW)))
