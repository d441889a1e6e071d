"""What a plan's hash says, and how a sweep's counts add up."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

from server.domain.catalogue.catalogue import Anchor, RetentionRule
from server.domain.retention.sweep import Fate, PlanTally, Sweep, SweepState, TenantCount, slice_ids
from server.domain.values import Role

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)

END_USERS = RetentionRule(
    id="end_users",
    role=Role.PROCESSOR,
    months=24,
    anchor=Anchor.LAST_INTERACTION,
    reason="the policy",
    version=1,
)


def _hash(
    planned: dict[str, int], *, rule: RetentionRule = END_USERS, cutoff: str = "2024-03-01"
) -> str:
    tally = PlanTally("p0", rule, NOW)
    tally.add("acme", planned)
    tally.counts.append(TenantCount("acme", "UTC", cutoff, len(planned)))
    return tally.hash("")


def test_hash_is_that_of_the_plan() -> None:
    """The same plan has the same hash; another person, life, rule or day has another."""
    plan = {"a": 1, "b": 1}

    assert _hash(plan) == _hash(dict(plan))
    others = {
        _hash(plan),
        _hash({"a": 1, "c": 1}),
        _hash({"a": 1, "b": 2}),
        _hash({"a": 1}),
        _hash(plan, rule=replace(END_USERS, version=2)),
        _hash(plan, rule=replace(END_USERS, months=12)),
        _hash(plan, cutoff="2024-03-02"),
    }
    assert 7 == len(others)


def test_sample_is_bounded_and_repeatable() -> None:
    """A plan shows 20 references, the same ones in whatever slices they came."""
    references = [f"{number:04}" for number in range(100)]
    whole, parts = PlanTally("p0", END_USERS, NOW), PlanTally("p0", END_USERS, NOW)

    whole.add("acme", dict.fromkeys(references, 1))
    for reference in references:
        parts.add("acme", {reference: 1})

    expected = tuple(f"acme/{reference}" for reference in references[:20])
    assert expected == whole.sample == parts.sample
    whole.counts = parts.counts = [TenantCount("acme", "UTC", "2024-03-01", 100)]
    assert whole.hash("") == parts.hash("")


def _sweep(*due: int) -> Sweep:
    return Sweep(
        id="p0",
        tenant="",
        version=1,
        role=Role.PROCESSOR,
        only_tenant="",
        rule="end_users",
        rule_version=1,
        months=24,
        state=SweepState.PLANNED,
        plan_time=NOW,
        plan_hash="0" * 64,
        sample=(),
        unanchored=0,
        counts=tuple(
            TenantCount(f"t{index}", "UTC", "2024-03-01", number)
            for index, number in enumerate(due)
        ),
    )


def test_sweep_ends_when_everybody_is_counted() -> None:
    """It runs until the last slice, and is only partially completed if one failed."""
    running = _sweep(2, 1).started(NOW)
    half = running.with_fates("t0", Counter([Fate.DESTROYED, Fate.SKIPPED]), NOW)

    assert (SweepState.RUNNING, False) == (half.state, half.is_ended)
    assert SweepState.COMPLETED == half.with_fates("t1", Counter([Fate.DESTROYED]), NOW).state
    ended = half.with_fates("t1", Counter([Fate.FAILED]), NOW)
    assert SweepState.PARTIALLY_COMPLETED == ended.state
    assert (1, 1, 1) == (ended.destroyed, ended.skipped, ended.failed)


def test_sweep_of_nobody_ends_as_it_starts() -> None:
    """There is nothing to wait for."""
    assert SweepState.COMPLETED == _sweep().started(NOW).state


def test_slices_hold_everybody_planned() -> None:
    """500 to a slice, and what is left in a last one; tenants share none."""
    assert [
        ("t0", "t0/p0/000000"),
        ("t0", "t0/p0/000001"),
        ("t1", "t1/p0/000000"),
    ] == list(slice_ids(_sweep(501, 500)))
