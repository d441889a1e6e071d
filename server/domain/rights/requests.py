"""Receiving subjects' requests, and taking them as far as their execution (Art. 12)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from server.domain.change import Insert, Kind, Replace, Table
from server.domain.commands import Commands, Decision
from server.domain.errors import (
    InvalidArgumentError,
    RequestAlreadyOpenError,
    RightsRequestNotFoundError,
    SubjectErasedError,
    SubjectNotFoundError,
    Violation,
)
from server.domain.identifiers import role_of
from server.domain.ledger import new_entry
from server.domain.ledger.commitment import committing
from server.domain.ports import DEFAULT_FRESHNESS, Query
from server.domain.reasons import require_impersonal
from server.domain.rights.request import (
    STORE,
    VERIFIED,
    Identity,
    Notice,
    Result,
    RightsRequest,
    State,
    due_time,
    first_state,
)
from server.domain.rights.terms import Ending, Ground, RestrictionGround, Right, may_be_refused_on
from server.domain.subject import Subject
from server.domain.subjects import Subjects, saved, subjects

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from server.domain.call import Call
    from server.domain.change import Committed, Write
    from server.domain.ledger import Entry
    from server.domain.ports import Freshness, Ports
    from server.domain.rights.effects import Effects
    from server.domain.tenants import Tenants
    from server.domain.values import Role, SubjectId

_STEP = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class NewRequest:
    """What a caller reports that a person asked for. `receive_time` None: now."""

    who: SubjectId
    right: Right
    receive_time: datetime | None = None
    statement: str = ""
    identity: Identity | None = None
    purposes: tuple[str, ...] = ()
    direct_marketing: bool = False
    restriction_ground: RestrictionGround | None = None
    lift_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which requests of a list are wanted; empty means all."""

    states: tuple[State, ...] = ()
    due_before: datetime | None = None
    rights: tuple[Right, ...] = ()
    who: SubjectId | None = None


@dataclass(frozen=True, slots=True)
class Readable:
    """A request with its sealed words; "" where there are none, or no key any more."""

    request: RightsRequest
    authorised_by: str = ""
    explanation: str = ""


def requests(role: Role) -> Table:
    """Return the table of the requests of the subjects of *role*."""
    return Table(Kind.REQUESTS, role)


def id_in(name: str) -> str:
    """Return the id of the request called *name*; "" if *name* is that of something else."""
    match name.split("/"):
        case ["tenants", tenant, "rightsRequests", id]:
            return f"{tenant}/{id}"
        case _:
            return ""


def sealing_context(request: RightsRequest, words: str) -> str:
    """Return the context under which *words* (`statement`, …) of *request* are sealed."""
    return f"rights-request/{request.id}/{words}"


def is_over(request: RightsRequest, subject: Subject) -> bool:
    """Whether the life of *subject* that *request* is about has ended."""
    return subject.is_erased or subject.generation != request.generation


def _just_before(time: datetime) -> datetime:
    """Return the last time before *time* that can be stored, which is by the millisecond."""
    first = datetime.min.replace(tzinfo=UTC)
    return max(time, first + _STEP) - _STEP


def held_still(subject: Subject) -> Write:
    """Return a write of *subject* as it is, so that whoever read it before has to decide again.

    Two decisions about one person that write different documents would not notice each other.
    """
    return saved(replace(subject, version=subject.version + 1))


class RightsRequests:
    """Receives requests, and records what is decided about them."""

    def __init__(self, ports: Ports, tenants: Tenants, effects: Effects) -> None:
        """Work on *ports*, for *tenants*, with what *effects* do as soon as they are received."""
        self._effects = effects
        self._ports = ports
        self._tenants = tenants
        self._subjects = Subjects(ports)
        self._commands = Commands(ports)

    async def create(self, call: Call, new: NewRequest) -> Committed[RightsRequest]:
        """Receive a request; its clock runs from the time the person asked.

        What takes effect at once is committed with it; if that is all, it is completed.

        Raises:
            TenantNotFoundError, SubjectNotFoundError: of the tenant or subject.
            PurposeNotFoundError, PurposeRoleMismatchError: of a purpose that it names.
            SubjectErasedError: that life of the subject has ended.
            RequestAlreadyOpenError: both this and an open one for the same right are verified.
        """

        async def decide() -> Decision[RightsRequest]:
            tenant = await self._tenants.get(new.who.tenant)
            subject = (await self._subjects.require(call, new.who)).require_active(new.who)
            now = self._ports.clock.now()
            received = new.receive_time or now
            request = RightsRequest(
                id=f"{tenant.id}/{self._ports.ids.new(subject.role)}",
                tenant=tenant.id,
                version=1,
                role=subject.role,
                subject=subject.id,
                generation=subject.generation,
                right=new.right,
                state=first_state(subject.role, new.identity),
                receive_time=received,
                create_time=now,
                due_time=due_time(received, tenant.time_zone),
                time_zone=tenant.time_zone,
                identity=replace(new.identity, time=now) if new.identity else None,
                purposes=new.purposes,
                direct_marketing=new.direct_marketing,
                restriction_ground=new.restriction_ground,
                lift_time=new.lift_time,
            )
            await self._effects.require_purposes(request)
            effect = await self._effects.at_once(call, request, subject, now=now)
            if effect is not None and effect.is_whole:
                request = replace(request, state=State.IN_PROGRESS)
            sealed = await self._sealed(subject, request, "statement", new.statement)
            entry = self.entry(call, request, "rights.request_created", now)
            said = {"statement": new.statement}
            entry = await committing(self._ports.keyring, entry, said, request, subject=subject)
            request = replace(request, sealed_statement=sealed).received().entered(entry.id)
            entries = [entry, *(effect.entries if effect else ())]
            if effect is not None and effect.is_whole:
                result = Result(STORE, Ending.CONFIRMED, now, detail=effect.detail)
                # It is stored for the first time as it is now.
                request = replace(request.executed((result,), time=now), version=1)
                completed = self.entry(call, request, "rights.request_completed", now)
                request = request.entered(completed.id)
                entries.append(completed)
            elif request.identity is not None:
                await self._require_alone(request)
            writes: list[Write] = [Insert(requests(request.role), request)]
            if effect is not None:
                writes += effect.writes
            elif request.identity is not None:
                writes.append(held_still(subject))
            return Decision(writes=writes, entries=entries, outcome=request)

        return await self._commands.run(call, new.who.tenant, RightsRequest, decide)

    async def attest(
        self, call: Call, *, tenant: str, request: str, identity: Identity
    ) -> Committed[RightsRequest]:
        """Record that *request* is the person's own.

        Raises:
            RightsRequestNotFoundError: the tenant has none with this id.
            IllegalTransitionError: it was verified before, or has ended.
            RequestAlreadyOpenError: a verified one for the same right is open.
        """

        async def step(found: RightsRequest, now: datetime) -> Decision[RightsRequest]:
            after = found.attested(identity, time=now)
            await self._require_alone(after)
            subject = await self.subject_of(found)
            fence = () if is_over(found, subject) else (held_still(subject),)
            return await self._decided(call, after, "rights.identity_attested", now, *fence)

        return await self._take(call, tenant, request, step)

    async def authorise(
        self, call: Call, *, tenant: str, request: str, authorised_by: str, instruction: str
    ) -> Committed[RightsRequest]:
        """Record the instruction of the tenant, who is the controller (Art. 28(3)(a)).

        Raises:
            RightsRequestNotFoundError: the tenant has none with this id.
            IllegalTransitionError: it doesn't wait for the tenant.
            SubjectErasedError: there is an *instruction*, and no key any more to keep it under.
        """

        async def step(found: RightsRequest, now: datetime) -> Decision[RightsRequest]:
            after = found.authorised(
                time=now,
                by=await self._ports.keyring.seal_for_tenant(
                    tenant, authorised_by.encode(), sealing_context(found, "authorised-by")
                ),
                instruction=await self._sealed_for_life(found, "instruction", instruction),
            )
            said = {"authorised_by": authorised_by, "instruction": instruction}
            return await self._decided(call, after, "rights.request_authorised", now, said=said)

        return await self._take(call, tenant, request, step)

    async def refuse(
        self, call: Call, *, tenant: str, request: str, ground: Ground, explanation: str
    ) -> Committed[RightsRequest]:
        """Record that *request* is refused, on a ground that the law offers against its right.

        Raises:
            RightsRequestNotFoundError: the tenant has none with this id.
            InvalidArgumentError: the law doesn't offer the ground against this right.
            IllegalTransitionError: it has ended.
            SubjectErasedError: there is no key any more to keep the *explanation* under.
        """

        async def step(found: RightsRequest, now: datetime) -> Decision[RightsRequest]:
            if not may_be_refused_on(ground, found.right):
                rule = "must be a ground that the law offers against this kind of request"
                raise InvalidArgumentError((Violation("ground", rule),))
            sealed = await self._sealed_for_life(found, "explanation", explanation)
            after = found.refused(ground, explanation=sealed, time=now)
            said = {"ground": ground, "explanation": explanation}
            return await self._decided(call, after, "rights.request_refused", now, said=said)

        return await self._take(call, tenant, request, step)

    async def withdraw(self, call: Call, *, tenant: str, request: str) -> Committed[RightsRequest]:
        """Record that the person takes *request* back.

        Raises:
            RightsRequestNotFoundError: the tenant has none with this id.
            IllegalTransitionError: it has ended.
        """

        async def step(found: RightsRequest, now: datetime) -> Decision[RightsRequest]:
            after = found.withdrawn(time=now)
            return await self._decided(call, after, "rights.request_withdrawn", now)

        return await self._take(call, tenant, request, step)

    async def notify(
        self, call: Call, *, tenant: str, request: str, notice: Notice
    ) -> Committed[RightsRequest]:
        """Record that the person was told about *request* (Art. 12(3), (4), 18(3)).

        Raises:
            RightsRequestNotFoundError: the tenant has none with this id.
            IllegalTransitionError: there is nothing of the kind to tell about it.
        """

        async def step(found: RightsRequest, now: datetime) -> Decision[RightsRequest]:
            told = replace(notice, notice_time=notice.notice_time or now)
            after = found.notified(told)
            entry = self.entry(call, after, "rights.subject_notified", now)
            subject = await self.subject_of(after)
            if not is_over(after, subject):
                entry = await committing(self._ports.keyring, entry, told, subject=subject)
            return Decision((Replace(requests(after.role), after),), (entry,), after)

        return await self._take(call, tenant, request, step)

    async def get(
        self,
        call: Call,
        *,
        tenant: str,
        request: str,
        freshness: Freshness = DEFAULT_FRESHNESS,
    ) -> RightsRequest:
        """Return *request*, the last part of its name.

        Raises:
            RightsRequestNotFoundError: the tenant has none with this id.
        """
        id = f"{tenant}/{request}"
        found = await self._ports.reader.get(
            requests(role_of(request)), tenant, id, RightsRequest, freshness=freshness
        )
        if found is None:
            raise RightsRequestNotFoundError
        call.notes["tenant"], call.notes["subject"] = tenant, found.reference
        return found

    async def list(
        self,
        role: Role,
        tenant: str,
        *,
        wanted: Filter,
        after: tuple[object, str] | None,
        limit: int,
    ) -> Sequence[RightsRequest]:
        """Return one page of the *wanted* requests of a tenant, first due first.

        Raises:
            TenantNotFoundError: there is no such tenant.
        """
        await self._tenants.get(tenant)
        query = Query(
            requests(role),
            tenant=tenant,
            equals=await self._equals(wanted),
            at_most={"due_time": _just_before(wanted.due_before)} if wanted.due_before else {},
            order="due_time",
            after=after,
            limit=limit,
        )
        return await self._ports.reader.find(query, RightsRequest)

    async def _equals(self, wanted: Filter) -> dict[str, str | tuple[str, ...]]:
        equals: dict[str, str | tuple[str, ...]] = {}
        if wanted.states:
            equals["state"] = wanted.states
        if wanted.rights:
            equals["right"] = wanted.rights
        if wanted.who is not None:
            reference = await self._ports.keyring.reference(wanted.who)
            equals["subject"] = f"{wanted.who.tenant}/{reference}"
        return equals

    async def read(self, call: Call, *found: RightsRequest, reason: str) -> Sequence[Readable]:
        """Return *found* with their words, once the ledger tells whose they are, and the reason.

        Raises:
            InvalidArgumentError: the reason says who one of them is.
        """
        # At once, so that the reads of many go out as few.
        readable = await asyncio.gather(*(self.readable(request) for request in found))
        told = [each.request for each in readable if each.authorised_by or each.explanation]
        about = await asyncio.gather(*(self.subject_of(request) for request in told))
        await require_impersonal(self._ports.keyring, reason, *about)
        now = self._ports.clock.now()
        await self._commands.note(
            *(
                self.entry(call, request, "rights.request_read", now, reason=reason)
                for request in told
            )
        )
        return readable

    async def readable(self, request: RightsRequest) -> Readable:
        """Return *request* with its words, for the answer to whoever has just changed it.

        Those about a person who was erased are gone.
        """
        by = ""
        if request.sealed_authorised_by is not None:
            by = (
                await self._ports.keyring.unseal_for_tenant(
                    request.tenant,
                    request.sealed_authorised_by,
                    sealing_context(request, "authorised-by"),
                )
            ).decode()
        return Readable(request, by, await self._explanation(request))

    async def subject_of(self, request: RightsRequest) -> Subject:
        """Return the subject of *request* as it is now, in whichever life.

        Raises:
            SubjectNotFoundError: it is gone, which can't be: subjects are never deleted.
        """
        found = await self._ports.reader.get(
            subjects(request.role), request.tenant, request.subject, Subject
        )
        if found is None:
            raise SubjectNotFoundError
        return found

    def entry(
        self, call: Call, request: RightsRequest, type: str, time: datetime, *, reason: str = ""
    ) -> Entry:
        """Return the ledger entry that says what happened to *request*."""
        return new_entry(
            call,
            self._ports.ids,
            tenant=request.tenant,
            type=type,
            time=time,
            role=request.role,
            subject=request.reference,
            reason=reason,
            target=request.name,
        )

    async def _take(
        self,
        call: Call,
        tenant: str,
        request: str,
        step: Callable[[RightsRequest, datetime], Awaitable[Decision[RightsRequest]]],
    ) -> Committed[RightsRequest]:
        async def decide() -> Decision[RightsRequest]:
            found = await self.get(call, tenant=tenant, request=request)
            return await step(found, self._ports.clock.now())

        return await self._commands.run(call, tenant, RightsRequest, decide)

    async def _decided(
        self,
        call: Call,
        after: RightsRequest,
        type: str,
        now: datetime,
        *others: Write,
        said: Mapping[str, str] | None = None,
    ) -> Decision[RightsRequest]:
        # The whole request is kept for repeats: what is personal in it is sealed.
        entry = self.entry(call, after, type, now)
        if said is not None:
            subject = await self.subject_of(after)
            if not is_over(after, subject):
                entry = await committing(self._ports.keyring, entry, said, subject=subject)
        after = after.entered(entry.id)
        return Decision(
            writes=(Replace(requests(after.role), after), *others),
            entries=(entry,),
            outcome=after,
        )

    async def _require_alone(self, request: RightsRequest) -> None:
        same = Query(
            requests(request.role),
            tenant=request.tenant,
            equals={
                "subject": request.subject,
                "generation": request.generation,
                "right": request.right,
                "state": tuple(VERIFIED),
            },
            limit=1,
        )
        for found in await self._ports.reader.find(same, RightsRequest):
            raise RequestAlreadyOpenError(request=found.name)

    async def _sealed_for_life(self, request: RightsRequest, words: str, text: str) -> bytes | None:
        subject = await self.subject_of(request)
        if text and is_over(request, subject):
            raise SubjectErasedError(generation=subject.generation)
        return await self._sealed(subject, request, words, text)

    async def _sealed(
        self, subject: Subject, request: RightsRequest, words: str, text: str
    ) -> bytes | None:
        if not text:
            return None
        context = sealing_context(request, words)
        return await self._ports.keyring.seal(subject, text.encode(), context)

    async def _explanation(self, request: RightsRequest) -> str:
        if request.sealed_explanation is None:
            return ""
        subject = await self.subject_of(request)
        if is_over(request, subject):
            return ""
        context = sealing_context(request, "explanation")
        sealed = request.sealed_explanation
        return (await self._ports.keyring.unseal(subject, sealed, context)).decode()
