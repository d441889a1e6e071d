"""A subject's request and its course, from receipt to a final state (Art. 12, 15-22).

    AWAITING_IDENTITY ──► AWAITING_CONTROLLER ──► IN_PROGRESS ──► COMPLETED, PARTIALLY_COMPLETED
            │     only where the tenant decides        │
            └────────► every open state ──► REFUSED, WITHDRAWN, SUPERSEDED (by a directive);
                                            unverified ones ──► EXPIRED

Everything here is pure: a step returns the request as it stands after it, or refuses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from server.domain.errors import (
    ControllerNotAuthorisedError,
    IdentityNotVerifiedError,
    IllegalTransitionError,
)
from server.domain.periods import end_of_period
from server.domain.rights.terms import (
    Assurance,
    Capacity,
    Channel,
    Ending,
    Ground,
    IdentityMethod,
    NoticeKind,
    RestrictionGround,
    Right,
)
from server.domain.values import Role

MONTHS_TO_ANSWER = 1
"""Art. 12(3): "without undue delay and in any event within one month of receipt"."""

STORE = "holders/store"
"""This service itself, as a place that holds data: no other holder can be called so."""


class State(StrEnum):
    """Where a request stands."""

    AWAITING_IDENTITY = "awaiting_identity"
    AWAITING_CONTROLLER = "awaiting_controller"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    PARTIALLY_COMPLETED = "partially_completed"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"


class Cause(StrEnum):
    """Why a request changed its state."""

    RECEIVED = "received"
    IDENTITY_VERIFIED = "identity_verified"
    AUTHORISED = "authorised"
    ALL_CONFIRMED = "all_confirmed"
    PLACES_MISSING = "places_missing"
    SUBJECT_ERASED = "subject_erased"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    DIRECTIVE_ACTIVATED = "directive_activated"


class Step(StrEnum):
    """What can happen to a request."""

    ATTEST = "attest"
    AUTHORISE = "authorise"
    EXECUTE = "execute"
    REFUSE = "refuse"
    WITHDRAW = "withdraw"
    EXPIRE = "expire"
    SUPERSEDE = "supersede"


VERIFIED = frozenset({State.AWAITING_CONTROLLER, State.IN_PROGRESS})
"""Open, and known to be the person's own: only these stand in the way of another (trap: else a
stranger's request would block the person's)."""

OPEN = VERIFIED | {State.AWAITING_IDENTITY}

POSSIBLE: Mapping[Step, frozenset[State]] = {
    Step.ATTEST: frozenset({State.AWAITING_IDENTITY}),
    Step.AUTHORISE: frozenset({State.AWAITING_CONTROLLER}),
    Step.EXECUTE: frozenset({State.IN_PROGRESS}),
    Step.REFUSE: OPEN,
    Step.WITHDRAW: OPEN,
    Step.EXPIRE: frozenset({State.AWAITING_IDENTITY}),
    Step.SUPERSEDE: OPEN,
}
"""Step → the states that it can be taken from; every other is refused."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a request in one place; `detail` holds no personal data."""

    holder: str
    ending: Ending
    time: datetime
    record_count: int = 0
    category: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """That the person was told something; `notice_time` None: not recorded yet, now."""

    kind: NoticeKind
    channel: Channel
    notice_time: datetime | None = None
    evidence_digest: str = ""


@dataclass(frozen=True, slots=True)
class Identity:
    """How sure it is who asked, and what established it; `time` None: not recorded yet."""

    assurance: Assurance
    method: IdentityMethod
    time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Requester:
    """Who asks for the person; the digest is of evidence that the caller keeps."""

    capacity: Capacity
    evidence_digest: str = ""


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of a request's state; `before` None: it was received."""

    before: State | None
    after: State
    cause: Cause
    time: datetime
    entry: str = ""


@dataclass(frozen=True, slots=True)
class RightsRequest:
    """A request, with its clock. It outlives the person's data: it shows that we answered.

    Shapes:
        id: `tenant/id`; the id's letter tells the role.
        subject: the subject's id, `tenant/reference`.
        generation: the life of the subject that it was received for; it touches no other.
        due_time: the first moment after the period.
        time_zone: where the period was counted, as the tenant's zone was then.
        transitions: every change of state, oldest first, each with its ledger entry.
        sealed_authorised_by: who instructed for the tenant, under the tenant's key.
        sealed_statement, sealed_instruction, sealed_explanation: words that can be about the
            person, under the subject's key; they go with it.
        purposes: those that it is about, for objections and withdrawals; none: all.
        direct_marketing: whether it is an objection to all direct marketing.
        lift_time: when a restriction is lifted, at the earliest.
        notices: what the person was told about it, in the order in which it was recorded.
        export: the id of the export that answers it, or "".
        requester: who asked; None: the person.
        categories: those concerned; none: all.
        directive: the name of the directive that it carries out or that superseded it, or "".
    """

    id: str
    tenant: str
    version: int
    role: Role
    subject: str
    generation: int
    right: Right
    state: State
    receive_time: datetime
    create_time: datetime
    due_time: datetime
    time_zone: str = ""
    identity: Identity | None = None
    authorise_time: datetime | None = None
    sealed_authorised_by: bytes | None = None
    sealed_statement: bytes | None = None
    sealed_instruction: bytes | None = None
    sealed_explanation: bytes | None = None
    ground: Ground | None = None
    end_time: datetime | None = None
    results: tuple[Result, ...] = ()
    purposes: tuple[str, ...] = ()
    direct_marketing: bool = False
    restriction_ground: RestrictionGround | None = None
    lift_time: datetime | None = None
    notices: tuple[Notice, ...] = ()
    export: str = ""
    export_expire_time: datetime | None = None
    transitions: tuple[Transition, ...] = ()
    requester: Requester | None = None
    categories: tuple[str, ...] = ()
    directive: str = ""

    @property
    def name(self) -> str:
        """The resource name."""
        tenant, _, id = self.id.partition("/")
        return f"tenants/{tenant}/rightsRequests/{id}"

    @property
    def reference(self) -> str:
        """The subject reference."""
        return self.subject.rpartition("/")[2]

    def require(self, step: Step) -> None:
        """Do nothing if *step* can be taken now.

        Raises:
            IdentityNotVerifiedError: it is to be executed, and nobody knows whose wish it is.
            ControllerNotAuthorisedError: it is to be executed, and the tenant hasn't decided.
            IllegalTransitionError: the state doesn't allow it.
        """
        if self.state in POSSIBLE[step]:
            return
        if step is Step.EXECUTE and self.state is State.AWAITING_IDENTITY:
            raise IdentityNotVerifiedError
        if step is Step.EXECUTE and self.state is State.AWAITING_CONTROLLER:
            raise ControllerNotAuthorisedError
        raise IllegalTransitionError(state=self.state)

    def attested(self, identity: Identity, *, time: datetime) -> RightsRequest:
        """Return the request of a person who is known to be the one.

        Raises:
            IllegalTransitionError: it was verified before, or has ended.
        """
        self.require(Step.ATTEST)
        return self._moved(
            _once_verified(self.role),
            Cause.IDENTITY_VERIFIED,
            time,
            identity=replace(identity, time=time),
        )

    def authorised(self, *, time: datetime, by: bytes, instruction: bytes | None) -> RightsRequest:
        """Return the request as the tenant, who is the controller, instructs to execute it.

        *by* and *instruction* are sealed. Raises:
            IllegalTransitionError: it doesn't wait for the tenant.
        """
        self.require(Step.AUTHORISE)
        return self._moved(
            State.IN_PROGRESS,
            Cause.AUTHORISED,
            time,
            authorise_time=time,
            sealed_authorised_by=by,
            sealed_instruction=instruction,
        )

    def executed(
        self, results: Sequence[Result], *, time: datetime, cause: Cause | None = None
    ) -> RightsRequest:
        """Return the request as it ended in each place: COMPLETED only if all of them confirmed.

        *cause* None: that, or what is missing, is why it ended.

        Raises:
            DomainError: what `require` raises.
        """
        self.require(Step.EXECUTE)
        done = bool(results) and all(result.ending is Ending.CONFIRMED for result in results)
        return self._moved(
            State.COMPLETED if done else State.PARTIALLY_COMPLETED,
            cause or (Cause.ALL_CONFIRMED if done else Cause.PLACES_MISSING),
            time,
            end_time=time,
            results=tuple(results),
        )

    def refused(
        self, ground: Ground, *, explanation: bytes | None, time: datetime
    ) -> RightsRequest:
        """Return the request as refused on *ground*, with the sealed *explanation*.

        Raises:
            IllegalTransitionError: it has ended.
        """
        self.require(Step.REFUSE)
        return self._moved(
            State.REFUSED,
            Cause.REFUSED,
            time,
            end_time=time,
            ground=ground,
            sealed_explanation=explanation,
        )

    def withdrawn(self, *, time: datetime) -> RightsRequest:
        """Return the request as withdrawn by the person.

        Raises:
            IllegalTransitionError: it has ended.
        """
        self.require(Step.WITHDRAW)
        return self._moved(State.WITHDRAWN, Cause.WITHDRAWN, time, end_time=time)

    def superseded(self, directive: str, *, time: datetime) -> RightsRequest:
        """Return the request as ended by *directive*, a name, which says otherwise.

        Raises:
            IllegalTransitionError: it has ended.
        """
        self.require(Step.SUPERSEDE)
        cause = Cause.DIRECTIVE_ACTIVATED
        return self._moved(State.SUPERSEDED, cause, time, end_time=time, directive=directive)

    def notified(self, notice: Notice) -> RightsRequest:
        """Return the request with *notice* among what the person was told.

        Raises:
            IllegalTransitionError: there is nothing of the kind to tell about it.
        """
        is_lifting = self.right is Right.LIFTING_OF_RESTRICTION and self.state in OPEN
        fits = {
            NoticeKind.RECEIPT: True,
            NoticeKind.EXTENSION: False,  # Nothing is extended in this version.
            NoticeKind.OUTCOME: self.state in {State.COMPLETED, State.PARTIALLY_COMPLETED},
            NoticeKind.REFUSAL: self.state is State.REFUSED,
            NoticeKind.LIFTING: is_lifting,
        }
        if not fits[notice.kind]:
            raise IllegalTransitionError(state=self.state)
        return self._next(notices=(*self.notices, notice))

    def counted(self, record_count: int) -> RightsRequest:
        """Return the request with the number of records that were destroyed, known afterwards."""
        counted = tuple(
            replace(each, record_count=record_count) if each.holder == STORE else each
            for each in self.results
        )
        return self._next(results=counted)

    def received(self) -> RightsRequest:
        """Return the request with its receipt as the first of its transitions."""
        first = Transition(None, self.state, Cause.RECEIVED, self.create_time)
        return replace(self, transitions=(first,))

    def entered(self, entry: str) -> RightsRequest:
        """Return the request with the ledger *entry* that says what its last transition was."""
        *earlier, last = self.transitions
        return replace(self, transitions=(*earlier, replace(last, entry=entry)))

    def _moved(
        self, state: State, cause: Cause, time: datetime, **changes: object
    ) -> RightsRequest:
        move = Transition(self.state, state, cause, time)
        return self._next(state=state, transitions=(*self.transitions, move), **changes)

    def _next(self, **changes: object) -> RightsRequest:
        return replace(self, version=self.version + 1, **changes)  # type: ignore[arg-type]  # of the fields' own types


def due_time(receive_time: datetime, zone: str) -> datetime:
    """Return when the month that runs from *receive_time* is over, for somebody in *zone*."""
    day = receive_time.astimezone(ZoneInfo(zone)).date()
    return end_of_period(day, MONTHS_TO_ANSWER, zone)


def first_state(role: Role, identity: Identity | None) -> State:
    """Return the state that a request begins in, with or without an attested *identity*."""
    return State.AWAITING_IDENTITY if identity is None else _once_verified(role)


def _once_verified(role: Role) -> State:
    # Towards a tenant's end-users we are the processor: the tenant decides (Art. 28(3)(a), (e)).
    return State.AWAITING_CONTROLLER if role is Role.PROCESSOR else State.IN_PROGRESS
