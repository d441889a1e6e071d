"""A change on its way: compiled into what the database is sent, and the promise of an answer."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import NamedTuple

from bson.timestamp import Timestamp

from server.domain.change import Change, Delete, Insert, Once, Position, Purge, Replace, Write
from server.domain.ledger import LEDGER
from server.storage.collections import Layout
from server.storage.declarations import DECLARATIONS
from server.storage.documents import to_document, to_value
from server.storage.driver import Driver
from server.storage.failures import NotStorableError
from server.storage.place import Document, Place

ABSENT = 0
"""The version that a document is expected to have before it is inserted."""

WAITING: Document = {"waiting": True, "stamp": Timestamp(0, 0)}
"""What an entry has beside its own; the database puts the time of its own clock in for the zeros.

That is the order of commits as far as anybody can tell: who has seen a change committed, and
commits another, gets a later stamp, whatever the clocks of servers say.
"""


class Target(NamedTuple):
    """One document that at most one change under way may touch."""

    place: Place
    id: str


class Receipt(NamedTuple):
    """What a durable change answers with: stored outcome, token, and whether it was a repeat.

    `outcome` is None where the change's own holds; otherwise what the first call stored.
    """

    token: str
    stored: Document | None = None


class Pending:
    """A change that waits for its commit.

    Shapes:
        expected: document → the version it must have, or ABSENT.
        size: bytes of what is sent, roughly.
        rivals: changes that touch one of the same documents and so wait for this one.
        is_durable: whether this very change holds now, and not an earlier one it repeats.
    """

    __slots__ = (
        "answer",
        "deletes",
        "expected",
        "inserts",
        "is_durable",
        "once",
        "positions",
        "purges",
        "replaces",
        "rivals",
        "size",
    )

    def __init__(self, once: Once | None) -> None:
        self.once = once
        self.inserts: list[tuple[Place, object]] = []
        self.replaces: list[tuple[Place, Document, object]] = []
        self.deletes: list[tuple[Place, Document]] = []
        self.purges: list[tuple[Place, Document]] = []
        self.positions: list[tuple[str, str, object]] = []
        self.expected: dict[Target, int] = {}
        self.size = 0
        self.rivals: list[Pending] = []
        self.is_durable = False
        self.answer: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()

    def succeed(self, receipt: Receipt) -> None:
        """Answer the caller, if it still waits."""
        self.is_durable = receipt.stored is None
        if not self.answer.done():
            self.answer.set_result(receipt)

    def fail(self, error: Exception) -> None:
        """Refuse the caller, if it still waits."""
        if not self.answer.done():
            self.answer.set_exception(error)

    def has_lost_to(self, rival: Pending) -> bool:
        """Tell whether *rival* has changed a document in the very version expected here.

        A repeat of *rival* has lost nothing: it gets its answer.
        """
        if not rival.is_durable or self._repeats(rival):
            return False
        return any(rival.expected.get(t) == v for t, v in self.expected.items())

    def _repeats(self, other: Pending) -> bool:
        return self.once is not None and other.once is not None and self.once.key == other.once.key

    @property
    def places(self) -> set[Place]:
        """Where the change writes; entries that get positions wake nobody who waits for entries."""
        written = {place for place, _ in self.inserts}
        written.update(place for place, _, _ in self.replaces)
        written.update(place for place, _ in self.deletes)
        written.update(place for place, _ in self.purges)
        return written


class Compiler:
    """Turns changes into what the database is sent."""

    def __init__(self, driver: Driver, layout: Layout) -> None:
        """Compile for *driver* and the collections of *layout*."""
        self._prepare = driver.prepare
        self._places = dict(layout.places())
        self._idempotency = layout.idempotency

    def compile(self, change: Change, expire_time: datetime) -> Pending:
        """Return *change*, whose idempotency record may be forgotten at *expire_time*.

        Raises:
            NotStorableError: a document can't be made of one of its entities.
        """
        pending = Pending(change.once)
        for write in change.writes:
            self._add(pending, write)
        ledger = self._places[LEDGER]
        for entry in change.entries:
            self._insert(pending, ledger, to_document(entry) | WAITING)
        if change.once is not None:
            record = {
                "_id": change.once.key,
                "fingerprint": change.once.fingerprint,
                "outcome": to_value(change.once.outcome),
                "expire_time": expire_time,
            }
            _expect(pending, Target(self._idempotency, change.once.key), ABSENT)
            self._insert(pending, self._idempotency, record)
        return pending

    def _insert(self, pending: Pending, place: Place, document: Document) -> None:
        prepared, size = self._prepare(document)
        pending.size += size
        pending.inserts.append((place, prepared))

    def _add(self, pending: Pending, write: Write) -> None:
        if isinstance(write, Position):
            prepared, size = self._prepare(to_document(write.entry))
            pending.size += size
            pending.positions.append((write.entry.id, write.entry.tenant, prepared))
            return
        place = self._places[write.table]
        if isinstance(write, Purge):
            pending.purges.append((place, _lives(write)))
            return
        document = to_document(write.entity)
        target = Target(place, document["_id"])
        if isinstance(write, Insert):
            _expect(pending, target, ABSENT)
            self._insert(pending, place, document)
            return
        before = write.entity.version - 1 if isinstance(write, Replace) else write.entity.version
        _expect(pending, target, before)
        filter = {"_id": document["_id"], "version": before}
        for name in DECLARATIONS[write.table.kind].shard_key:
            filter[name] = document[name]
        if isinstance(write, Delete):
            pending.deletes.append((place, filter))
            return
        prepared, size = self._prepare(document)
        pending.size += size
        pending.replaces.append((place, filter, prepared))


def _expect(pending: Pending, target: Target, version: int) -> None:
    if target in pending.expected:
        raise NotStorableError("a change writes a document twice")
    pending.expected[target] = version


def _lives(purge: Purge) -> Document:
    return {
        "tenant": purge.tenant,
        "subject": purge.subject,
        "generation": {"$lte": purge.generation},
    }
