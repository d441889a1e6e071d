"""Several decisions at once, all or none: what somebody chose per cookie purpose (S16)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from server.domain.change import Insert
from server.domain.commands import Commands, Decision
from server.domain.consent.consent import applied, consents, require_grantable
from server.domain.consent.recording import recorded
from server.domain.errors import PurposeNotFoundError, PurposeRoleMismatchError
from server.domain.subject import Choice
from server.domain.subjects import Subjects, saved

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.domain.call import Call
    from server.domain.catalogue.catalogue import Purpose
    from server.domain.catalogue.catalogues import Catalogues
    from server.domain.change import Committed, Write
    from server.domain.consent.consent import NewDecision
    from server.domain.ledger import Entry
    from server.domain.ports import Ports
    from server.domain.subject import Subject


@dataclass(frozen=True, slots=True)
class ChoicesRecorded:
    """What the caller of `record` is told, now and at a repeat."""

    decisions: tuple[str, ...]
    record_time: datetime
    generation: int


class CookieChoices:
    """Records what people chose about cookies."""

    def __init__(self, ports: Ports, catalogues: Catalogues) -> None:
        """Work on *ports*, with the purposes of *catalogues*."""
        self._ports = ports
        self._catalogues = catalogues
        self._subjects = Subjects(ports)
        self._commands = Commands(ports)

    async def record(
        self, call: Call, choices: Sequence[NewDecision]
    ) -> Committed[ChoicesRecorded]:
        """Add *choices*, which are one person's, made at one time, to the history: all or none.

        Raises:
            TenantNotFoundError: there is no such tenant.
            PurposeNotFoundError: a purpose isn't there, or isn't one of cookies.
            PurposeRoleMismatchError: a purpose belongs to the other role.
            SubjectErasedError: the decisions belong to a life that ended.
            DomainError: what `require_grantable` refuses.
        """
        purposes = [await self._purpose(new) for new in choices]

        async def decide() -> Decision[ChoicesRecorded]:
            now = self._ports.clock.now()
            subject = after = await self._subject(call, choices, purposes, now)
            decisions: list[Write] = []
            entries: list[Entry] = []
            names: list[str] = []
            for index, (new, purpose) in enumerate(zip(choices, purposes, strict=True)):
                decision, entry = await recorded(
                    self._ports, call, new, purpose, subject, now=now, index=index
                )
                after = applied(after, decision)
                decisions.append(Insert(consents(new.who.role), decision))
                entries.append(entry)
                names.append(decision.id)
            # One write of the subject for all decisions: its version rises by one.
            after = replace(after, version=subject.version + 1)
            return Decision(
                writes=(saved(after), *decisions),
                entries=entries,
                outcome=ChoicesRecorded(tuple(names), now, subject.generation),
            )

        return await self._commands.run(call, choices[0].who.tenant, ChoicesRecorded, decide)

    async def _purpose(self, new: NewDecision) -> Purpose:
        found = await self._catalogues.purpose(new.purpose)
        if not found.cookie:
            raise PurposeNotFoundError
        return found

    async def _subject(
        self,
        call: Call,
        choices: Sequence[NewDecision],
        purposes: Sequence[Purpose],
        now: datetime,
    ) -> Subject:
        """Return whose choices they are, if all of them can be recorded."""
        for new, purpose in zip(choices, purposes, strict=True):
            if purpose.role is not new.who.role:
                raise PurposeRoleMismatchError(purpose=purpose.id)
            if new.choice is Choice.GRANTED:
                require_grantable(new, purpose, self._catalogues.current, now)
        first = choices[0]
        if any(new.choice is Choice.GRANTED for new in choices):
            return await self._subjects.reopen(
                call, first.who, event_time=first.decision_time, now=now
            )
        return await self._subjects.open(call, first.who, now=now)
