"""Consent: decisions that are only ever added, and the state that they amount to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from server.domain.catalogue.catalogue import LegalBasis
from server.domain.change import Insert, Kind, Table
from server.domain.commands import Commands, Decision
from server.domain.consent.processing import is_expired, judge, needs_renewal
from server.domain.errors import (
    ConsentNotBasisError,
    ParentalAuthorityRequiredError,
    PolicyVersionNotInForceError,
    PurposeRetiredError,
    PurposeRoleMismatchError,
    SubjectErasedError,
    TextNotPublishedError,
)
from server.domain.ledger import new_entry
from server.domain.ports import DEFAULT_FRESHNESS, Query
from server.domain.subject import Choice, ConsentState
from server.domain.subjects import Subjects, saved

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.domain.call import Call
    from server.domain.catalogue.catalogue import Catalogue, Purpose
    from server.domain.catalogue.catalogues import Catalogues
    from server.domain.change import Committed, Write
    from server.domain.consent.processing import Verdict
    from server.domain.ledger import Entry
    from server.domain.ports import Freshness, Ports
    from server.domain.subject import Subject
    from server.domain.values import Role, SubjectId


DECISIONS_AT_ONCE = 100_000
"""More than the decisions that one change of a subject can hold."""


class Method(StrEnum):
    """How a decision was expressed."""

    UNSPECIFIED = ""
    CONTROL = "control"
    CONVERSATION = "conversation"
    WRITTEN = "written"
    SPOKEN = "spoken"
    BROWSER_SETTING = "browser_setting"


class State(StrEnum):
    """What a subject's consent to a purpose amounts to at one moment."""

    GRANTED = "granted"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    RENEWAL_NEEDED = "renewal_needed"


@dataclass(frozen=True, slots=True)
class ParentalAuthority:
    """Who agreed for a child (Art. 8)."""

    subject_is_child: bool
    authorised: bool
    verification: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """What the person was shown: a policy version, and the exact text by digest and language."""

    policy_version: str
    text_digest: str
    locale: str


@dataclass(frozen=True, slots=True)
class NewDecision:
    """What a caller reports that a person decided.

    `decision_time` None: now. `shown` is there for every grant.
    """

    who: SubjectId
    purpose: str
    choice: Choice
    shown: Shown | None = None
    decision_time: datetime | None = None
    expire_time: datetime | None = None
    method: Method = Method.UNSPECIFIED
    explicit: bool = False
    parental_authority: ParentalAuthority | None = None
    evidence_digest: str = ""


@dataclass(frozen=True, slots=True)
class ConsentDecision:
    """One decision as it is kept: never changed. `number` orders a subject's decisions."""

    id: str
    tenant: str
    subject: str
    generation: int
    number: int
    purpose: str
    purpose_version: int
    choice: Choice
    decision_time: datetime
    record_time: datetime
    policy_version: str = ""
    text_digest: str = ""
    locale: str = ""
    expire_time: datetime | None = None
    method: Method = Method.UNSPECIFIED
    explicit: bool = False
    parental_authority: ParentalAuthority | None = None
    evidence_digest: str = ""


@dataclass(frozen=True, slots=True)
class ConsentRecorded:
    """What the caller of `record` is told, now and at a repeat."""

    decision: str
    record_time: datetime
    generation: int


@dataclass(frozen=True, slots=True)
class ConsentsWithdrawn:
    """What the caller of `withdraw_all` is told, now and at a repeat."""

    purposes: tuple[str, ...]
    record_time: datetime


@dataclass(frozen=True, slots=True)
class Consent:
    """The state of one purpose, with the decision behind it."""

    purpose: str
    state: State
    decision: ConsentDecision


def consents(role: Role) -> Table:
    """Return the table of the consent decisions of *role*."""
    return Table(Kind.CONSENTS, role)


def require_grantable(
    decision: NewDecision, purpose: Purpose, catalogue: Catalogue, now: datetime
) -> None:
    """Do nothing if a grant like *decision* can be recorded at *now*.

    Only grants are refused: withdrawing must stay as easy as agreeing (Art. 7(3)).

    Raises:
        PurposeRetiredError: the purpose takes no new grants.
        ConsentNotBasisError: the purpose doesn't rest on consent.
        PolicyVersionNotFoundError, PolicyVersionNotInForceError: of the version shown.
        TextNotPublishedError: the text shown isn't one of the purpose's.
        ParentalAuthorityRequiredError: a child's grant that no holder of responsibility authorised.
    """
    if purpose.is_retired(now):
        raise PurposeRetiredError(purpose=purpose.id)
    if purpose.legal_basis is not LegalBasis.CONSENT:
        raise ConsentNotBasisError(purpose=purpose.id)
    if decision.shown is None:
        raise TextNotPublishedError(purpose=purpose.id)
    if catalogue.policy_version(decision.shown.policy_version).effective_time > now:
        raise PolicyVersionNotInForceError(policy_version=decision.shown.policy_version)
    shown = (decision.shown.locale, decision.shown.text_digest)
    if shown not in {(text.locale, text.digest) for text in purpose.texts}:
        raise TextNotPublishedError(purpose=purpose.id)
    authority = decision.parental_authority
    if authority is not None and authority.subject_is_child and not authority.authorised:
        raise ParentalAuthorityRequiredError


def state_after(before: ConsentState | None, decision: ConsentDecision, entry: str) -> ConsentState:
    """Return the state that *decision* makes of *before*; a late grant leaves it as it is.

    Decisions arrive late and in any order; an error must fall on the side of the person. A
    refusal or withdrawal always holds. A grant holds only if nothing is known that the person
    decided later. The time of the state never goes back, so that no late decision lets an
    older grant in.
    """
    if before is not None and decision.choice is Choice.GRANTED:
        is_older = decision.decision_time < before.time
        is_same = decision.decision_time == before.time
        if is_older or (is_same and before.choice is not Choice.GRANTED):
            return before
    return ConsentState(
        choice=decision.choice,
        decision=decision.id,
        entry=entry,
        time=decision.decision_time if before is None else max(decision.decision_time, before.time),
        policy_version=decision.policy_version,
        text_digest=decision.text_digest,
        purpose_version=decision.purpose_version,
        explicit=decision.explicit,
        expire_time=decision.expire_time,
    )


def applied(subject: Subject, decision: ConsentDecision, entry: Entry) -> Subject:
    """Return *subject* with *decision* in its state, one version further."""
    consents = dict(subject.consents)
    before = consents.get(decision.purpose)
    consents[decision.purpose] = state_after(before, decision, entry.id)
    return replace(subject, version=subject.version + 1, consents=consents, entry=entry.id)


def numbered(subject: Subject, index: int) -> int:
    """Return the number of a decision: *index* among those made with the next state of *subject*.

    Numbers grow with the subject's version, so that they order all its decisions.
    """
    return (subject.version + 1) * DECISIONS_AT_ONCE + index


class Consents:
    """Records decisions, lists them, and answers checks."""

    def __init__(self, ports: Ports, catalogues: Catalogues) -> None:
        """Work on *ports*, with the purposes of *catalogues*."""
        self._ports = ports
        self._catalogues = catalogues
        self._subjects = Subjects(ports)
        self._commands = Commands(ports.reader, ports.committer, ports.keyring)

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
            decision, entry = self._decision(call, new, purpose, subject, now)
            return Decision(
                writes=(
                    saved(applied(subject, decision, entry)),
                    Insert(consents(new.who.role), decision),
                ),
                entries=(entry,),
                outcome=ConsentRecorded(decision.id, now, subject.generation),
            )

        return await self._commands.run(call, new.who.tenant, ConsentRecorded, decide)

    async def withdraw_all(
        self, call: Call, who: SubjectId, decision_time: datetime | None
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
                    who=who, purpose=id, choice=Choice.WITHDRAWN, decision_time=decision_time
                )
                decision, entry = self._decision(call, new, purpose, subject, now, index=index)
                after = applied(after, decision, entry)
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
        if subject.erased_time is not None and subject.erased_time <= moment:
            raise SubjectErasedError(generation=subject.generation)
        states: dict[str, ConsentState] = {}
        decisions: dict[str, ConsentDecision] = {}
        query = Query(
            consents(who.role),
            tenant=who.tenant,
            equals={"subject": subject.id, "generation": subject.generation},
            order="number",
            limit=1000,
        )
        async for decision in self._ports.reader.scan(query, ConsentDecision):
            if decision.record_time > moment:
                continue
            before = states.get(decision.purpose)
            states[decision.purpose] = after = state_after(before, decision, entry="")
            if after is not before:
                decisions[decision.purpose] = decision
        return [
            Consent(id, self._state(id, states[id], moment), decisions[id]) for id in sorted(states)
        ]

    async def history(
        self,
        call: Call,
        who: SubjectId,
        *,
        purpose: str,
        after: tuple[object, str] | None,
        limit: int,
    ) -> Sequence[ConsentDecision]:
        """Return one page of the subject's decisions, newest first; *purpose* "" means all.

        Raises:
            TenantNotFoundError, SubjectNotFoundError: of the tenant or subject.
        """
        subject = await self._subjects.require(call, who)
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

    async def check(
        self, call: Call, who: SubjectId, purpose: str, *, freshness: Freshness = DEFAULT_FRESHNESS
    ) -> Verdict:
        """Return whether the subject's data may be processed for *purpose*.

        Raises:
            TenantNotFoundError, PurposeNotFoundError: of the tenant or purpose.
        """
        found = await self._catalogues.purpose(purpose)
        subject = await self._subjects.find(call, who, freshness=freshness)
        return judge(found, self._catalogues.current, subject, who.role, self._ports.clock.now())

    def _decision(
        self,
        call: Call,
        new: NewDecision,
        purpose: Purpose,
        subject: Subject,
        now: datetime,
        *,
        index: int = 0,
    ) -> tuple[ConsentDecision, Entry]:
        shown = new.shown or Shown("", "", "")
        role, tenant = new.who.role, new.who.tenant
        id = self._ports.ids.new(role)
        decision = ConsentDecision(
            id=f"{tenant}/{id}",
            tenant=tenant,
            subject=subject.id,
            generation=subject.generation,
            number=numbered(subject, index),
            purpose=purpose.id,
            purpose_version=purpose.version,
            choice=new.choice,
            decision_time=new.decision_time or now,
            record_time=now,
            policy_version=shown.policy_version,
            text_digest=shown.text_digest,
            locale=shown.locale,
            expire_time=new.expire_time,
            method=new.method,
            explicit=new.explicit,
            parental_authority=new.parental_authority,
            evidence_digest=new.evidence_digest,
        )
        entry = new_entry(
            call,
            self._ports.ids,
            tenant=tenant,
            type=f"consent.{new.choice}",
            time=now,
            role=role,
            subject=subject.reference,
            purpose=purpose.id,
            target=f"tenants/{tenant}/consentDecisions/{id}",
        )
        return decision, entry

    def _state(self, purpose_id: str, consent: ConsentState, moment: datetime) -> State:
        if consent.choice is not Choice.GRANTED:
            return State(consent.choice)
        if is_expired(consent, moment):
            return State.EXPIRED
        purpose = self._catalogues.current.purposes.get(purpose_id)
        if purpose is not None and needs_renewal(consent, purpose, moment):
            return State.RENEWAL_NEEDED
        return State.GRANTED
