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

from server.domain.change import Kind, Table
from server.domain.errors import (
    CategoryNotFoundError,
    PolicyVersionNotFoundError,
    PurposeNotFoundError,
    RetentionRuleNotFoundError,
)
from server.domain.values import Role

if TYPE_CHECKING:
    from collections.abc import Iterator

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
class Purpose:
    """Why data is processed. `version` and `effective_time` are set when it is applied."""

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

    def is_retired(self, now: datetime) -> bool:
        """Whether it takes no new grants and no new data."""
        return self.retire_time is not None and self.retire_time <= now


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
            if rule.role is role and not (rule.tenant or rule.category or rule.purpose):
                return rule
        raise RetentionRuleNotFoundError(role=role)

    def amended(self, proposal: Proposal, now: datetime) -> Catalogue:
        """Return the next catalogue: this one with *proposal* in effect from *now* on."""
        purposes = dict(self.purposes)
        for purpose in proposal.purposes:
            before = purposes.get(purpose.id)
            purposes[purpose.id] = replace(
                purpose,
                version=before.version + 1 if before else 1,
                effective_time=now,
                renewal_time=_later(before.renewal_time if before else None, purpose.renewal_time),
            )
        categories = dict(self.categories)
        for category in proposal.categories:
            known = categories.get(category.id)
            categories[category.id] = replace(
                category, version=known.version + 1 if known else 1, effective_time=now
            )
        rules = dict(self.retention_rules)
        for rule in proposal.retention_rules:
            old = rules.get(rule.id)
            rules[rule.id] = replace(rule, version=old.version + 1 if old else 1)
        for id in proposal.retired_purposes:
            if id in purposes:
                purposes[id] = replace(purposes[id], retire_time=now)
        for id in proposal.retired_categories:
            if id in categories:
                categories[id] = replace(categories[id], retire_time=now)
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
        )

    def first_problem(self, proposal: Proposal, now: datetime) -> str | None:
        """Return what would be wrong with the catalogue if *proposal* were applied, or None."""
        return next(self._problems(proposal, now), None)

    def _problems(self, proposal: Proposal, now: datetime) -> Iterator[str]:
        for version in proposal.policy_versions:
            if version.id in self.policy_versions:
                yield f"policyVersions/{version.id} exists and can't be replaced"
        for retired in proposal.retired_purposes:
            if retired not in self.purposes:
                yield f"purposes/{retired} can't be retired: it does not exist"
        for retired in proposal.retired_categories:
            if retired not in self.categories:
                yield f"categories/{retired} can't be retired: it does not exist"
        after = self.amended(proposal, now)
        general = [
            r for r in after.retention_rules.values() if not (r.tenant or r.category or r.purpose)
        ]
        for role in Role:
            if sum(rule.role is role for rule in general) > 1:
                yield f"more than one general retention rule for role {role}"
        for purpose in after.purposes.values():
            yield from after.problems_of(purpose, now)

    def problems_of(self, purpose: Purpose, now: datetime) -> Iterator[str]:
        """Yield where *purpose* contradicts the rest of this catalogue."""
        name = f"purposes/{purpose.id}"
        rule = self.retention_rules.get(purpose.retention_rule)
        if rule is None:
            yield f"{name} names retentionRules/{purpose.retention_rule}, which does not exist"
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
            category = self.categories.get(id)
            if category is None:
                yield f"{name} names categories/{id}, which does not exist"
            elif category.role is not purpose.role:
                yield f"{name} and categories/{id} belong to different roles"
            elif category.retire_time is not None and not purpose.is_retired(now):
                yield f"{name} needs categories/{id}, which is retired"
            elif category.special_category and purpose.legal_basis is not LegalBasis.CONSENT:
                yield f"{name} needs categories/{id}, a special category, without consent (Art. 9)"
