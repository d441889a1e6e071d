"""What requests do to processing: objections, restrictions, withdrawals (Art. 7(3), 18, 21).

An objection to direct marketing is absolute (Art. 21(3)), and withdrawing a consent is as easy
as giving it (Art. 7(3)): both take effect when they are received, whoever is the controller, and
whether or not it is known who asks – nothing is given out, and nothing is left to decide.
Everything else takes effect when its request is executed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from server.domain.change import Insert
from server.domain.consent.consent import NewDecision, applied, consents
from server.domain.consent.recording import recorded
from server.domain.consent.standing import (
    ActKind,
    acts,
    acts_of,
    new_act,
    opposing,
    standing_of,
)
from server.domain.errors import PriorNoticeMissingError, PurposeRoleMismatchError
from server.domain.ledger import new_entry
from server.domain.ledger.commitment import committing
from server.domain.rights.terms import NoticeKind, Right
from server.domain.subject import Choice
from server.domain.subjects import saved
from server.domain.values import SubjectId

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from server.domain.call import Call
    from server.domain.catalogue.catalogues import Catalogues
    from server.domain.change import Write
    from server.domain.consent.standing import Act
    from server.domain.ledger import Entry
    from server.domain.ports import Ports
    from server.domain.rights.request import RightsRequest
    from server.domain.subject import Subject

AT_EXECUTION = frozenset(
    {
        Right.OBJECTION,
        Right.WITHDRAWAL_OF_OBJECTION,
        Right.RESTRICTION,
        Right.LIFTING_OF_RESTRICTION,
    }
)
"""The rights whose requests change what stands against processing when they are executed."""

_KINDS = {
    Right.OBJECTION: (ActKind.OBJECTED, "rights.objection_recorded"),
    Right.WITHDRAWAL_OF_OBJECTION: (ActKind.OBJECTION_WITHDRAWN, "rights.objection_withdrawn"),
    Right.RESTRICTION: (ActKind.RESTRICTED, "rights.restriction_recorded"),
    Right.LIFTING_OF_RESTRICTION: (ActKind.RESTRICTION_LIFTED, "rights.restriction_lifted"),
}
_DETAILS = {
    Right.OBJECTION: "the objection stands",
    Right.WITHDRAWAL_OF_OBJECTION: "the objection was taken back",
    Right.RESTRICTION: "processing is restricted",
    Right.LIFTING_OF_RESTRICTION: "the restriction was lifted",
    Right.CONSENT_WITHDRAWAL: "the consents were withdrawn",
}


class Effect(NamedTuple):
    """What is committed with a request, the subject included.

    `is_whole` tells whether it is all that was asked for.
    """

    writes: Sequence[Write]
    entries: Sequence[Entry]
    detail: str
    is_whole: bool = True


class Effects:
    """Makes of requests what they do to the verdict."""

    def __init__(self, ports: Ports, catalogues: Catalogues) -> None:
        """Work on *ports*, with the purposes of *catalogues*."""
        self._ports = ports
        self._catalogues = catalogues

    async def require_purposes(self, request: RightsRequest) -> None:
        """Do nothing if the purposes that *request* names are of its regime.

        Raises:
            PurposeNotFoundError, PurposeRoleMismatchError: one isn't there, or is the other's.
        """
        for id in request.purposes:
            purpose = await self._catalogues.purpose(id)
            if purpose.role is not request.role:
                raise PurposeRoleMismatchError(purpose=id)

    async def at_once(
        self, call: Call, request: RightsRequest, subject: Subject, *, now: datetime
    ) -> Effect | None:
        """Return what *request* does as soon as it is received, or None."""
        if request.right is Right.CONSENT_WITHDRAWAL:
            return await self._withdrawn(call, request, subject, now)
        if request.right is not Right.OBJECTION:
            return None
        known = self._catalogues.current.purposes
        marketing = tuple(id for id in request.purposes if known[id].direct_marketing)
        if request.purposes and not marketing:
            return None
        return await self._acted(
            call,
            request,
            subject,
            now,
            purposes=marketing,
            # Whoever objects to everything objects to all direct marketing, at once.
            direct_marketing=not request.purposes,
            is_whole=request.direct_marketing
            or (bool(marketing) and marketing == request.purposes),
        )

    async def at_execution(
        self, call: Call, request: RightsRequest, subject: Subject, *, now: datetime
    ) -> Effect:
        """Return what *request* does when it is executed.

        Raises:
            PriorNoticeMissingError: a restriction is to be lifted, and the person wasn't told
                before, or the time that was told hasn't come (Art. 18(3)).
        """
        if request.right is Right.LIFTING_OF_RESTRICTION:
            _require_notice(request, now)
        purposes = request.purposes
        if request.right is Right.OBJECTION and purposes:
            # What took effect at once may have been taken back since.
            done = [
                each
                async for act in acts_of(self._ports.reader, subject)
                if act.cause == request.name
                for each in act.purposes
            ]
            purposes = tuple(id for id in purposes if id not in done)
        return await self._acted(call, request, subject, now, purposes=purposes)

    async def _acted(
        self,
        call: Call,
        request: RightsRequest,
        subject: Subject,
        now: datetime,
        *,
        purposes: tuple[str, ...],
        direct_marketing: bool = False,
        is_whole: bool = True,
    ) -> Effect:
        kind, type = _KINDS[request.right]
        entry = self._entry(call, request, type, now)
        act: Act = replace(
            new_act(subject, entry, kind, time=request.receive_time),
            purposes=purposes,
            direct_marketing=direct_marketing,
            ground=request.restriction_ground or "",
            # What was restricted after the person was told of the lifting isn't meant by it.
            until=request.create_time if kind is ActKind.RESTRICTION_LIFTED else None,
            cause=request.name,
        )
        entry = await committing(self._ports.keyring, entry, act, subject=subject)
        standing = await standing_of(self._ports.reader, subject)
        return Effect(
            (saved(opposing(subject, standing, act)), Insert(acts(subject.role), act)),
            (entry,),
            _DETAILS[request.right],
            is_whole,
        )

    async def _withdrawn(
        self, call: Call, request: RightsRequest, subject: Subject, now: datetime
    ) -> Effect:
        granted = tuple(
            id for id, state in sorted(subject.consents.items()) if state.choice is Choice.GRANTED
        )
        # Only its regime and tenant matter: the subject has been found.
        who = SubjectId(subject.role, subject.tenant, "")
        after = subject
        writes: list[Write] = []
        entries: list[Entry] = []
        for index, id in enumerate(request.purposes or granted):
            new = NewDecision(
                who=who,
                purpose=id,
                choice=Choice.WITHDRAWN,
                decision_time=request.receive_time,
            )
            purpose = await self._catalogues.purpose(id)
            decision, entry = await recorded(
                self._ports, call, new, purpose, subject, now=now, index=index
            )
            after = applied(after, decision)
            writes.append(Insert(consents(subject.role), decision))
            entries.append(entry)
        # One write of the subject for all decisions, and one that holds it still for none.
        return Effect(
            (saved(replace(after, version=subject.version + 1)), *writes),
            entries,
            _DETAILS[request.right],
        )

    def _entry(self, call: Call, request: RightsRequest, type: str, now: datetime) -> Entry:
        return new_entry(
            call,
            self._ports.ids,
            tenant=request.tenant,
            type=type,
            time=now,
            role=request.role,
            subject=request.reference,
            target=request.name,
        )


def _require_notice(request: RightsRequest, now: datetime) -> None:
    told = [each for each in request.notices if each.kind is NoticeKind.LIFTING]
    if not told or (request.lift_time is not None and now < request.lift_time):
        raise PriorNoticeMissingError(notice=NoticeKind.LIFTING)
