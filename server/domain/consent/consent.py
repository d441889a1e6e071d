"""Consent: decisions that are only ever added, and the state that they amount to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from server.domain.catalogue.catalogue import LegalBasis
from server.domain.change import Kind, Table
from server.domain.errors import (
    ConsentNotBasisError,
    ParentalAuthorityRequiredError,
    PolicyVersionNotInForceError,
    PurposeRetiredError,
    TextNotPublishedError,
)
from server.domain.subject import Choice, ConsentState

if TYPE_CHECKING:
    from server.domain.catalogue.catalogue import Catalogue, Purpose
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
    """One decision as it is kept: never changed.

    Shapes:
        number: orders a subject's decisions.
        entry: the id of the ledger entry that was written with it.
        from_visitor: whether it restates what the person had chosen as a visitor.
    """

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
    entry: str = ""
    policy_version: str = ""
    text_digest: str = ""
    locale: str = ""
    expire_time: datetime | None = None
    method: Method = Method.UNSPECIFIED
    explicit: bool = False
    parental_authority: ParentalAuthority | None = None
    evidence_digest: str = ""
    from_visitor: bool = False

    @property
    def reference(self) -> str:
        """The subject reference."""
        return self.subject.rpartition("/")[2]


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
        PolicyVersionNotFoundError: there is no such version as was shown.
        PolicyVersionNotInForceError: it wasn't in force when the person decided (S15).
        TextNotPublishedError: the text shown isn't one of the purpose's.
        ParentalAuthorityRequiredError: a child's grant that no holder of responsibility authorised.
    """
    if purpose.is_retired(now):
        raise PurposeRetiredError(purpose=purpose.id)
    if purpose.legal_basis is not LegalBasis.CONSENT:
        raise ConsentNotBasisError(purpose=purpose.id)
    if decision.shown is None:
        raise TextNotPublishedError(purpose=purpose.id)
    # What was not in force yet can't be what the person was shown.
    decided = min(decision.decision_time or now, now)
    if catalogue.policy_version(decision.shown.policy_version).effective_time > decided:
        raise PolicyVersionNotInForceError(policy_version=decision.shown.policy_version)
    shown = (decision.shown.locale, decision.shown.text_digest)
    if shown not in {(text.locale, text.digest) for text in purpose.texts}:
        raise TextNotPublishedError(purpose=purpose.id)
    authority = decision.parental_authority
    if authority is not None and authority.subject_is_child and not authority.authorised:
        raise ParentalAuthorityRequiredError


def state_after(before: ConsentState | None, decision: ConsentDecision) -> ConsentState:
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
        entry=decision.entry,
        time=decision.decision_time if before is None else max(decision.decision_time, before.time),
        policy_version=decision.policy_version,
        text_digest=decision.text_digest,
        purpose_version=decision.purpose_version,
        explicit=decision.explicit,
        expire_time=decision.expire_time,
    )


def applied(subject: Subject, decision: ConsentDecision) -> Subject:
    """Return *subject* with *decision* in its state, one version further."""
    consents = dict(subject.consents)
    before = consents.get(decision.purpose)
    consents[decision.purpose] = state_after(before, decision)
    return replace(subject, version=subject.version + 1, consents=consents, entry=decision.entry)


def numbered(subject: Subject, index: int) -> int:
    """Return the number of a decision: *index* among those made with the next state of *subject*.

    Numbers grow with the subject's version, so that they order all its decisions.
    """
    return (subject.version + 1) * DECISIONS_AT_ONCE + index
