"""The record of processing activities: its form, which its JSON Schema is made from (Art. 30).

The names of resources are those of the contract. A later version may add members, and changes
the meaning of none.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from server.domain.assistance.contacts import Function
from server.domain.catalogue.catalogue import Anchor, LegalBasis
from server.domain.disclosure.recipients import RecipientKind, Safeguard
from server.domain.values import Role

FORMAT = "privacyrights.v1/processing-activities"


@dataclass(frozen=True, slots=True)
class Party:
    """Who the platform is: controller or processor, its representative and officer (30(1)(a))."""

    display_name: str
    address: str
    contact_point: str
    representative: str
    data_protection_officer: str
    supervisory_authority: str


@dataclass(frozen=True, slots=True)
class ContactPoint:
    """A controller's contact for a function, such as its data protection officer."""

    function: Function
    display_name: str
    address: str


@dataclass(frozen=True, slots=True)
class Controller:
    """A tenant on whose behalf data is processed; what it instructed besides (30(2)(a))."""

    tenant: str
    display_name: str
    contacts: tuple[ContactPoint, ...]
    instructed_categories: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TimeLimit:
    """When data is erased: calendar months from what, and why (30(1)(f))."""

    retention_rule: str
    months: int
    anchor: Anchor
    reason: str


@dataclass(frozen=True, slots=True)
class Activity:
    """One purpose with all that is told of it (30(1)(b)-(f), 30(2)(b)).

    Shapes:
        description: what people are told, in `description_locale`, which may be another than asked
            for.
        data_subjects: `users`, `end-users` or `visitors`.
        categories, recipients: names of those below.
        retire_time: since when it takes no new data; what was kept stays until its time limit.
    """

    purpose: str
    version: int
    effective_time: datetime | None
    retire_time: datetime | None
    title: str
    description: str
    description_locale: str
    legal_basis: LegalBasis
    legitimate_interest: str
    data_subjects: tuple[str, ...]
    categories: tuple[str, ...]
    recipients: tuple[str, ...]
    time_limit: TimeLimit | None


@dataclass(frozen=True, slots=True)
class DataCategory:
    """A category of personal data, with its fields (30(1)(c))."""

    category: str
    title: str
    fields: tuple[str, ...]
    special_category: bool
    requires_instruction: bool


@dataclass(frozen=True, slots=True)
class RecipientEntry:
    """Who may be given data, where, and what makes a transfer lawful (30(1)(d), (e), 30(2)(c))."""

    recipient: str
    display_name: str
    kind: RecipientKind
    country: str
    is_third_country: bool
    safeguard: Safeguard
    safeguard_expire_time: datetime | None


@dataclass(frozen=True, slots=True)
class ProcessingRecord:
    """The record of processing activities as of one moment.

    Shapes:
        article: `30(1)` for the controller, `30(2)` for the processor.
        missing: what Art. 30 asks for and nobody has recorded yet.
    """

    format: str
    article: str
    role: Role
    export_time: datetime
    catalogue_version: int
    locale: str
    organisation: Party | None
    controllers: tuple[Controller, ...]
    activities: tuple[Activity, ...]
    categories: tuple[DataCategory, ...]
    recipients: tuple[RecipientEntry, ...]
    security_measures: str
    missing: tuple[str, ...]
