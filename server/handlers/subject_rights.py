"""SubjectRightsService: translates between the contract and `domain.rights…`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import ClassVar

from privacyrights.v1 import subject_rights_service_pb2 as pb
from server.domain.call import Call
from server.domain.change import Committed
from server.domain.errors import NotBuiltYetError, PageTokenInvalidError
from server.domain.identifiers import role_of
from server.domain.ports import Clock
from server.domain.rights.erasure import Erasures
from server.domain.rights.execution import EXECUTABLE, RightsExecution
from server.domain.rights.exports import Exports
from server.domain.rights.request import RightsRequest
from server.domain.rights.requests import Filter, NewRequest, RightsRequests
from server.domain.rights.terms import Right
from server.domain.values import optional_sentence
from server.handlers import names
from server.handlers.fields import Fields
from server.handlers.pages import Page, page
from server.handlers.subject_rights_messages import (
    GROUNDS,
    RESTRICTION_GROUNDS,
    RIGHTS,
    STATES,
    attested,
    encoded,
    encoded_erasure,
    notice,
)
from server.handlers.times import timestamp

MAX_STATEMENT = 5_000
MAX_INSTRUCTION = 2_000
MAX_EXPLANATION = 2_000
MAX_PURPOSES = 100

_OF_PURPOSES = frozenset({Right.OBJECTION, Right.WITHDRAWAL_OF_OBJECTION, Right.CONSENT_WITHDRAWAL})

LAW_APPLIES = datetime(2018, 5, 25, tzinfo=UTC)
"""Since when there are such requests: the GDPR applies (Art. 99(2))."""

_FIELDS_NOT_BUILT = (
    "requester",
    "corrections",
    "categories",
)
_KINDS_NOT_BUILT = {
    right: f"kind.{pb.RightsRequestKind.Name(number)}"
    for number, right in RIGHTS.items()
    if right not in EXECUTABLE and right is not Right.COMMUNICATION
}
_NOT_BUILT_OF_REFUSAL = ("categories", "decided_by")


class SubjectRightsHandler:
    """Answers the calls of SubjectRightsService."""

    SERVICE = "privacyrights.v1.SubjectRightsService"
    NOT_BUILT: ClassVar[dict[str, tuple[str, ...]]] = {
        "CreateRightsRequest": (*_FIELDS_NOT_BUILT, *_KINDS_NOT_BUILT.values()),
        "ListRightsRequests": ("consistency",),
        "AuthoriseRightsRequest": ("evidence_digest",),
        "RefuseRightsRequest": _NOT_BUILT_OF_REFUSAL,
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
        right = fields.choice("kind", RIGHTS, request.kind)
        _require_fitting(fields, request, right)
        new = NewRequest(
            who=fields.subject("subject", request.subject),
            right=right,
            receive_time=fields.past_time("receive_time", request, request.receive_time),
            statement=fields.take(
                "statement",
                lambda text: optional_sentence(text, most=MAX_STATEMENT),
                request.statement,
            ),
            identity=(attested(fields, request.identity) if request.HasField("identity") else None),
            purposes=_purposes(fields, request),
            direct_marketing=request.direct_marketing,
            restriction_ground=fields.optional_choice(
                "restriction_ground", RESTRICTION_GROUNDS, request.restriction_ground
            ),
            lift_time=fields.future_time("lift_time", request, request.lift_time),
        )
        if new.right is Right.COMMUNICATION:
            fields.wrong("kind", "must be another: COMMUNICATION comes from a directive only")
        if new.receive_time is not None and new.receive_time < LAW_APPLIES:
            fields.wrong("receive_time", f"must not be before {LAW_APPLIES:%Y-%m-%d}")
        fields.done()
        if new.right in _KINDS_NOT_BUILT:
            # Better refused when it is made than open for ever.
            what = f"{request.DESCRIPTOR.name}.{_KINDS_NOT_BUILT[new.right]}"
            raise NotBuiltYetError(what=what)
        shown, token = await self._shown(await self._requests.create(call, new))
        return pb.CreateRightsRequestResponse(rights_request=shown, consistency_token=token)

    async def GetRightsRequest(
        self, request: pb.GetRightsRequestRequest, call: Call
    ) -> pb.GetRightsRequestResponse:
        """Return a request."""
        fields = Fields(self._clock.now())
        name = fields.take("name", _name, request.name)
        freshness = fields.freshness(request.consistency)
        reason = fields.reason(request.reason)
        fields.done()
        tenant, id = name
        found = await self._requests.get(call, tenant=tenant, request=id, freshness=freshness)
        (readable,) = await self._requests.read(call, found, reason=reason)
        return pb.GetRightsRequestResponse(rights_request=encoded(readable))

    async def ListRightsRequests(
        self, request: pb.ListRightsRequestsRequest, call: Call
    ) -> pb.ListRightsRequestsResponse:
        """List a tenant's requests, first due first."""
        fields = Fields(self._clock.now())
        fields.not_built(request, "consistency")
        asked = page(fields, request)
        tenant = fields.take("parent", names.tenant, request.parent)
        role = fields.role("role", request.role)
        wanted = Filter(
            states=fields.choices("states", STATES, request.states),
            due_before=fields.time("due_before_time", request, request.due_before_time),
            rights=fields.choices("kinds", RIGHTS, request.kinds),
            who=(
                fields.subject("subject", request.subject) if request.HasField("subject") else None
            ),
        )
        if wanted.who is not None and (wanted.who.tenant, wanted.who.role) != (tenant, role):
            fields.wrong("subject", "must have the tenant and role of the list")
        about = wanted.who.value if wanted.who is not None else ""
        reason = fields.reason(request.reason, about=about)
        fields.done()
        call.notes["tenant"] = tenant
        found = await self._requests.list(
            role,
            tenant,
            wanted=wanted,
            after=_time_and_id(asked),
            limit=asked.limit,
        )
        shown, token = asked.cut(found, lambda each: (each.due_time, each.id))
        readable = await self._requests.read(call, *shown, reason=reason)
        return pb.ListRightsRequestsResponse(
            rights_requests=[encoded(each) for each in readable],
            next_page_token=token,
        )

    async def AttestIdentity(
        self, request: pb.AttestIdentityRequest, call: Call
    ) -> pb.AttestIdentityResponse:
        """Record that a request is the person's own."""
        fields = Fields(self._clock.now())
        fields.request_id(request.request_id)
        name = fields.take("name", _name, request.name)
        identity = attested(fields, request.identity)
        fields.done()
        tenant, id = name
        shown, token = await self._shown(
            await self._requests.attest(call, tenant=tenant, request=id, identity=identity)
        )
        return pb.AttestIdentityResponse(rights_request=shown, consistency_token=token)

    async def AuthoriseRightsRequest(
        self, request: pb.AuthoriseRightsRequestRequest, call: Call
    ) -> pb.AuthoriseRightsRequestResponse:
        """Record the tenant's instruction to execute a request."""
        fields = Fields(self._clock.now())
        fields.not_built(request, "evidence_digest")
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
        return pb.AuthoriseRightsRequestResponse(rights_request=shown, consistency_token=token)

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
        return pb.ExecuteRightsRequestResponse(rights_request=shown, consistency_token=token)

    async def RefuseRightsRequest(
        self, request: pb.RefuseRightsRequestRequest, call: Call
    ) -> pb.RefuseRightsRequestResponse:
        """Record that a request is refused, and why."""
        fields = Fields(self._clock.now())
        fields.not_built(request, *_NOT_BUILT_OF_REFUSAL)
        fields.request_id(request.request_id)
        name = fields.take("name", _name, request.name)
        ground = fields.choice("ground", GROUNDS, request.ground)
        explanation = fields.text("explanation", request.explanation, most=MAX_EXPLANATION)
        fields.done()
        tenant, id = name
        shown, token = await self._shown(
            await self._requests.refuse(
                call, tenant=tenant, request=id, ground=ground, explanation=explanation
            )
        )
        return pb.RefuseRightsRequestResponse(rights_request=shown, consistency_token=token)

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
        return pb.WithdrawRightsRequestResponse(rights_request=shown, consistency_token=token)

    async def RecordSubjectNotice(
        self, request: pb.RecordSubjectNoticeRequest, call: Call
    ) -> pb.RecordSubjectNoticeResponse:
        """Record that the person was told something about a request."""
        fields = Fields(self._clock.now())
        fields.request_id(request.request_id)
        name = fields.take("name", _name, request.name)
        told = notice(fields, request.subject_notice)
        fields.done()
        tenant, id = name
        shown, token = await self._shown(
            await self._requests.notify(call, tenant=tenant, request=id, notice=told)
        )
        return pb.RecordSubjectNoticeResponse(rights_request=shown, consistency_token=token)

    async def DownloadExport(
        self, request: pb.DownloadExportRequest, call: Call
    ) -> AsyncIterator[pb.DownloadExportResponse]:
        """Stream an export from an offset on."""
        fields = Fields(self._clock.now())
        name = fields.take("name", _name, request.name)
        reason = fields.reason(request.reason)
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
        freshness = fields.freshness(request.consistency)
        fields.done()
        tenant, id = name
        return pb.GetErasureCertificateResponse(
            jws=await self._execution.certificate(
                call, tenant=tenant, request=id, freshness=freshness
            )
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
            erasures=[encoded_erasure(each) for each in shown],
            next_page_token=token,
            watermark_time=timestamp(watermark),
        )

    async def _shown(self, committed: Committed[RightsRequest]) -> tuple[pb.RightsRequest, str]:
        return encoded(await self._requests.readable(committed.outcome)), committed.token


def _purposes(fields: Fields, request: pb.CreateRightsRequestRequest) -> tuple[str, ...]:
    given = fields.several("purposes", request.purposes, most=MAX_PURPOSES)
    ids = [
        fields.take(f"purposes[{index}]", names.purpose, name) for index, name in enumerate(given)
    ]
    return tuple(dict.fromkeys(ids))


def _require_fitting(
    fields: Fields, request: pb.CreateRightsRequestRequest, right: Right | None
) -> None:
    """Note what *request* has that its kind has no use for, and lacks that it needs."""
    if request.purposes and right not in _OF_PURPOSES:
        fields.wrong("purposes", "must be given for objections and withdrawals only")
    if request.direct_marketing and right is not Right.OBJECTION:
        fields.wrong("direct_marketing", "must be given for an objection only")
    if request.direct_marketing and request.purposes:
        fields.wrong("purposes", "must not be given with direct_marketing, which says all")
    if (right is Right.RESTRICTION) != bool(request.restriction_ground):
        fields.wrong("restriction_ground", "must be given for a restriction, and only then")
    if (right is Right.LIFTING_OF_RESTRICTION) != request.HasField("lift_time"):
        fields.wrong("lift_time", "must be given for a lifting, and only then")


def _name(text: str) -> tuple[str, str]:
    """Parse the name of a request, whose id tells the regime."""
    tenant, id = names.rights_request(text)
    role_of(id)
    return tenant, id


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
