"""Joining what a visitor chose to an account, at the person's own act and without a trace.

The act restates the visitor's choices: what is added to the account has the time, the method
and the evidence of the act. A copy with the times of the visitor's own decisions would tell,
to whoever has the database, which browser and which account are one person's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from server.domain.change import Insert
from server.domain.commands import Commands, Decision
from server.domain.consent.consent import (
    ConsentDecision,
    Method,
    NewDecision,
    ParentalAuthority,
    Shown,
    applied,
    consents,
)
from server.domain.consent.processing import is_expired, needs_renewal
from server.domain.consent.recording import recorded
from server.domain.ledger import new_entry
from server.domain.subject import Choice
from server.domain.subjects import Subjects, saved

if TYPE_CHECKING:
    from collections.abc import Iterator

    from server.domain.call import Call
    from server.domain.catalogue.catalogue import Purpose
    from server.domain.catalogue.catalogues import Catalogues
    from server.domain.change import Committed, Write
    from server.domain.ledger import Entry
    from server.domain.ports import Ports
    from server.domain.subject import ConsentState, Subject
    from server.domain.values import SubjectId


@dataclass(frozen=True, slots=True)
class VisitorLinked:
    """What the caller of `link` is told, now and at a repeat: nothing of the visitor."""

    decisions: tuple[str, ...]
    record_time: datetime
    generation: int


@dataclass(frozen=True, slots=True)
class Act:
    """The act by which a person asked for it; `time` None: now."""

    method: Method
    time: datetime | None = None
    evidence_digest: str = ""


class Visitors:
    """Joins visitors to accounts."""

    def __init__(self, ports: Ports, catalogues: Catalogues) -> None:
        """Work on *ports*, with the purposes of *catalogues*."""
        self._ports = ports
        self._catalogues = catalogues
        self._subjects = Subjects(ports)
        self._commands = Commands(ports)

    async def link(
        self, call: Call, account: SubjectId, visitor: SubjectId, act: Act
    ) -> Committed[VisitorLinked]:
        """Add what stands of the choices of *visitor* to *account*, which wins where it is later.

        Raises:
            TenantNotFoundError, SubjectNotFoundError: of the tenant or the visitor.
            SubjectErasedError: the visitor was erased, or the account after the act.
        """

        async def decide() -> Decision[VisitorLinked]:
            now = self._ports.clock.now()
            browser = (await self._subjects.require(call, visitor)).require_active(visitor)
            # Last, so that the call's log line names the account, and the visitor nowhere.
            subject = await self._subjects.reopen(call, account, event_time=act.time, now=now)
            linked = new_entry(
                call,
                self._ports.ids,
                tenant=account.tenant,
                type="consent.visitor_linked",
                time=now,
                role=account.role,
                subject=subject.reference,
            )
            after = replace(subject, entry=linked.id)
            writes: list[Write] = []
            entries: list[Entry] = [linked]
            names: list[str] = []
            for index, (purpose, state) in enumerate(self._standing(browser, subject, now)):
                new = await self._restated(account, purpose, state, act)
                # Bound to the words that were shown, which an earlier version may have had.
                agreed = replace(purpose, version=state.purpose_version)
                decision, entry = await recorded(
                    self._ports, call, new, agreed, subject, now=now, index=index
                )
                decision = replace(decision, from_visitor=True)
                after = applied(after, decision)
                writes.append(Insert(consents(account.role), decision))
                entries.append(entry)
                names.append(decision.id)
            after = replace(after, version=subject.version + 1)
            return Decision(
                writes=(saved(after), *writes),
                entries=entries,
                outcome=VisitorLinked(tuple(names), now, subject.generation),
            )

        return await self._commands.run(call, account.tenant, VisitorLinked, decide)

    def _standing(
        self, visitor: Subject, account: Subject, now: datetime
    ) -> Iterator[tuple[Purpose, ConsentState]]:
        """Yield the choices of *visitor* that stand, and aren't older than those of *account*."""
        for id, state in sorted(visitor.consents.items()):
            purpose = self._catalogues.current.purposes.get(id)
            if (
                purpose is not None
                and _stands(state, purpose, now)
                and _is_later(state, account.consents.get(id))
            ):
                yield purpose, state

    async def _restated(
        self, account: SubjectId, purpose: Purpose, state: ConsentState, act: Act
    ) -> NewDecision:
        shown = Shown(state.policy_version, state.text_digest, "")
        table = consents(account.role)
        kept = await self._ports.reader.get(table, account.tenant, state.decision, ConsentDecision)
        authority = kept.parental_authority if kept else None
        return NewDecision(
            who=account,
            purpose=purpose.id,
            choice=state.choice,
            shown=replace(shown, locale=kept.locale) if kept else shown,
            decision_time=act.time,
            expire_time=_day_of(state.expire_time),
            method=act.method,
            explicit=state.explicit,
            # Without its words, which would be found again.
            parental_authority=authority
            and ParentalAuthority(authority.subject_is_child, authority.authorised),
            evidence_digest=act.evidence_digest,
        )


def _stands(state: ConsentState, purpose: Purpose, now: datetime) -> bool:
    """Whether *state* says no, or is a consent that still holds."""
    if state.choice is not Choice.GRANTED:
        return True
    return not (
        purpose.is_retired(now) or is_expired(state, now) or needs_renewal(state, purpose, now)
    )


def _is_later(state: ConsentState, known: ConsentState | None) -> bool:
    """Whether *state* is the later one; of two at the same time, it is the "no"."""
    if known is None or state.time > known.time:
        return True
    return state.time == known.time and state.choice is not Choice.GRANTED


def _day_of(time: datetime | None) -> datetime | None:
    """Return the day on which a consent ends, as no later time: to the second it would be known."""
    return time and time.replace(hour=0, minute=0, second=0, microsecond=0)
