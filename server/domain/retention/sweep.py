"""A sweep: whom it would destroy, by counts and a hash; then what became of each of them.

The plan itself is kept in slices, a list of references each. A slice is taken away together
with the counts of what became of those in it, so that every planned subject is counted
exactly once, whoever works on the sweep and however often that is interrupted.
"""

from __future__ import annotations

import hashlib
import heapq
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from server.domain.change import Kind, Table
from server.domain.values import Role

if TYPE_CHECKING:
    from server.domain.catalogue.catalogue import RetentionRule

SLICE = 500
"""Subjects in one slice: progress is reported, and survives, after each."""

SAMPLE = 20
"""Most references that a plan shows."""


class SweepState(StrEnum):
    """Where a sweep stands."""

    PLANNED = "planned"
    RUNNING = "running"
    COMPLETED = "completed"
    PARTIALLY_COMPLETED = "partially_completed"


class Fate(StrEnum):
    """What became of one planned subject."""

    DESTROYED = "destroyed"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class TenantCount:
    """How many of one tenant's people are concerned.

    `cutoff_date` is the newest day from which the period was over when it was planned,
    `time_zone` the tenant's at that time.
    """

    tenant: str
    time_zone: str
    cutoff_date: str
    due: int
    destroyed: int = 0
    skipped: int = 0
    failed: int = 0

    def with_fates(self, fates: Counter[Fate]) -> TenantCount:
        """Return the counts with those of a slice."""
        return replace(
            self,
            destroyed=self.destroyed + fates[Fate.DESTROYED],
            skipped=self.skipped + fates[Fate.SKIPPED],
            failed=self.failed + fates[Fate.FAILED],
        )


@dataclass(frozen=True, slots=True)
class Sweep:
    """A sweep, from plan to end. The platform's: it can reach across tenants, never across roles.

    Shapes:
        only_tenant: the one tenant it is about, or "".
        sample: up to 20 ids (`tenant/reference`) of subjects that are due.
        unanchored: subjects without an anchor, who are not judged.
        counts: tenants that have somebody who is due, and the one tenant that it is about.
    """

    id: str
    tenant: str
    version: int
    role: Role
    only_tenant: str
    rule: str
    rule_version: int
    months: int
    state: SweepState
    plan_time: datetime
    plan_hash: str
    sample: tuple[str, ...]
    unanchored: int
    counts: tuple[TenantCount, ...]
    end_time: datetime | None = None

    @property
    def name(self) -> str:
        """The resource name."""
        return f"sweeps/{self.id}"

    @property
    def due(self) -> int:
        """How many are planned."""
        return sum(count.due for count in self.counts)

    @property
    def destroyed(self) -> int:
        """How many were destroyed."""
        return sum(count.destroyed for count in self.counts)

    @property
    def skipped(self) -> int:
        """How many were spared: not due any more, restricted, or gone already."""
        return sum(count.skipped for count in self.counts)

    @property
    def failed(self) -> int:
        """How many could not be destroyed; they are still due."""
        return sum(count.failed for count in self.counts)

    @property
    def remaining(self) -> int:
        """How many have not been looked at yet."""
        return self.due - self.destroyed - self.skipped - self.failed

    def largest(self, most: int) -> Sequence[TenantCount]:
        """Return the counts of the *most* tenants for which most is due, in their order."""
        if len(self.counts) <= most:
            return self.counts
        kept = {count.tenant for count in heapq.nlargest(most, self.counts, key=_due)}
        return [count for count in self.counts if count.tenant in kept]

    @property
    def is_ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.end_time is not None

    def of_tenant(self, tenant: str) -> TenantCount | None:
        """Return the counts of *tenant*, or None if nobody of it was planned."""
        return next((count for count in self.counts if count.tenant == tenant), None)

    def started(self, now: datetime) -> Sweep:
        """Return the sweep as it begins; one that concerns nobody ends at once."""
        running = replace(self, version=self.version + 1, state=SweepState.RUNNING)
        return _ended_if_done(running, now)

    def with_fates(self, tenant: str, fates: Counter[Fate], now: datetime) -> Sweep:
        """Return the sweep after a slice of *tenant*; the last one ends it."""
        counts = tuple(
            count.with_fates(fates) if count.tenant == tenant else count for count in self.counts
        )
        return _ended_if_done(replace(self, version=self.version + 1, counts=counts), now)


def _due(count: TenantCount) -> int:
    return count.due


def _ended_if_done(sweep: Sweep, now: datetime) -> Sweep:
    if sweep.remaining:
        return sweep
    state = SweepState.PARTIALLY_COMPLETED if sweep.failed else SweepState.COMPLETED
    return replace(sweep, state=state, end_time=now)


@dataclass(frozen=True, slots=True)
class SweepSlice:
    """Some subjects of one tenant that a sweep has still to look at.

    Shapes:
        id: `tenant/sweep/number`, the number in 6 digits, from 0.
        generations: reference → the life that was planned to end, in the plan's order.
    """

    id: str
    tenant: str
    version: int
    sweep: str
    generations: dict[str, int]


def sweeps(role: Role) -> Table:
    """Return the table of the sweeps of *role*."""
    return Table(Kind.SWEEPS, role)


def slices(role: Role) -> Table:
    """Return the table of the slices of sweeps of *role*."""
    return Table(Kind.SWEEP_SLICES, role)


def slice_id(tenant: str, sweep: str, number: int) -> str:
    """Return the id of a slice."""
    return f"{tenant}/{sweep}/{number:06d}"


def slice_ids(sweep: Sweep) -> Iterator[tuple[str, str]]:
    """Yield tenant and id of each slice that *sweep* had when it was planned."""
    for count in sweep.counts:
        for number in range(-(-count.due // SLICE)):
            yield count.tenant, slice_id(count.tenant, sweep.id, number)


def _reference(subject: str) -> str:
    return subject.partition("/")[2]


class PlanTally:
    """Counts and digests a plan while it streams by; it holds no more than the sample of it.

    References are keyed hashes, so that the smallest ones are a fair sample, and the same one
    for the same plan.
    """

    def __init__(self, sweep: str, rule: RetentionRule, plan_time: datetime) -> None:
        """Begin the plan of the sweep with the id *sweep*, under *rule* as of *plan_time*."""
        self.sweep = sweep
        self.rule = rule
        self.plan_time = plan_time
        self.counts: list[TenantCount] = []
        self.unanchored = 0
        self._digest = hashlib.sha256()
        self._sample: list[str] = []

    def add(self, tenant: str, planned: dict[str, int]) -> None:
        """Add some subjects of *tenant*: reference → generation."""
        for reference, generation in planned.items():
            self._digest.update(f"{tenant}/{reference}/{generation}\n".encode())
        more = (f"{tenant}/{reference}" for reference in planned)
        self._sample = heapq.nsmallest(SAMPLE, (*self._sample, *more), key=_reference)

    @property
    def sample(self) -> tuple[str, ...]:
        """The sample so far."""
        return tuple(self._sample)

    def hash(self, only_tenant: str) -> str:
        """Return SHA-256 of the plan in a canonical form: 64 hexadecimal digits.

        It covers the rule with its version, each tenant's cutoff and count, and who is due in
        which life: a plan made again of the same state has the same hash.
        """
        rule = self.rule
        plan = {
            "format": 1,
            "role": rule.role,
            "tenant": only_tenant,
            "rule": [rule.id, rule.version, rule.months, rule.anchor],
            "counts": [[count.tenant, count.cutoff_date, count.due] for count in self.counts],
            "subjects": self._digest.hexdigest(),
        }
        canonical = json.dumps(plan, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()
