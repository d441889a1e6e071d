"""Finding the data subject that a call is about, and making one known."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from server.domain.change import Insert, Kind, Replace, Table
from server.domain.errors import SubjectErasedError, SubjectNotFoundError
from server.domain.ports import DEFAULT_FRESHNESS
from server.domain.subject import Subject

if TYPE_CHECKING:
    from datetime import datetime

    from server.domain.call import Call
    from server.domain.change import Write
    from server.domain.ports import Freshness, Ports
    from server.domain.values import Role, SubjectId

SEALED_ID = "subject-id"
"""The context under which the tenant's own id of the person is sealed."""


def subjects(role: Role) -> Table:
    """Return the table of the subjects of *role*."""
    return Table(Kind.SUBJECTS, role)


class Subjects:
    """Finds subjects by what callers know them as, and prepares new ones."""

    def __init__(self, ports: Ports) -> None:
        """Work on *ports*."""
        self._ports = ports

    async def find(
        self, call: Call, who: SubjectId, *, freshness: Freshness = DEFAULT_FRESHNESS
    ) -> Subject | None:
        """Return the subject, erased or not, or None if nothing was ever known of it.

        Raises:
            TenantNotFoundError: there is no such tenant.
        """
        reference = await self._ports.keyring.reference(who)
        call.notes["tenant"], call.notes["subject"] = who.tenant, reference
        return await self._ports.reader.get(
            subjects(who.role),
            who.tenant,
            f"{who.tenant}/{reference}",
            Subject,
            freshness=freshness,
        )

    async def require(
        self, call: Call, who: SubjectId, *, freshness: Freshness = DEFAULT_FRESHNESS
    ) -> Subject:
        """Return the subject, erased or not.

        Raises:
            TenantNotFoundError: there is no such tenant.
            SubjectNotFoundError: nothing was ever known of it.
        """
        found = await self.find(call, who, freshness=freshness)
        if found is None:
            raise SubjectNotFoundError
        return found

    async def open(
        self, call: Call, who: SubjectId, *, now: datetime, event_time: datetime | None = None
    ) -> Subject:
        """Return the active subject for a write, a new one (version 0, unsaved) if none is known.

        *event_time* is when what is written happened, if that was said.

        Raises:
            TenantNotFoundError: there is no such tenant.
            SubjectErasedError: it was erased, or the write belongs to an earlier life of it.
        """
        found = await self.find(call, who)
        if found is None:
            return await self._first(who, now)
        return found.require_active(who, event_time=event_time)

    async def reopen(
        self, call: Call, who: SubjectId, *, event_time: datetime | None, now: datetime
    ) -> Subject:
        """Return the active subject like `open`, or the next generation of an erased one.

        A new generation begins only with an event that is known to have happened after the
        erasure: a late event of the earlier life resurrects nobody.

        Raises:
            TenantNotFoundError: there is no such tenant.
            SubjectErasedError: the event isn't known to be later than the erasure.
        """
        found = await self.find(call, who)
        if found is None:
            return await self._first(who, now)
        if not found.is_erased:
            return found.require_active(who, event_time=event_time)
        is_new_life = (
            event_time is not None
            and found.erased_time is not None
            and event_time > found.erased_time
        )
        if not is_new_life or who.generation not in (0, found.generation + 1):
            raise SubjectErasedError(generation=found.generation)
        following = await self._new(
            who, version=found.version, generation=found.generation + 1, now=now
        )
        return replace(following, previous_erasure_time=found.erased_time)

    async def _first(self, who: SubjectId, now: datetime) -> Subject:
        if who.generation > 1:
            raise SubjectErasedError(generation=0)
        return await self._new(who, version=0, generation=1, now=now)

    async def _new(
        self, who: SubjectId, *, version: int, generation: int, now: datetime
    ) -> Subject:
        reference = await self._ports.keyring.reference(who)
        blank = Subject(
            id=f"{who.tenant}/{reference}",
            tenant=who.tenant,
            reference=reference,
            role=who.role,
            version=version,
            generation=generation,
            created_time=now,
            key=await self._ports.keyring.new_key(who.tenant, reference),
            sealed_id=None,
            entry="",
        )
        sealed = await self._ports.keyring.seal(blank, who.known_as.encode(), SEALED_ID)
        return replace(blank, sealed_id=sealed)


def saved(subject: Subject) -> Write:
    """Return the write that stores *subject*, whose version was raised by one since it was read."""
    table = subjects(subject.role)
    return Insert(table, subject) if subject.version == 1 else Replace(table, subject)
