"""SubjectRightsService: translates between the contract and `domain.rights…`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import ClassVar

from privacyrights.v1 import subject_rights_service_pb2 as pb
from server.domain.call import Call
from server.domain.change import Committed
from server.domain.errors import NotBuiltYetError, PageTokenInvalidError
from server.domain.identifiers import role_of
from server.domain.ports import Clock
from server.domain.records.minimisation import stated_reason
from server.domain.rights.erasure import Erasure, Erasures
from server.domain.rights.execution import EXECUTABLE, RightsExecution
from server.domain.rights.exports import Exports
from server.domain.rights.request import (
    Assurance,
    Ending,
    Ground,
    Identity,
    Result,
    Right,
    RightsRequest,
    State,
)
from server.domain.rights.requests import Filter, NewRequest, Readable, RightsRequests
from server.domain.values import optional_sentence
from server.handlers import names
from server.handlers.fields import ROLE_NUMBERS, Fields
from server.handlers.pages import Page, page
from server.handlers.times import timestamp

MAX_STATEMENT = 5_000
MAX_INSTRUCTION = 2_000
MAX_EXPLANATION = 2_000

LAW_APPLIES = datetime(2018, 5, 25, tzinfo=UTC)
"""Since when there are such requests: the GDPR applies (Art. 99(2))."""

_RIGHTS = {pb.RightsRequestKind.Value(f"RIGHTS_REQUEST_KIND_{each.name}"): each for each in Right}
_RIGHTS_OUT = {right: number for number, right in _RIGHTS.items()}
_FIELDS_NOT_BUILT = ("corrections", "purpose")
_KINDS_NOT_BUILT = {
    right: f"kind.{pb.RightsRequestKind.Name(number)}"
    for right, number in _RIGHTS_OUT.items()
    if right not in EXECUTABLE
}
_STATES = {pb.RightsRequestState.Value(f"RIGHTS_REQUEST_STATE_{each.name}"): each for each in State}
_STATES_OUT = {state: number for number, state in _STATES.items()}
_ASSURANCES = {
    pb.IdentityAssurance.Value(f"IDENTITY_ASSURANCE_{each.name}"): each for each in Assurance
}
_ASSURANCES_OUT = {assurance: number for number, assurance in _ASSURANCES.items()}
_GROUNDS = {pb.RefusalGround.Value(f"REFUSAL_GROUND_{each.name}"): each for each in Ground}
_GROUNDS_OUT = {ground: number for number, ground in _GROUNDS.items()}
_ENDINGS = {each: pb.HolderOutcome.Value(f"HOLDER_OUTCOME_{each.name}") for each in Ending}


class SubjectRightsHandler:
    """Answers the calls of SubjectRightsService."""

    SERVICE = "privacyrights.v1.SubjectRightsService"
    NOT_BUILT: ClassVar[dict[str, tuple[str, ...]]] = {
        "CreateRightsRequest": (*_FIELDS_NOT_BUILT, *_KINDS_NOT_BUILT.values())
    }

    def __init__(
        self,
        requests: RightsRequests,
        execution: RightsExecution,
        exports: Exports,
        erasures: Erasures,
        clock: Clock,
    ) -> None:
        """Ask *requests* to receive, *execution* to act, *exports* and *erasures* to tell."""
        self._requests = requests
        self._execution = execution
        self._exports = exports
        self._erasures = erasures
        self._clock = clock

    async def CreateRightsRequest(
        self, request: pb.CreateRightsRequestRequest, call: Call
    ) -> pb.CreateRightsRequestResponse:
        """Receive a request."""
        fields = Fields(self._clock.now())
        fields.not_built(request, *_FIELDS_NOT_BUILT)
        fields.request_id(request.request_id)
        new = NewRequest(
            who=fields.subject("subject", request.subject),
            right=fields.choice("kind", _RIGHTS, request.kind),
            receive_time=fields.past_time("receive_time", request, request.receive_time),
            statement=fields.take(
                "statement",
                lambda text: optional_sentence(text, most=MAX_STATEMENT),
                request.statement,
            ),
            identity=(
                _identity(fields, request.identity) if request.HasField("identity") else None
            ),
        )
        if new.receive_time is not None and new.receive_time < LAW_APPLIES:
            fields.wrong("receive_time", f"must not be before {LAW_APPLIES:%Y-%m-%d}")
        fields.done()
        if new.right in _KINDS_NOT_BUILT:
            # Better refused when it is made than open for ever.
            what = f"{request.DESCRIPTOR.name}.{_KINDS_NOT_BUILT[new.right]}"
            raise NotBuiltYetError(what=what)
        shown, token = await self._shown(await self._requests.create(call, new))
        return pb.CreateRightsRequestResponse(request=shown, consistency_token=token)

    async def GetRightsRequest(
        self, request: pb.GetRightsRequestRequest, call: Call
    ) -> pb.GetRightsRequestResponse:
        """Return a request."""
        fields = Fields(self._clock.now())
        name = fields.take("name", _name, request.name)
        fields.done()
        tenant, id = name
        found = await self._requests.get(call, tenant=tenant, request=id)
        return pb.GetRightsRequestResponse(request=_request(await self._requests.readable(found)))

    async def ListRightsRequests(
        self, request: pb.ListRightsRequestsRequest, call: Call
    ) -> pb.ListRightsRequestsResponse:
        """List a tenant's requests, first due first."""
        fields = Fields(self._clock.now())
        asked = page(fields, request)
        tenant = fields.take("parent", names.tenant, request.parent)
        role = fields.role("role", request.role)
        states = tuple(
            fields.choice(f"states[{index}]", _STATES, state)
            for index, state in enumerate(
                fields.several("states", request.states, most=len(_STATES))
            )
        )
        due_before = fields.time("due_before", request, request.due_before)
        fields.done()
        call.notes["tenant"] = tenant
        found = await self._requests.list(
            role,
            tenant,
            wanted=Filter(states, due_before),
            after=_time_and_id(asked),
            limit=asked.limit,
        )
        shown, token = asked.cut(found, lambda each: (each.due_time, each.id))
        # At once, so that the reads of many go out as few.
        readable = await asyncio.gather(*(self._requests.readable(each) for each in shown))
        return pb.ListRightsRequestsResponse(
            requests=[_request(each) for each in readable],
            next_page_token=token,
        )

    async def AttestIdentity(
        self, request: pb.AttestIdentityRequest, call: Call
    ) -> pb.AttestIdentityResponse:
        """Record that a request is the person's own."""
        fields = Fields(self._clock.now())
        fields.request_id(request.request_id)
        name = fields.take("name", _name, request.name)
        identity = _identity(fields, request.identity)
        fields.done()
        tenant, id = name
        shown, token = await self._shown(
            await self._requests.attest(call, tenant=tenant, request=id, identity=identity)
        )
        return pb.AttestIdentityResponse(request=shown, consistency_token=token)

    async def AuthoriseRightsRequest(
        self, request: pb.AuthoriseRightsRequestRequest, call: Call
    ) -> pb.AuthoriseRightsRequestResponse:
        """Record the tenant's instruction to execute a request."""
        fields = Fields(self._clock.now())
        fields.request_id(request.request_id)
        name = fields.take("name", _name, request.name)
        by = fields.name("authorised_by", request.authorised_by)
        instruction = fields.take(
            "instruction",
            lambda text: optional_sentence(text, most=MAX_INSTRUCTION),
            request.instruction,
        )
        fields.done()
        tenant, id = name
        shown, token = await self._shown(
            await self._requests.authorise(
                call, tenant=tenant, request=id, authorised_by=by, instruction=instruction
            )
        )
        return pb.AuthoriseRightsRequestResponse(request=shown, consistency_token=token)

    async def ExecuteRightsRequest(
        self, request: pb.ExecuteRightsRequestRequest, call: Call
    ) -> pb.ExecuteRightsRequestResponse:
        """Do what a request asks for."""
        fields = Fields(self._clock.now())
        fields.request_id(request.request_id)
        name = fields.take("name", _name, request.name)
        fields.done()
        tenant, id = name
        shown, token = await self._shown(
            await self._execution.execute(call, tenant=tenant, request=id)
        )
        return pb.ExecuteRightsRequestResponse(request=shown, consistency_token=token)

    async def RefuseRightsRequest(
        self, request: pb.RefuseRightsRequestRequest, call: Call
    ) -> pb.RefuseRightsRequestResponse:
        """Record that a request is refused, and why."""
        fields = Fields(self._clock.now())
        fields.request_id(request.request_id)
        name = fields.take("name", _name, request.name)
        ground = fields.choice("ground", _GROUNDS, request.ground)
        explanation = fields.text("explanation", request.explanation, most=MAX_EXPLANATION)
        fields.done()
        tenant, id = name
        shown, token = await self._shown(
            await self._requests.refuse(
                call, tenant=tenant, request=id, ground=ground, explanation=explanation
            )
        )
        return pb.RefuseRightsRequestResponse(request=shown, consistency_token=token)

    async def WithdrawRightsRequest(
        self, request: pb.WithdrawRightsRequestRequest, call: Call
    ) -> pb.WithdrawRightsRequestResponse:
        """Record that the person takes a request back."""
        fields = Fields(self._clock.now())
        fields.request_id(request.request_id)
        name = fields.take("name", _name, request.name)
        fields.done()
        tenant, id = name
        shown, token = await self._shown(
            await self._requests.withdraw(call, tenant=tenant, request=id)
        )
        return pb.WithdrawRightsRequestResponse(request=shown, consistency_token=token)

    async def DownloadExport(
        self, request: pb.DownloadExportRequest, call: Call
    ) -> AsyncIterator[pb.DownloadExportResponse]:
        """Stream an export from an offset on."""
        fields = Fields(self._clock.now())
        name = fields.take("name", _name, request.name)
        reason = fields.take("reason", lambda text: stated_reason(text, ""), request.reason)
        if request.offset < 0:
            fields.wrong("offset", "must not be negative")
        fields.done()
        tenant, id = name
        async for piece in self._exports.download(
            call, tenant=tenant, request=id, offset=request.offset, reason=reason
        ):
            yield pb.DownloadExportResponse(
                chunk=piece.content,
                offset=piece.offset,
                total_bytes=piece.manifest.total_bytes,
                digest=piece.manifest.digest,
                media_type=piece.manifest.media_type,
            )

    async def GetErasureCertificate(
        self, request: pb.GetErasureCertificateRequest, call: Call
    ) -> pb.GetErasureCertificateResponse:
        """Return the signed certificate of an erasure."""
        fields = Fields(self._clock.now())
        name = fields.take("name", _name, request.name)
        fields.done()
        tenant, id = name
        return pb.GetErasureCertificateResponse(
            jws=await self._execution.certificate(call, tenant=tenant, request=id)
        )

    async def ListErasures(
        self, request: pb.ListErasuresRequest, _call: Call
    ) -> pb.ListErasuresResponse:
        """List erasures since a watermark, oldest first."""
        fields = Fields(self._clock.now())
        asked = page(fields, request)
        tenant = fields.take("parent", names.tenant, request.parent) if request.parent else None
        role = fields.role("role", request.role)
        since = fields.time("since_time", request, request.since_time)
        fields.done()
        after, first_watermark = _place(asked)
        found = await self._erasures.list(
            role, tenant=tenant, since=since, after=after, limit=asked.limit
        )
        # The watermark of the first page goes along with the token: a later one would be too late.
        watermark = first_watermark or found.watermark
        shown, token = asked.cut(
            found.erasures, lambda each: (each.time, f"{watermark.isoformat()} {each.id}")
        )
        return pb.ListErasuresResponse(
            erasures=[_erasure(each) for each in shown],
            next_page_token=token,
            watermark_time=timestamp(watermark),
        )

    async def _shown(self, committed: Committed[RightsRequest]) -> tuple[pb.RightsRequest, str]:
        return _request(await self._requests.readable(committed.outcome)), committed.token


def _name(text: str) -> tuple[str, str]:
    """Parse the name of a request, whose id tells the regime."""
    tenant, id = names.rights_request(text)
    role_of(id)
    return tenant, id


def _identity(fields: Fields, identity: pb.IdentityAttestation) -> Identity:
    return Identity(
        assurance=fields.choice("identity.assurance", _ASSURANCES, identity.assurance),
        method=fields.name("identity.method", identity.method),
    )


def _time_and_id(asked: Page) -> tuple[object, str] | None:
    """Return where a list by time goes on.

    Raises:
        PageTokenInvalidError: the token was made up.
    """
    if asked.after is not None and not isinstance(asked.after[0], datetime):
        raise PageTokenInvalidError
    return asked.after


def _place(asked: Page) -> tuple[tuple[object, str] | None, datetime | None]:
    """Return where the list of erasures goes on, and the watermark of its first page.

    Raises:
        PageTokenInvalidError: the token was made up.
    """
    place = _time_and_id(asked)
    if place is None:
        return None, None
    watermark, _, id = place[1].partition(" ")
    try:
        return (place[0], id), datetime.fromisoformat(watermark).astimezone(UTC)
    except (ValueError, OverflowError):
        raise PageTokenInvalidError from None


def _request(readable: Readable) -> pb.RightsRequest:
    request = readable.request
    identity = request.identity
    return pb.RightsRequest(
        name=request.name,
        role=ROLE_NUMBERS[request.role],
        subject_reference=request.reference,
        kind=_RIGHTS_OUT[request.right],
        state=_STATES_OUT[request.state],
        receive_time=timestamp(request.receive_time),
        due_time=timestamp(request.due_time),
        end_time=timestamp(request.end_time),
        identity_assurance=(
            _ASSURANCES_OUT[identity.assurance] if identity else pb.IDENTITY_ASSURANCE_UNSPECIFIED
        ),
        identity_method=identity.method if identity else "",
        authorised_by=readable.authorised_by,
        outcomes=[_outcome(result) for result in request.results],
        refusal_ground=(
            _GROUNDS_OUT[request.ground] if request.ground else pb.REFUSAL_GROUND_UNSPECIFIED
        ),
        explanation=readable.explanation,
        generation=request.generation,
    )


def _outcome(result: Result) -> pb.RightsOutcome:
    return pb.RightsOutcome(
        holder=result.holder,
        category=f"categories/{result.category}" if result.category else "",
        outcome=_ENDINGS[result.ending],
        record_count=result.record_count,
        detail=result.detail,
        time=timestamp(result.time),
    )


def _erasure(erasure: Erasure) -> pb.Erasure:
    return pb.Erasure(
        tenant=f"tenants/{erasure.tenant}",
        role=ROLE_NUMBERS[erasure.role],
        subject_reference=erasure.reference,
        generation=erasure.generation,
        erase_time=timestamp(erasure.time),
    )
