"""Erasure: one life of a subject ends, and what is left proves that it did (Art. 17, Art. 5(2)).

Destroying the one wrapped copy of the subject's key destroys all that was sealed under it,
however much that is: nothing is looked up. The ciphertext is dead from then on, and is
purged in batches afterwards (`server.workers.purge`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from server.domain.change import Insert, Kind, Table
from server.domain.errors import SubjectErasedError, TenantNotFoundError
from server.domain.ledger import new_entry
from server.domain.ports import Query
from server.domain.subjects import saved
from server.domain.tenants import TENANTS, Tenant
from server.domain.values import Role

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.domain.call import Call
    from server.domain.change import Write
    from server.domain.ledger import Entry
    from server.domain.ports import Ports
    from server.domain.subject import Subject

SETTLING = timedelta(hours=1)
"""After this, nothing that was decided before an erasure can still be committed.

A decision waits for its turn, and is then tried for seconds; MongoDB aborts a transaction
after a minute, and clocks of servers differ by less than that. An hour is far beyond their
sum, and costs only that an hour of erasures is read twice, and each ended life purged twice.
"""


class Purged(StrEnum):
    """How far the ciphertext of an ended life has been deleted."""

    NOT_YET = "not_yet"
    ONCE = "once"
    FOR_GOOD = "for_good"


@dataclass(frozen=True, slots=True)
class Erasure:
    """The end of one life of a subject: kept as proof, and so that a restored backup can be mended.

    Shapes:
        id: `tenant/reference/generation`, so that a life can end only once.
        subject: the subject's id, `tenant/reference`.
        entry: the ledger entry that says so.
        key_digest: SHA-256 of the wrapped key that was destroyed, 64 hexadecimal digits. It
            tells which key that was, and opens nothing.
        begin_time: when the life began that ended; what was allowed in it can be asked for.
        opposed_since: since when something stood in it against processing besides consent, of which
            no history is kept after its end.
        cause: the resource that it was done for, such as a request or a sweep.
        record_count: records whose ciphertext has been deleted so far.
    """

    id: str
    tenant: str
    version: int
    role: Role
    subject: str
    generation: int
    time: datetime
    entry: str
    key_digest: str
    begin_time: datetime | None = None
    opposed_since: datetime | None = None
    cause: str = ""
    purged: Purged = Purged.NOT_YET
    record_count: int = 0

    @property
    def reference(self) -> str:
        """The subject reference."""
        return self.subject.rpartition("/")[2]


class Erased(NamedTuple):
    """What ends a life: to be committed together, with whatever else the change holds."""

    writes: list[Write]
    entries: list[Entry]
    erasure: Erasure


class Page(NamedTuple):
    """Some erasures, oldest first, and the time up to which nothing will be added to the list."""

    erasures: Sequence[Erasure]
    watermark: datetime


def erasures(role: Role) -> Table:
    """Return the table of the erasures of *role*."""
    return Table(Kind.ERASURES, role)


def erasure_id(subject: str, generation: int) -> str:
    """Return the id of the erasure that ended a life of the subject with the id *subject*."""
    return f"{subject}/{generation}"


def watermark(now: datetime) -> datetime:
    """Return the time before which the list of erasures is complete at *now*.

    An erasure has the time of its decision, and is seen a little later: who asked again
    only for what is newer than the newest seen would miss it.
    """
    return now - SETTLING


class Erasures:
    """Ends lives of subjects, and lists those that have ended."""

    def __init__(self, ports: Ports) -> None:
        """Work on *ports*."""
        self._ports = ports

    def of(
        self, call: Call, subject: Subject, *, time: datetime, reason: str, cause: str = ""
    ) -> Erased:
        """Return what ends the current life of *subject* at *time*; nothing is read.

        Whoever commits it is told by a conflict if the subject was changed since it was read.
        *reason* goes to the ledger; *cause* is the name of the request, sweep or directive.

        Raises:
            SubjectErasedError: that life has ended already.
        """
        if subject.key is None:
            raise SubjectErasedError(generation=subject.generation)
        entry = new_entry(
            call,
            self._ports.ids,
            tenant=subject.tenant,
            type="subject.erased",
            time=time,
            role=subject.role,
            subject=subject.reference,
            reason=reason,
            target=cause,
        )
        erasure = Erasure(
            id=erasure_id(subject.id, subject.generation),
            tenant=subject.tenant,
            version=1,
            role=subject.role,
            subject=subject.id,
            generation=subject.generation,
            time=time,
            entry=entry.id,
            key_digest=sha256(subject.key).hexdigest(),
            begin_time=subject.created_time,
            opposed_since=subject.opposed_since,
            cause=cause,
        )
        tombstone = subject.erased(time=time, entry=entry.id)
        return Erased([saved(tombstone), Insert(erasures(subject.role), erasure)], [entry], erasure)

    async def find(self, role: Role, tenant: str, subject: str, generation: int) -> Erasure | None:
        """Return the erasure that ended this life of the subject with the id *subject*, or None."""
        id = erasure_id(subject, generation)
        return await self._ports.reader.get(erasures(role), tenant, id, Erasure)

    async def list(
        self,
        role: Role,
        *,
        tenant: str | None,
        since: datetime | None,
        after: tuple[object, str] | None,
        limit: int,
    ) -> Page:
        """Return one page of the erasures of one tenant, or all, at or after *since*, oldest first.

        Whoever reads the list to its end goes on later with the watermark of the *first* page: what
        is committed while it is read may belong before what has been read.

        Raises:
            TenantNotFoundError: there is no such tenant.
        """
        if tenant is not None and not await self._ports.reader.get(TENANTS, tenant, tenant, Tenant):
            raise TenantNotFoundError
        complete = watermark(self._ports.clock.now())
        query = Query(
            erasures(role),
            tenant=tenant,
            at_least={"time": since} if since is not None else {},
            order="time",
            after=after,
            limit=limit,
        )
        return Page(await self._ports.reader.find(query, Erasure), complete)
