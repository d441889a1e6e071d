"""A record: personal data of one life of a subject, in one category; and what is asked of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from server.domain.change import Kind, Table
from server.domain.ports import DEFAULT_FRESHNESS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from server.domain.ports import Freshness
    from server.domain.records.minimisation import Json
    from server.domain.subject import Subject
    from server.domain.values import Role, SubjectId

DEFAULT_KEY = "default"


class Source(StrEnum):
    """Where a record's data came from (Art. 14(2)(f), 15(1)(g))."""

    UNSPECIFIED = ""
    SUBJECT = "subject"
    OBSERVED = "observed"
    DERIVED = "derived"
    THIRD_PARTY = "third_party"


@dataclass(frozen=True, slots=True)
class NewRecord:
    """What a caller asks to keep: data in the fields of one category, for one purpose."""

    who: SubjectId
    purpose: str
    category: str
    key: str
    fields: dict[str, Json] = field(repr=False)
    source: Source = Source.UNSPECIFIED
    expire_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """A record as it is kept.

    Shapes:
        id: `tenant/reference/generation/category,key`: what is written for one life of a
            subject can never meet what is kept about another. A comma sorts before whatever
            may be in a category's id, so that a person's records sort by category and key.
        subject: the subject's id, `tenant/reference`.
        sealed: the fields as canonical JSON, under the subject key.
        mandate: the period of the tenant's instructions in which it was kept; 0: none was needed.
        expire_time: from then on nobody reads it, and soon it is deleted; None: when its
            retention rule says so.
    """

    id: str
    tenant: str
    version: int
    subject: str
    generation: int
    category: str
    key: str
    purpose: str
    purpose_version: int
    create_time: datetime
    update_time: datetime
    sealed: bytes
    source: Source = Source.UNSPECIFIED
    mandate: int = 0
    expire_time: datetime | None = None

    def is_expired(self, now: datetime) -> bool:
        """Whether it was to be deleted by *now*."""
        return self.expire_time is not None and self.expire_time <= now

    def is_readable(self, periods: Mapping[str, int], now: datetime) -> bool:
        """Whether it may be read at *now*, in the *periods* of the categories that may be.

        What was kept under instructions that ended since is put up for erasure.
        """
        period = periods.get(self.category)
        is_collected = period is not None and self.mandate in (0, period)
        return is_collected and not self.is_expired(now)


@dataclass(frozen=True, slots=True)
class RecordPut:
    """What the caller of `put` is told, now and at a repeat."""

    record_time: datetime
    generation: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a caller asks to read, and why.

    Shapes:
        categories: none means all that the purpose needs.
        keys: none means any.
        is_metadata: whether the data itself stays sealed.
    """

    who: SubjectId
    purpose: str
    reason: str
    categories: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    is_metadata: bool = False
    freshness: Freshness = DEFAULT_FRESHNESS
    after: tuple[object, str] | None = None
    size: int = 50


@dataclass(frozen=True, slots=True)
class Opened:
    """A record with its data in clear; None if it wasn't asked for."""

    record: Record
    fields: dict[str, Json] | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reading:
    """One page of records; `entry` is the id of the ledger entry that tells of it."""

    records: Sequence[Opened]
    has_more: bool
    entry: str


def records(role: Role) -> Table:
    """Return the table of the records of *role*."""
    return Table(Kind.RECORDS, role)


def record_id(subject: Subject, category: str, key: str) -> str:
    """Return the id of a record of the current life of *subject*."""
    return f"{subject.id}/{subject.generation}/{category},{key}"


def seal_context(category: str, key: str) -> str:
    """Return what a record is sealed as; the keyring adds tenant, subject and generation."""
    return f"record/{category}/{key}"
