"""Recording browsers' privacy signals as objections by automated means (Art. 21(5))."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from server.domain.change import Insert
from server.domain.commands import Commands, Decision
from server.domain.consent.standing import (
    GLOBAL_PRIVACY_CONTROL,
    ActKind,
    acts,
    is_open_to_objection,
    new_act,
    opposing,
    standing_of,
)
from server.domain.ledger import new_entry
from server.domain.ledger.commitment import committing
from server.domain.subjects import Subjects, saved

if TYPE_CHECKING:
    from server.domain.call import Call
    from server.domain.catalogue.catalogues import Catalogues
    from server.domain.change import Committed
    from server.domain.consent.standing import Standing
    from server.domain.ports import Ports
    from server.domain.subject import Subject
    from server.domain.values import SubjectId


@dataclass(frozen=True, slots=True)
class NewSignal:
    """What a caller reports of a browser's signal. `time` None: now."""

    who: SubjectId
    is_on: bool
    time: datetime | None = None


@dataclass(frozen=True, slots=True)
class SignalRecorded:
    """What the caller of `record` is told, now and at a repeat."""

    purposes: tuple[str, ...]
    record_time: datetime


class PrivacySignals:
    """Records that signals were switched on and off."""

    def __init__(self, ports: Ports, catalogues: Catalogues) -> None:
        """Work on *ports*, with the purposes of *catalogues*."""
        self._ports = ports
        self._catalogues = catalogues
        self._subjects = Subjects(ports)
        self._commands = Commands(ports)

    async def record(self, call: Call, new: NewSignal) -> Committed[SignalRecorded]:
        """Add *new* to what the subject did, if it changes what stands.

        A browser sends its signal with every page: one that stands already is not recorded
        again. That it was switched off counts only if nothing later is known; that it is on
        always does, so that an error falls on the side of the person.

        Raises:
            TenantNotFoundError: there is no such tenant.
            SubjectErasedError: the subject was erased; or the signal was switched off in an
                earlier life.
        """

        async def decide() -> Decision[SignalRecorded]:
            now = self._ports.clock.now()
            time = new.time or now
            told = SignalRecorded(self._purposes(new), now)
            nothing: Decision[SignalRecorded] = Decision((), (), told)
            if not new.is_on and await self._subjects.find(call, new.who) is None:
                return nothing  # Nobody becomes known by what they don't object to.
            subject = await self._subjects.open(
                call, new.who, now=now, event_time=None if new.is_on else new.time
            )
            standing = await standing_of(self._ports.reader, subject)
            if not _changes(standing, time, is_on=new.is_on):
                return nothing
            return await self._recorded(call, new, subject, standing, told)

        return await self._commands.run(call, new.who.tenant, SignalRecorded, decide)

    async def _recorded(
        self,
        call: Call,
        new: NewSignal,
        subject: Subject,
        standing: Standing,
        told: SignalRecorded,
    ) -> Decision[SignalRecorded]:
        now = told.record_time
        entry = new_entry(
            call,
            self._ports.ids,
            tenant=subject.tenant,
            type="consent.signal_recorded",
            time=now,
            role=subject.role,
            subject=subject.reference,
        )
        kind = ActKind.SIGNAL_SWITCHED_ON if new.is_on else ActKind.SIGNAL_SWITCHED_OFF
        act = new_act(subject, entry, kind, time=new.time or now)
        entry = await committing(self._ports.keyring, entry, act, subject=subject)
        return Decision(
            writes=(saved(opposing(subject, standing, act)), Insert(acts(subject.role), act)),
            entries=(entry,),
            outcome=told,
        )

    def _purposes(self, new: NewSignal) -> tuple[str, ...]:
        """Return the purposes that the signal is an objection to."""
        now = self._ports.clock.now()
        return tuple(
            id
            for id, purpose in sorted(self._catalogues.current.purposes.items())
            if purpose.role is new.who.role
            and is_open_to_objection(purpose)
            and not purpose.is_retired(now)
        )


def _changes(standing: Standing, time: datetime, *, is_on: bool) -> bool:
    """Whether a signal that was seen at *time* changes what stands."""
    stands = GLOBAL_PRIVACY_CONTROL in standing.objections
    if is_on:
        return not stands
    return stands and (standing.signal_time is None or time > standing.signal_time)
