"""Making subjects known, and telling what is known of them apart from their data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from server.domain.commands import Commands, Decision
from server.domain.ledger import new_entry
from server.domain.ports import DEFAULT_FRESHNESS
from server.domain.subjects import Subjects, saved

if TYPE_CHECKING:
    from server.domain.call import Call
    from server.domain.change import Committed
    from server.domain.ports import Freshness, Ports
    from server.domain.subject import Subject
    from server.domain.values import SubjectId


@dataclass(frozen=True, slots=True)
class Summary:
    """What is known of a subject, without the data; `erase_time` None: this life goes on."""

    reference: str
    generation: int
    create_time: datetime
    erase_time: datetime | None
    is_restricted: bool
    death_record_time: datetime | None = None


class Registration:
    """Makes subjects known and looks them up."""

    def __init__(self, ports: Ports) -> None:
        """Work on *ports*."""
        self._ports = ports
        self._subjects = Subjects(ports)
        self._commands = Commands(ports)

    async def register(
        self, call: Call, who: SubjectId, *, event_time: datetime | None
    ) -> Committed[Summary]:
        """Make *who* known; an erased subject starts a new life if *event_time* is later than that.

        Raises:
            TenantNotFoundError: there is no such tenant.
            SubjectErasedError: the event isn't known to have happened after the erasure.
        """

        async def decide() -> Decision[Summary]:
            now = self._ports.clock.now()
            subject = await self._subjects.reopen(call, who, event_time=event_time, now=now)
            if subject.entry:
                return Decision((), (), summary(subject))
            entry = new_entry(
                call,
                self._ports.ids,
                tenant=who.tenant,
                type="subject.registered",
                time=now,
                role=who.role,
                subject=subject.reference,
            )
            known = replace(subject, version=subject.version + 1, entry=entry.id)
            return Decision((saved(known),), (entry,), summary(known))

        return await self._commands.run(call, who.tenant, Summary, decide)

    async def get(
        self, call: Call, who: SubjectId, *, freshness: Freshness = DEFAULT_FRESHNESS
    ) -> Summary:
        """Return what is known of *who*.

        Raises:
            TenantNotFoundError, SubjectNotFoundError: of the tenant or subject.
        """
        return summary(await self._subjects.require(call, who, freshness=freshness))


def summary(subject: Subject) -> Summary:
    """Return what is told of *subject*."""
    return Summary(
        reference=subject.reference,
        generation=subject.generation,
        create_time=subject.created_time,
        erase_time=subject.erased_time,
        is_restricted=bool(subject.restriction),
        death_record_time=subject.death.time if subject.death else None,
    )
