"""Executing subjects' requests: doing what was asked for, and keeping the proof (Art. 15, 17)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from server.domain.change import Insert, Replace
from server.domain.commands import Commands, Decision
from server.domain.directives.carrying_out import Communication
from server.domain.errors import CertificateNotFoundError, NotBuiltYetError
from server.domain.ports import DEFAULT_FRESHNESS
from server.domain.rights.certificates import Certificate, certificate, certificates
from server.domain.rights.effects import AT_EXECUTION
from server.domain.rights.exports import exports
from server.domain.rights.request import STORE, Cause, Result, RightsRequest, Step
from server.domain.rights.requests import held_still, is_over, requests
from server.domain.rights.terms import Ending, Right

if TYPE_CHECKING:
    from server.domain.call import Call
    from server.domain.change import Committed, Write
    from server.domain.directives.carrying_out import CarryingOut
    from server.domain.ledger import Entry
    from server.domain.ports import Freshness, Ports
    from server.domain.rights.access import AccessDocuments
    from server.domain.rights.effects import Effects
    from server.domain.rights.erasure import Erasures
    from server.domain.rights.exports import Export, Exports
    from server.domain.rights.requests import RightsRequests
    from server.domain.subject import Subject

EXECUTABLE = frozenset({Right.ACCESS, Right.ERASURE, Right.CONSENT_WITHDRAWAL, *AT_EXECUTION})
"""The rights whose requests can be executed in this version, or are when they are received."""

_COMPLETED = "rights.request_completed"
_KEY_DESTROYED = "the subject key was destroyed"
_DELETED = "the records of the categories were deleted; the rest is kept, and its key"
_ERASED_BEFORE = "nothing was left: the subject had been erased"


class RightsExecution:
    """Does what requests ask for; nothing is done for one that isn't verified and authorised."""

    def __init__(
        self,
        ports: Ports,
        requests: RightsRequests,
        documents: AccessDocuments,
        exports: Exports,
        *,
        erasures: Erasures,
        carrying_out: CarryingOut,
        effects: Effects,
    ) -> None:
        """Execute *requests* on *ports* with what the other services do."""
        self._ports = ports
        self._requests = requests
        self._documents = documents
        self._exports = exports
        self._erasures = erasures
        self._carrying_out = carrying_out
        self._effects = effects
        self._commands = Commands(ports)

    async def execute(self, call: Call, *, tenant: str, request: str) -> Committed[RightsRequest]:
        """Do what *request* asks for, to the life of the subject that it was received for.

        A later life is never touched: if that one has ended, there is nothing left to do.

        Raises:
            RightsRequestNotFoundError: the tenant has none with this id.
            IdentityNotVerifiedError, ControllerNotAuthorisedError: it isn't ready.
            IllegalTransitionError: it has ended.
            PriorNoticeMissingError: the person is to be told before.
        """
        made: list[tuple[Export, int]] = []

        async def decide() -> Decision[RightsRequest]:
            found = await self._requests.get(call, tenant=tenant, request=request)
            found.require(Step.EXECUTE)
            subject = await self._requests.subject_of(found)
            if is_over(found, subject):
                return await self._nothing_left(call, found)
            await self._carrying_out.require_turn(found)
            match found.right:
                case Right.ERASURE if found.categories:
                    return await self._erase_part(call, found, subject)
                case Right.ERASURE:
                    return await self._erase(call, found, subject)
                case Right.ACCESS | Right.COMMUNICATION:
                    if not made:
                        made.append(await self._export(call, found, subject))
                        # That may have taken long: everything is looked at again.
                        return await decide()
                    return await self._answer(call, found, subject, *made[0])
                case right if right in AT_EXECUTION:
                    return await self._change_what_stands(call, found, subject)
                case _:
                    raise NotBuiltYetError(what=f"the execution of {found.right} requests")

        return await self._commands.run(call, tenant, RightsRequest, decide)

    async def certificate(
        self,
        call: Call,
        *,
        tenant: str,
        request: str,
        freshness: Freshness = DEFAULT_FRESHNESS,
    ) -> str:
        """Return the certificate of what *request* erased: a compact JWS.

        Raises:
            RightsRequestNotFoundError: the tenant has none with this id.
            CertificateNotFoundError: it isn't an erasure, or hasn't been executed.
        """
        found = await self._requests.get(call, tenant=tenant, request=request, freshness=freshness)
        kept = await self._ports.reader.get(
            certificates(found.role), tenant, found.id, Certificate, freshness=freshness
        )
        if kept is None:
            raise CertificateNotFoundError
        return kept.jws

    async def _erase(
        self, call: Call, request: RightsRequest, subject: Subject
    ) -> Decision[RightsRequest]:
        now = self._ports.clock.now()
        erased = self._erasures.of(
            call, subject, time=now, reason="erasure request (Art. 17)", cause=request.name
        )
        result = Result(STORE, Ending.CONFIRMED, now, detail=_KEY_DESTROYED)
        after = request.executed((result,), time=now)
        proof = await certificate(self._ports.keyring, erased.erasure, after, now=now)
        return await self._completed(
            call,
            after,
            *erased.writes,
            Insert(certificates(after.role), proof),
            entries=erased.entries,
        )

    async def _erase_part(
        self, call: Call, request: RightsRequest, subject: Subject
    ) -> Decision[RightsRequest]:
        """Erase some categories only: what else is kept lies under the same key."""
        count = await self._carrying_out.erase_part(call, request)
        now = self._ports.clock.now()
        result = Result(STORE, Ending.CONFIRMED, now, record_count=count, detail=_DELETED)
        after = request.executed((result,), time=now)
        return await self._completed(call, after, held_still(subject))

    async def _change_what_stands(
        self, call: Call, request: RightsRequest, subject: Subject
    ) -> Decision[RightsRequest]:
        now = self._ports.clock.now()
        effect = await self._effects.at_execution(call, request, subject, now=now)
        result = Result(STORE, Ending.CONFIRMED, now, detail=effect.detail)
        after = request.executed((result,), time=now)
        return await self._completed(call, after, *effect.writes, entries=list(effect.entries))

    async def _export(
        self, call: Call, request: RightsRequest, subject: Subject
    ) -> tuple[Export, int]:
        """Make the export that answers *request*; return it with the number of its records."""
        document = (
            Communication(self._ports, request, subject)
            if request.right is Right.COMMUNICATION
            else await self._documents.of(request, subject)
        )
        export = await self._exports.keep(call, request, subject, document.pieces())
        return export, document.record_count

    async def _answer(
        self,
        call: Call,
        request: RightsRequest,
        subject: Subject,
        export: Export,
        record_count: int,
    ) -> Decision[RightsRequest]:
        now = self._ports.clock.now()
        result = Result(STORE, Ending.CONFIRMED, now, record_count=record_count)
        after = replace(
            request.executed((result,), time=now),
            export=export.id,
            export_expire_time=export.expire_time,
        )
        return await self._completed(
            call, after, Insert(exports(after.role), export), held_still(subject)
        )

    async def _nothing_left(self, call: Call, request: RightsRequest) -> Decision[RightsRequest]:
        """Complete *request* with the erasure that came before it: there is nothing else to do."""
        now = self._ports.clock.now()
        result = Result(STORE, Ending.CONFIRMED, now, detail=_ERASED_BEFORE)
        after = request.executed((result,), time=now, cause=Cause.SUBJECT_ERASED)
        erasure = await self._erasures.find(
            request.role, request.tenant, request.subject, request.generation
        )
        if erasure is None or request.right is not Right.ERASURE:
            return await self._completed(call, after)
        proof = await certificate(self._ports.keyring, erasure, after, now=now)
        return await self._completed(call, after, Insert(certificates(after.role), proof))

    async def _completed(
        self,
        call: Call,
        after: RightsRequest,
        *others: Write,
        entries: list[Entry] | None = None,
    ) -> Decision[RightsRequest]:
        assert after.end_time is not None, "it has just ended"  # noqa: S101 – narrows a type
        entry = self._requests.entry(call, after, _COMPLETED, after.end_time)
        after = after.entered(entry.id)
        directive, told = await self._carrying_out.done(call, after)
        return Decision(
            writes=(Replace(requests(after.role), after), *others, *directive),
            entries=(*(entries or ()), entry, *told),
            outcome=after,
        )
