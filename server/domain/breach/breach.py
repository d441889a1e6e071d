"""A personal-data breach and the notices of it: what they say, and which steps they allow."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from server.domain.change import Kind, Table
from server.domain.errors import BreachClosedError, InvalidArgumentError, Violation
from server.domain.values import InvalidValueError, Role

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from server.domain.catalogue.catalogue import Category

BREACHES = Table(Kind.BREACHES)

AUTHORITY_PERIOD = timedelta(hours=72)
"""From awareness to the notification of the authority, at the latest (Art. 33(1))."""

MAX_TENANTS = 1000
"""Most tenants that one report reaches: its notices are made in one transaction, or not at all."""

MAX_MEASURES = 200
"""Most measures that one breach takes, so that each of its versions fits into a document."""


class BreachKind(StrEnum):
    """What was hurt (EDPB Guidelines 9/2022)."""

    CONFIDENTIALITY = "confidentiality"
    INTEGRITY = "integrity"
    AVAILABILITY = "availability"


class BreachState(StrEnum):
    """Where a breach stands."""

    OPEN = "open"
    CLOSED = "closed"


class RiskLevel(StrEnum):
    """How likely and how bad the harm to people is (Art. 33(1), 34(1))."""

    UNLIKELY = "unlikely"
    RISK = "risk"
    HIGH = "high"


class Phase(StrEnum):
    """What a measure is for."""

    CONTAINMENT = "containment"
    INVESTIGATION = "investigation"
    MITIGATION = "mitigation"
    REMEDIATION = "remediation"


@dataclass(frozen=True, slots=True)
class Timeline:
    """When it began, was discovered, and when we became aware that personal data is concerned.

    Raises:
        InvalidValueError: it would have been discovered before it began.
    """

    awareness_time: datetime
    start_time: datetime | None = None
    discovery_time: datetime | None = None

    def __post_init__(self) -> None:
        """Hold the order."""
        if (
            self.start_time is not None
            and self.discovery_time is not None
            and self.discovery_time < self.start_time
        ):
            raise InvalidValueError("must not be earlier than start_time")


@dataclass(frozen=True, slots=True)
class Scope:
    """Whom and what a breach concerns; an empty part restricts nothing.

    Raises:
        InvalidValueError: every part is empty, something is named twice, or too many tenants.
    """

    tenants: tuple[str, ...] = ()
    roles: tuple[Role, ...] = ()
    categories: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Hold the rules of a scope."""
        if not (self.tenants or self.roles or self.categories):
            raise InvalidValueError("must name at least one tenant, role or category")
        if any(len(set(part)) != len(part) for part in (self.tenants, self.roles, self.categories)):
            raise InvalidValueError("must name no tenant, role or category twice")
        if len(self.tenants) > MAX_TENANTS:
            raise InvalidValueError(f"must not name more than {MAX_TENANTS} tenants")

    def regimes(self, categories: Sequence[Category]) -> tuple[Role, ...]:
        """Return the roles that the breach touches; *categories* are those of the scope.

        Raises:
            InvalidArgumentError: a category belongs to a role outside the scope.
        """
        within = self.roles or tuple(Role)
        if not categories:
            return within
        touched = {category.role for category in categories}
        if not touched <= set(within):
            rule = "must belong to the roles of the scope"
            raise InvalidArgumentError((Violation("breach.scope.categories", rule),))
        return tuple(role for role in within if role in touched)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a breach, in the same words for everybody (Art. 33(3)).

    Shapes:
        kinds: 1–3, all different.
        exercise: nothing has happened; the breach and all its notices say so.

    Raises:
        InvalidValueError: there are no kinds, or one of them twice.
    """

    kinds: tuple[BreachKind, ...]
    description: str
    timeline: Timeline
    exercise: bool = False
    cause: str = ""
    consequences: str = ""
    measures_summary: str = ""
    contact_point: str = ""

    def __post_init__(self) -> None:
        """Hold the number of kinds."""
        if not self.kinds or len(set(self.kinds)) != len(self.kinds):
            raise InvalidValueError("must name 1-3 different kinds")


@dataclass(frozen=True, slots=True)
class RiskAssessment:
    """How high the risk to people is, and why we think so."""

    level: RiskLevel
    reasoning: str
    assess_time: datetime


@dataclass(frozen=True, slots=True)
class Measure:
    """A step that was taken."""

    phase: Phase
    description: str
    measure_time: datetime


@dataclass(frozen=True, slots=True)
class Breach:
    """A breach, in one of its versions.

    Every version is also kept as a snapshot, which nothing ever changes: notices refer to it.

    Shapes:
        regimes: the roles that it touches.
        notice_count: notices made of it so far.
        tenant_count: tenants that it affects.
        affected_count: about how many of their people.
        update_time: when this version was made.
        is_snapshot: False for the one document that is replaced as more becomes known.
    """

    id: str
    tenant: str
    version: int
    facts: Facts
    scope: Scope
    state: BreachState
    create_time: datetime
    update_time: datetime
    notice_count: int
    regimes: tuple[Role, ...] = tuple(Role)
    tenant_count: int = 0
    affected_count: int = 0
    risk: RiskAssessment | None = None
    measures: tuple[Measure, ...] = ()
    close_time: datetime | None = None
    lessons: str = ""
    is_snapshot: bool = False

    @property
    def authority_due_time(self) -> datetime | None:
        """When the authority has to be told at the latest; None where we aren't controller.

        Counted from the very moment: up to an hour stricter than Regulation 1182/71, Art. 3(1).
        """
        if Role.CONTROLLER not in self.regimes:
            return None
        return self.facts.timeline.awareness_time + AUTHORITY_PERIOD

    def said(self) -> Mapping[str, object]:
        """Return what the ledger entry of this version commits to, and others of it as well."""
        return {
            "facts": self.facts,
            "scope": self.scope,
            "measure": self.measures[-1] if self.measures else None,
            "level": self.risk.level if self.risk else None,
            "reasoning": self.risk.reasoning if self.risk else "",
            "lessons": self.lessons,
        }

    def snapshot(self) -> Breach:
        """Return the copy that keeps this version for ever."""
        return replace(self, id=snapshot_id(self.id, self.version), is_snapshot=True)

    def with_measure(self, measure: Measure, *, now: datetime) -> Breach:
        """Return the next version, with *measure* taken.

        Raises:
            BreachClosedError: it is closed.
            InvalidArgumentError: it has as many as it takes.
        """
        following = replace(self._next(now), measures=(*self.measures, measure))
        if len(following.measures) > MAX_MEASURES:
            rule = f"must not be more than the {MAX_MEASURES} that a breach takes"
            raise InvalidArgumentError((Violation("measure", rule),))
        return following

    def assessed(self, risk: RiskAssessment) -> Breach:
        """Return the next version, with *risk* in place of the assessment before.

        Raises:
            BreachClosedError: it is closed.
        """
        return replace(self._next(risk.assess_time), risk=risk)

    def closed(self, *, lessons: str, time: datetime) -> Breach:
        """Return the last version, with what was learnt.

        Raises:
            BreachClosedError: it was closed before.
        """
        return replace(self._next(time), state=BreachState.CLOSED, lessons=lessons, close_time=time)

    def _next(self, now: datetime) -> Breach:
        if self.state is BreachState.CLOSED:
            raise BreachClosedError
        return replace(self, version=self.version + 1, update_time=now)


@dataclass(frozen=True, slots=True)
class Notice:
    """What one tenant is told: its own part; the facts are those of the version it refers to.

    So nothing of another tenant can be in it, and a thousand of them fit into one transaction.

    Shapes:
        id: `tenant/id`.
        affected_count: about how many of the tenant's people.
        sealed_acknowledger: who acknowledged it, which may be a name: under the tenant's key.
        supersedes: the id of an earlier notice, or "".
    """

    id: str
    tenant: str
    version: int
    breach: str
    breach_version: int
    role: Role
    affected_count: int
    create_time: datetime
    categories: tuple[str, ...] = ()
    is_acknowledged: bool = False
    acknowledge_time: datetime | None = None
    sealed_acknowledger: bytes = b""
    supersedes: str = ""

    @property
    def name(self) -> str:
        """The resource name."""
        return f"tenants/{self.tenant}/notices/{self.id.rpartition('/')[2]}"

    @property
    def authority_due_time(self) -> datetime | None:
        """When the tenant has to tell its own authority; None where it isn't controller.

        A controller is aware once its processor tells it (EDPB Guidelines 9/2022, 44).
        """
        return self.create_time + AUTHORITY_PERIOD if self.role is Role.PROCESSOR else None


def notices(role: Role) -> Table:
    """Return the table of the notices of *role*."""
    return Table(Kind.NOTICES, role)


def snapshot_id(breach: str, version: int) -> str:
    """Return the id of the snapshot that keeps *version* of *breach*."""
    return f"{breach}/{version:06d}"
