"""Documents and changes for the contract: a person, a note about her, and a line of the ledger."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from server.domain.change import Change, Insert, Kind, Once, Replace, Table, Write
from server.domain.ledger import Entry, partition_of
from server.domain.subject import Subject
from server.domain.values import Role

NOW = datetime(2026, 3, 31, 12, 0, tzinfo=UTC)
SUBJECTS = Table(Kind.SUBJECTS, Role.PROCESSOR)
NOTES = Table(Kind.RECORDS, Role.PROCESSOR)
LEDGER = Table(Kind.LEDGER)

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Note:
    """A document about a person; `due` is empty for most."""

    id: str
    tenant: str
    version: int
    subject: str
    generation: int
    sealed: bytes
    rank: int = 0
    due: str = ""
    time: datetime = NOW


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call answers."""

    id: str
    time: datetime = NOW


def person(tenant: str, reference: str = "ada") -> Subject:
    """Return a new subject."""
    return Subject(
        id=f"{tenant}/{reference}",
        tenant=tenant,
        reference=reference,
        role=Role.PROCESSOR,
        version=1,
        generation=1,
        created_time=NOW,
        key=b"wrapped",
        sealed_id=b"sealed",
        entry="none",
    )


def renewed(subject: Subject) -> Subject:
    """Return the next version."""
    return replace(subject, version=subject.version + 1, restriction="disputed")


def note(tenant: str, key: str, reference: str = "ada", **fields: object) -> Note:
    """Return a new note."""
    subject = f"{tenant}/{reference}"
    return replace(Note(f"{subject}/{key}", tenant, 1, subject, 1, b"sealed"), **fields)  # type: ignore[arg-type]  # a test's own values


def entry(tenant: str) -> Entry:
    """Return a new line of the ledger."""
    return Entry(
        id=f"{tenant}/{next(_numbers):08}",
        tenant=tenant,
        type="note.taken",
        time=NOW,
        actor="service:web",
        rpc="Notes.Take",
        partition=partition_of(tenant),
    )


def once(tenant: str, request: str, content: bytes = b"same") -> Once:
    """Return what makes *request* recognisable; the outcome differs at every call."""
    return Once(f"{tenant}/web/{request}", content, Answer(f"answer-{next(_numbers)}"))


def change(tenant: str, *writes: Write, once: Once | None = None) -> Change:
    """Return *writes* with a new line of the ledger."""
    return Change(writes, (entry(tenant),), once)


def adding(tenant: str, *keys: str) -> Change:
    """Return the change that adds a note for each key."""
    return change(tenant, *(Insert(NOTES, note(tenant, key)) for key in keys))


def renewing(subject: Subject) -> Change:
    """Return the change that makes *subject* the next version."""
    return change(subject.tenant, Replace(SUBJECTS, renewed(subject)))
