"""The catalogue: why data is processed, which data that needs, and for how long it is kept.

A catalogue is one immutable value with a number. A change of it is a proposal that becomes the
next number when it is applied – after its legal review, and only if nothing in it contradicts
itself (S17).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from server.domain.catalogue.organisation import Organisation
from server.domain.change import Kind, Table
from server.domain.errors import (
    CategoryNotFoundError,
    OrganisationNotFoundError,
    PolicyVersionNotFoundError,
    PurposeNotFoundError,
    RetentionRuleNotFoundError,
)
from server.domain.values import Role

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CATALOGUES = Table(Kind.CATALOGUE)
TEXTS = Table(Kind.TEXTS)


class LegalBasis(StrEnum):
    """The bases of Art. 6(1), and for a processor the controller's instruction (Art. 28(3)(a))."""

    CONSENT = "consent"
    CONTRACT = "contract"
    LEGAL_OBLIGATION = "legal_obligation"
    VITAL_INTERESTS = "vital_interests"
    PUBLIC_TASK = "public_task"
    LEGITIMATE_INTERESTS = "legitimate_interests"
    CONTROLLER_INSTRUCTION = "controller_instruction"


class FieldType(StrEnum):
    """What the value of a record's field is."""

    STRING = "string"
    NUMBER = "number"
    BOOL = "bool"
    TIMESTAMP = "timestamp"
    JSON = "json"


class Anchor(StrEnum):
    """What a retention period is counted from (S11, S12)."""

    LAST_INTERACTION = "last_interaction"
    TENANT_CHATBOTS_ELSE_CONNECTION = "tenant_chatbots_else_connection"


@dataclass(frozen=True, slots=True)
class TextRef:
    """A published text: its language and the SHA-256 of its words, which are kept once."""

    locale: str
    digest: str


@dataclass(frozen=True, slots=True)
class PublishedText:
    """The words behind a digest; the id is the digest."""

    id: str
    tenant: str
    locale: str
    text: str


@dataclass(frozen=True, slots=True)
class Renewal:
    """From *time* on, consents to an earlier version than *version* need renewal."""

    time: datetime
    version: int


@dataclass(frozen=True, slots=True)
class Purpose:
    """Why data is processed; from `version` on, what is set when it is applied.

    `renewals` has each need for renewal that there ever was: a later one replaces none.
    """

    id: str
    role: Role
    title: str
    legal_basis: LegalBasis
    categories: tuple[str, ...]
    retention_rule: str
    texts: tuple[TextRef, ...] = ()
    dpv_term: str = ""
    direct_marketing: bool = False
    cookie: bool = False
    renewal_time: datetime | None = None
    legitimate_interest: str = ""
    version: int = 0
    effective_time: datetime | None = None
    retire_time: datetime | None = None
    renewals: tuple[Renewal, ...] = ()
    change: str = ""

    def is_retired(self, now: datetime) -> bool:
        """Whether it takes no new grants and no new data."""
        return self.retire_time is not None and self.retire_time <= now

    def needs_renewal(self, given: datetime, version: int, now: datetime) -> bool:
        """Whether a consent *given* to *version* no longer suffices at *now*.

        Who agreed to the new text before the date has renewed already.
        """
        return any(
            renewal.time <= now and given < renewal.time and version < renewal.version
            for renewal in self._renewals()
        )

    def _renewals(self) -> tuple[Renewal, ...]:
        if self.renewals or self.renewal_time is None:
            return self.renewals
        # Stored before each need was kept: all that is known is the last.
        return (Renewal(self.renewal_time, self.version + 1),)

    def following(self, before: Purpose | None, now: datetime, change: str) -> Purpose:
        """Return this purpose as the version after *before*, in force from *now* on."""
        version = before.version + 1 if before else 1
        renewals = before._renewals() if before else ()  # noqa: SLF001 – its own kind
        if self.renewal_time is not None:
            renewals = (*renewals, Renewal(self.renewal_time, version))
        return replace(
            self,
            version=version,
            effective_time=now,
            renewal_time=_later(before.renewal_time if before else None, self.renewal_time),
            renewals=renewals,
            change=change,
        )


@dataclass(frozen=True, slots=True)
class CategoryField:
    """One field that a record of a category may have; `max_bytes` of its value as JSON."""

    name: str
    type: FieldType
    max_bytes: int = 1024
    required: bool = False
    description: str = ""


@dataclass(frozen=True, slots=True)
class Category:
    """A kind of personal data, with the fields it may have and no others (S3)."""

    id: str
    role: Role
    title: str
    fields: tuple[CategoryField, ...]
    special_category: bool = False
    requires_instruction: bool = False
    provided_by_subject: bool = False
    dpv_term: str = ""
    version: int = 0
    effective_time: datetime | None = None
    retire_time: datetime | None = None
    change: str = ""


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """A version of the privacy policy; the id is its date, `YYYY-MM-DD` (S15)."""

    id: str
    texts: tuple[TextRef, ...]
    effective_time: datetime


@dataclass(frozen=True, slots=True)
class RetentionRule:
    """How long data is kept: calendar months from an anchor, and why."""

    id: str
    role: Role
    months: int
    anchor: Anchor
    reason: str
    tenant: str = ""
    category: str = ""
    purpose: str = ""
    ground: str = ""
    version: int = 0
    effective_time: datetime | None = None
    retire_time: datetime | None = None
    change: str = ""

    @property
    def is_general(self) -> bool:
        """Whether it holds for every tenant, category and purpose of its role, and still does."""
        return self.retire_time is None and not (self.tenant or self.category or self.purpose)


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a change adds, replaces or retires."""

    purposes: tuple[Purpose, ...] = ()
    categories: tuple[Category, ...] = ()
    policy_versions: tuple[PolicyVersion, ...] = ()
    retention_rules: tuple[RetentionRule, ...] = ()
    retired_purposes: tuple[str, ...] = ()
    retired_categories: tuple[str, ...] = ()
    texts: tuple[PublishedText, ...] = ()
    retired_retention_rules: tuple[str, ...] = ()
    organisation: Organisation | None = None

    def named(self) -> tuple[str, ...]:
        """Return the names of what it replaces or retires, if that is there."""
        return (
            *(f"purposes/{id}" for id in (*(p.id for p in self.purposes), *self.retired_purposes)),
            *(
                f"categories/{id}"
                for id in (*(c.id for c in self.categories), *self.retired_categories)
            ),
            *(
                f"retentionRules/{id}"
                for id in (*(r.id for r in self.retention_rules), *self.retired_retention_rules)
            ),
            *(("organisation",) if self.organisation else ()),
        )


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    """Return the later of two times of renewal: a need for it, once there, never goes away.

    A later version whose author thought only of a misspelling would otherwise bring back
    consents to a text that has materially changed since.
    """
    given = [time for time in (one, other) if time is not None]
    return max(given, default=None)


def id_of(number: int) -> str:
    """Return the id of the catalogue *number*: 12 digits, so that ids sort."""
    return f"{number:012d}"


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Everything in force at one time. The id is the number in 12 digits, so that ids sort."""

    id: str
    tenant: str
    number: int = 0
    effective_time: datetime | None = None
    purposes: dict[str, Purpose] = field(default_factory=dict[str, Purpose])
    categories: dict[str, Category] = field(default_factory=dict[str, Category])
    policy_versions: dict[str, PolicyVersion] = field(default_factory=dict[str, PolicyVersion])
    retention_rules: dict[str, RetentionRule] = field(default_factory=dict[str, RetentionRule])
    organisation: Organisation | None = None

    def the_organisation(self) -> Organisation:
        """Return who the platform is.

        Raises:
            OrganisationNotFoundError: the catalogue doesn't say yet.
        """
        if self.organisation is None:
            raise OrganisationNotFoundError
        return self.organisation

    def purpose(self, id: str) -> Purpose:
        """Return the purpose *id*.

        Raises:
            PurposeNotFoundError: there is none.
        """
        try:
            return self.purposes[id]
        except KeyError:
            raise PurposeNotFoundError from None

    def category(self, id: str) -> Category:
        """Return the category *id*.

        Raises:
            CategoryNotFoundError: there is none.
        """
        try:
            return self.categories[id]
        except KeyError:
            raise CategoryNotFoundError from None

    def policy_version(self, id: str) -> PolicyVersion:
        """Return the policy version of the date *id*.

        Raises:
            PolicyVersionNotFoundError: there is none.
        """
        try:
            return self.policy_versions[id]
        except KeyError:
            raise PolicyVersionNotFoundError from None

    def policy_version_in_force(self, now: datetime) -> PolicyVersion:
        """Return the newest policy version whose date has come.

        Raises:
            PolicyVersionNotFoundError: there is none.
        """
        begun = [v for v in self.policy_versions.values() if v.effective_time <= now]
        if not begun:
            raise PolicyVersionNotFoundError
        return max(begun, key=lambda version: version.id)

    def retention_rule(self, role: Role) -> RetentionRule:
        """Return the general retention rule of *role*: for every tenant, category and purpose.

        Raises:
            RetentionRuleNotFoundError: the catalogue has none.
        """
        for rule in self.retention_rules.values():
            if rule.role is role and rule.is_general:
                return rule
        raise RetentionRuleNotFoundError(role=role)

    def amended(self, proposal: Proposal, now: datetime, *, change: str = "") -> Catalogue:
        """Return the next catalogue: this one with *proposal* in effect from *now* on.

        *change* is the id of the change that brings it.
        """
        purposes = dict(self.purposes)
        for purpose in proposal.purposes:
            purposes[purpose.id] = purpose.following(purposes.get(purpose.id), now, change)
        categories = dict(self.categories)
        for category in proposal.categories:
            known = categories.get(category.id)
            version = known.version + 1 if known else 1
            categories[category.id] = replace(
                category, version=version, effective_time=now, change=change
            )
        rules = dict(self.retention_rules)
        for rule in proposal.retention_rules:
            old = rules.get(rule.id)
            version = old.version + 1 if old else 1
            rules[rule.id] = replace(rule, version=version, effective_time=now, change=change)
        for id in set(proposal.retired_purposes) & set(purposes):
            purposes[id] = replace(purposes[id], retire_time=now, change=change)
        for id in set(proposal.retired_categories) & set(categories):
            categories[id] = replace(categories[id], retire_time=now, change=change)
        for id in set(proposal.retired_retention_rules) & set(rules):
            rules[id] = replace(rules[id], retire_time=now, change=change)
        organisation = self.organisation
        if proposal.organisation is not None:
            version = organisation.version + 1 if organisation else 1
            organisation = replace(
                proposal.organisation, version=version, effective_time=now, change=change
            )
        number = self.number + 1
        return Catalogue(
            id=id_of(number),
            tenant=self.tenant,
            number=number,
            effective_time=now,
            purposes=purposes,
            categories=categories,
            policy_versions={**self.policy_versions, **{v.id: v for v in proposal.policy_versions}},
            retention_rules=rules,
            organisation=organisation,
        )

    def bases(self, proposal: Proposal) -> dict[str, str]:
        """Return what *proposal* builds upon: name of each thing it changes → its present state."""
        return {name: self._mark(name) for name in proposal.named()}

    def first_outdated(self, bases: Mapping[str, str]) -> str | None:
        """Return which of *bases* has changed since, or None: a review was of what there was."""
        for name, mark in bases.items():
            if self._mark(name) != mark:
                return f"{name} has changed since this was proposed: propose it anew"
        return None

    def _mark(self, name: str) -> str:
        """Return what tells the present state of a thing from all others; "": there is none."""
        kind, _, id = name.partition("/")
        found: Purpose | Category | RetentionRule | Organisation | None = self.organisation
        if kind == "purposes":
            found = self.purposes.get(id)
        elif kind == "categories":
            found = self.categories.get(id)
        elif kind == "retentionRules":
            found = self.retention_rules.get(id)
        return "" if found is None else f"{found.version}/{found.change}"

    def first_problem(self, proposal: Proposal, now: datetime) -> str | None:
        """Return what would be wrong with the catalogue if *proposal* were applied, or None."""
        return next(self._problems(proposal, now), None)

    def _problems(self, proposal: Proposal, now: datetime) -> Iterator[str]:
        for version in proposal.policy_versions:
            if version.id in self.policy_versions:
                yield f"policyVersions/{version.id} exists and can't be replaced"
        for kind, retired, known in (
            ("purposes", proposal.retired_purposes, frozenset(self.purposes)),
            ("categories", proposal.retired_categories, frozenset(self.categories)),
            ("retentionRules", proposal.retired_retention_rules, frozenset(self.retention_rules)),
        ):
            for id in retired:
                if id not in known:
                    yield f"{kind}/{id} can't be retired: it does not exist"
        after = self.amended(proposal, now)
        yield from after.problems_of_rules()
        for purpose in after.purposes.values():
            yield from after.problems_of(purpose, now)

    def problems_of_rules(self) -> Iterator[str]:
        """Yield for which role there isn't one general rule, if it has any."""
        general = [rule for rule in self.retention_rules.values() if rule.is_general]
        for role in Role:
            count = sum(rule.role is role for rule in general)
            if count > 1:
                yield f"more than one general retention rule for role {role}"
            if not count and any(r.role is role for r in self.retention_rules.values()):
                yield f"no general retention rule for role {role} would be left"

    def problems_of(self, purpose: Purpose, now: datetime) -> Iterator[str]:
        """Yield where *purpose* contradicts the rest of this catalogue."""
        name = f"purposes/{purpose.id}"
        rule = self.retention_rules.get(purpose.retention_rule)
        if rule is None:
            yield f"{name} names retentionRules/{purpose.retention_rule}, which does not exist"
        elif rule.retire_time is not None and not purpose.is_retired(now):
            yield f"{name} names retentionRules/{rule.id}, which is retired"
        elif rule.role is not purpose.role:
            yield f"{name} and retentionRules/{rule.id} belong to different roles"
        if (
            purpose.legal_basis is LegalBasis.CONTROLLER_INSTRUCTION
            and purpose.role is Role.CONTROLLER
        ):
            yield f"{name}: only a processor acts on a controller's instruction"
        if not purpose.texts:
            yield f"{name} has no text"
        for id in purpose.categories:
            yield from self._problems_of_need(purpose, id, now)

    def _problems_of_need(self, purpose: Purpose, id: str, now: datetime) -> Iterator[str]:
        """Yield what keeps *purpose* from needing the category *id*."""
        name = f"purposes/{purpose.id}"
        category = self.categories.get(id)
        if category is None:
            yield f"{name} names categories/{id}, which does not exist"
        elif category.role is not purpose.role:
            yield f"{name} and categories/{id} belong to different roles"
        elif category.retire_time is not None and not purpose.is_retired(now):
            yield f"{name} needs categories/{id}, which is retired"
        elif category.special_category and purpose.legal_basis is not LegalBasis.CONSENT:
            yield f"{name} needs categories/{id}, a special category, without consent (Art. 9)"
