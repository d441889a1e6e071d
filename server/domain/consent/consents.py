"""Recording what people decide, and listing what it amounts to."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from server.domain.change import Insert
from server.domain.commands import Commands, Decision
from server.domain.consent.consent import (
    Consent,
    ConsentDecision,
    ConsentRecorded,
    ConsentsWithdrawn,
    Method,
    NewDecision,
    State,
    applied,
    consents,
    require_grantable,
)
from server.domain.consent.history import known_at
from server.domain.consent.processing import is_expired, needs_renewal
from server.domain.consent.recording import recorded
from server.domain.errors import (
    ConsentDecisionNotFoundError,
    PurposeRoleMismatchError,
    SubjectErasedError,
)
from server.domain.identifiers import role_of
from server.domain.ports import DEFAULT_FRESHNESS, Query
from server.domain.subject import Choice
from server.domain.subjects import Subjects, saved

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from server.domain.call import Call
    from server.domain.catalogue.catalogue import Purpose
    from server.domain.catalogue.catalogues import Catalogues
    from server.domain.change import Committed, Write
    from server.domain.ledger import Entry
    from server.domain.ports import Freshness, Ports
    from server.domain.subject import ConsentState
    from server.domain.values import SubjectId


class Consents:
    """Records decisions and lists them."""

    def __init__(self, ports: Ports, catalogues: Catalogues) -> None:
        """Work on *ports*, with the purposes of *catalogues*."""
        self._ports = ports
        self._catalogues = catalogues
        self._subjects = Subjects(ports)
        self._commands = Commands(ports)

    async def record(self, call: Call, new: NewDecision) -> Committed[ConsentRecorded]:
        """Add one decision to the subject's history.

        Raises:
            TenantNotFoundError, PurposeNotFoundError: of the tenant or purpose.
            PurposeRoleMismatchError: the purpose belongs to the other role.
            SubjectErasedError: the decision belongs to a life that ended.
            DomainError: what `require_grantable` refuses.
        """
        purpose = await self._catalogues.purpose(new.purpose)
        catalogue = self._catalogues.current

        async def decide() -> Decision[ConsentRecorded]:
            now = self._ports.clock.now()
            if purpose.role is not new.who.role:
                raise PurposeRoleMismatchError(purpose=purpose.id)
            if new.choice is Choice.GRANTED:
                require_grantable(new, purpose, catalogue, now)
                subject = await self._subjects.reopen(
                    call, new.who, event_time=new.decision_time, now=now
                )
            else:
                subject = await self._subjects.open(call, new.who, now=now)
            decision, entry = await recorded(self._ports, call, new, purpose, subject, now=now)
            return Decision(
                writes=(
                    saved(applied(subject, decision)),
                    Insert(consents(new.who.role), decision),
                ),
                entries=(entry,),
                outcome=ConsentRecorded(decision.id, now, subject.generation),
            )

        return await self._commands.run(call, new.who.tenant, ConsentRecorded, decide)

    async def withdraw_all(
        self,
        call: Call,
        who: SubjectId,
        decision_time: datetime | None,
        *,
        method: Method = Method.UNSPECIFIED,
        evidence_digest: str = "",
    ) -> Committed[ConsentsWithdrawn]:
        """Withdraw every consent that is granted now; none is fine too.

        Raises:
            TenantNotFoundError, SubjectNotFoundError: of the tenant or subject.
            SubjectErasedError: the subject was erased.
        """

        async def decide() -> Decision[ConsentsWithdrawn]:
            now = self._ports.clock.now()
            subject = (await self._subjects.require(call, who)).require_active(who)
            granted = tuple(
                purpose
                for purpose, state in sorted(subject.consents.items())
                if state.choice is Choice.GRANTED
            )
            after = subject
            decisions: list[Write] = []
            entries: list[Entry] = []
            for index, id in enumerate(granted):
                purpose = await self._catalogues.purpose(id)
                new = NewDecision(
                    who=who,
                    purpose=id,
                    choice=Choice.WITHDRAWN,
                    decision_time=decision_time,
                    method=method,
                    evidence_digest=evidence_digest,
                )
                decision, entry = await recorded(
                    self._ports, call, new, purpose, subject, now=now, index=index
                )
                after = applied(after, decision)
                decisions.append(Insert(consents(who.role), decision))
                entries.append(entry)
            # One write of the subject for all decisions: its version rises by one.
            if granted:
                decisions.append(saved(replace(after, version=subject.version + 1)))
            return Decision(
                writes=decisions, entries=entries, outcome=ConsentsWithdrawn(granted, now)
            )

        return await self._commands.run(call, who.tenant, ConsentsWithdrawn, decide)

    async def list(
        self,
        call: Call,
        who: SubjectId,
        *,
        as_of: datetime | None,
        freshness: Freshness = DEFAULT_FRESHNESS,
    ) -> Sequence[Consent]:
        """Return the state of each purpose that the subject ever decided on, now or at *as_of*.

        Raises:
            TenantNotFoundError, SubjectNotFoundError: of the tenant or subject.
            SubjectErasedError: it was erased by then, and no consent stands any more.
        """
        subject = await self._subjects.require(call, who, freshness=freshness)
        moment = as_of or self._ports.clock.now()
        then = await known_at(self._ports, subject, moment)
        if then is not None and then.subject.is_erased:
            raise SubjectErasedError(generation=then.subject.generation)
        known = await self._catalogues.at(moment)
        return [
            Consent(id, _state(past.state, known.purposes.get(id), moment), past.decision)
            for id, past in sorted(then.consents.items() if then else ())
        ]

    async def history(
        self,
        call: Call,
        who: SubjectId,
        *,
        purpose: str,
        after: tuple[object, str] | None,
        limit: int,
        freshness: Freshness = DEFAULT_FRESHNESS,
    ) -> Sequence[ConsentDecision]:
        """Return one page of the subject's decisions, newest first; *purpose* "" means all.

        Raises:
            TenantNotFoundError, SubjectNotFoundError: of the tenant or subject.
        """
        subject = await self._subjects.require(call, who, freshness=freshness)
        equals = {"subject": subject.id} | ({"purpose": purpose} if purpose else {})
        query = Query(
            consents(who.role),
            tenant=who.tenant,
            equals=equals,
            order="-number",
            after=after,
            limit=limit,
        )
        return await self._ports.reader.find(query, ConsentDecision)

    async def decision(
        self,
        call: Call,
        *,
        tenant: str,
        decision: str,
        freshness: Freshness = DEFAULT_FRESHNESS,
    ) -> ConsentDecision:
        """Return *decision*, the last part of its name.

        Raises:
            ConsentDecisionNotFoundError: the tenant has none with this id.
        """
        found = await self._ports.reader.get(
            consents(role_of(decision)),
            tenant,
            f"{tenant}/{decision}",
            ConsentDecision,
            freshness=freshness,
        )
        if found is None:
            raise ConsentDecisionNotFoundError
        call.notes["tenant"], call.notes["subject"] = tenant, found.reference
        return found


def _state(consent: ConsentState, purpose: Purpose | None, moment: datetime) -> State:
    if consent.choice is not Choice.GRANTED:
        return State(consent.choice)
    if is_expired(consent, moment):
        return State.EXPIRED
    if purpose is not None and needs_renewal(consent, purpose, moment):
        return State.RENEWAL_NEEDED
    return State.GRANTED
