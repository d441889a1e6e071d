"""AssistanceService: translates between the contract, and inquiries, contacts and gaps."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import ClassVar

from privacyrights.v1 import assistance_service_pb2 as pb
from server.domain.assistance.compliance_gaps import ComplianceGaps, Gap, GapKind, Position
from server.domain.assistance.contacts import Contacts, Function, Post, Reach, Reachable, address
from server.domain.assistance.inquiries import Inquiries
from server.domain.assistance.inquiry import (
    InquiryChanged,
    InquiryState,
    NewInquiry,
    NewMessage,
    Side,
    Thread,
)
from server.domain.call import Call
from server.domain.change import Committed
from server.domain.errors import PageTokenInvalidError
from server.domain.ports import Clock
from server.domain.values import InvalidValueError
from server.handlers import names
from server.handlers.etags import etag
from server.handlers.fields import Fields
from server.handlers.pages import Page, page
from server.handlers.times import timestamp

MAX_TEXT = 10_000

_SIDES = {pb.SIDE_TENANT: Side.TENANT, pb.SIDE_PLATFORM: Side.PLATFORM}
_SIDES_OUT = {side: number for number, side in _SIDES.items()}
_STATES = {
    pb.INQUIRY_STATE_OPEN: InquiryState.OPEN,
    pb.INQUIRY_STATE_ANSWERED: InquiryState.ANSWERED,
    pb.INQUIRY_STATE_CLOSED: InquiryState.CLOSED,
}
_STATES_OUT = {state: number for number, state in _STATES.items()}
_FUNCTIONS = {
    pb.CONTACT_FUNCTION_DATA_PROTECTION_OFFICER: Function.DATA_PROTECTION_OFFICER,
    pb.CONTACT_FUNCTION_COMPLIANCE: Function.COMPLIANCE,
    pb.CONTACT_FUNCTION_BREACH: Function.BREACH,
    pb.CONTACT_FUNCTION_REPRESENTATIVE: Function.REPRESENTATIVE,
}
_FUNCTIONS_OUT = {function: number for number, function in _FUNCTIONS.items()}
_GAP_KINDS = {
    kind: pb.ComplianceGapKind.Value(f"COMPLIANCE_GAP_KIND_{kind.name}") for kind in GapKind
}

_ABOUT_OF_TENANT = (names.rights_request, names.notice, names.instruction, names.chatbot)
_ABOUT = (names.breach, names.sweep, names.purpose, names.category, names.recipient)


class AssistanceHandler:
    """Answers the calls of AssistanceService."""

    SERVICE = "privacyrights.v1.AssistanceService"
    CATCHES_UP = True
    NOT_BUILT: ClassVar[dict[str, tuple[str, ...]]] = {
        "ListInquiries": ("due_before_time",),
        "SetContact": ("contact.etag",),
        "DeleteContact": ("etag",),
        "ListComplianceGaps": ("kinds",),
    }
    LEFT_EMPTY = ("Inquiry.close_time",)

    def __init__(
        self, inquiries: Inquiries, contacts: Contacts, gaps: ComplianceGaps, clock: Clock
    ) -> None:
        """Ask *inquiries*, *contacts* and *gaps*."""
        self._inquiries = inquiries
        self._contacts = contacts
        self._gaps = gaps
        self._clock = clock

    async def OpenInquiry(
        self, request: pb.OpenInquiryRequest, call: Call
    ) -> pb.OpenInquiryResponse:
        """Open an inquiry of a tenant."""
        fields = Fields(self._clock.now())
        fields.request_id(request.request_id)
        tenant = fields.take("parent", names.tenant, request.parent)
        new = NewInquiry(
            tenant=tenant,
            title=fields.name("title", request.title),
            first=NewMessage(
                side=Side.TENANT,
                author=fields.name("author", request.author),
                text=fields.text("text", request.text, most=MAX_TEXT),
            ),
            about=fields.optional("about", _about(tenant), request.about),
        )
        fields.done()
        committed = await self._inquiries.open(call, new)
        return pb.OpenInquiryResponse(
            inquiry=await self._changed(committed), consistency_token=committed.token
        )

    async def ReplyToInquiry(
        self, request: pb.ReplyToInquiryRequest, call: Call
    ) -> pb.ReplyToInquiryResponse:
        """Add a message to an inquiry's thread."""
        fields = Fields(self._clock.now())
        fields.request_id(request.request_id)
        inquiry = fields.take("name", names.inquiry, request.name)
        message = NewMessage(
            side=fields.choice("side", _SIDES, request.side),
            author=fields.name("author", request.author),
            text=fields.text("text", request.text, most=MAX_TEXT),
        )
        fields.done()
        tenant, id = inquiry
        committed = await self._inquiries.reply(call, tenant=tenant, inquiry=id, message=message)
        return pb.ReplyToInquiryResponse(
            inquiry=await self._changed(committed), consistency_token=committed.token
        )

    async def CloseInquiry(
        self, request: pb.CloseInquiryRequest, call: Call
    ) -> pb.CloseInquiryResponse:
        """Close an inquiry."""
        fields = Fields(self._clock.now())
        fields.request_id(request.request_id)
        inquiry = fields.take("name", names.inquiry, request.name)
        fields.done()
        tenant, id = inquiry
        committed = await self._inquiries.close(call, tenant=tenant, inquiry=id)
        return pb.CloseInquiryResponse(
            inquiry=await self._changed(committed), consistency_token=committed.token
        )

    async def GetInquiry(self, request: pb.GetInquiryRequest, call: Call) -> pb.GetInquiryResponse:
        """Return an inquiry with its thread."""
        fields = Fields(self._clock.now())
        inquiry = fields.take("name", names.inquiry, request.name)
        reason = fields.reason(request.reason)
        fields.done()
        tenant, id = inquiry
        found = await self._inquiries.read(call, tenant=tenant, inquiry=id, reason=reason)
        return pb.GetInquiryResponse(inquiry=_inquiry(found))

    async def ListInquiries(
        self, request: pb.ListInquiriesRequest, call: Call
    ) -> pb.ListInquiriesResponse:
        """List a tenant's inquiries, first due first."""
        fields = Fields(self._clock.now())
        fields.not_built(request, *self.NOT_BUILT["ListInquiries"])
        asked = page(fields, request)
        tenant = fields.take("parent", names.tenant, request.parent)
        state = fields.optional_choice("state", _STATES, request.state)
        reason = fields.reason(request.reason)
        fields.done()
        found = await self._inquiries.list(
            call, tenant=tenant, state=state, reason=reason, after=asked.after, limit=asked.limit
        )
        shown, token = asked.cut(found, lambda one: (one.inquiry.due_time, one.inquiry.id))
        return pb.ListInquiriesResponse(
            inquiries=[_inquiry(one) for one in shown], next_page_token=token
        )

    async def SetContact(self, request: pb.SetContactRequest, call: Call) -> pb.SetContactResponse:
        """Set who is to be reached for a function."""
        fields = Fields(self._clock.now())
        fields.not_built(request.contact, "etag")
        fields.request_id(request.request_id)
        tenant = fields.take("parent", names.tenant, request.parent)
        contact = request.contact
        post = Post(
            side=fields.choice("contact.side", _SIDES, contact.side),
            function=fields.choice("contact.function", _FUNCTIONS, contact.function),
        )
        reach = Reach(
            display_name=fields.name("contact.display_name", contact.display_name),
            address=fields.take("contact.address", address, contact.address),
        )
        fields.done()
        committed = await self._contacts.set(call, tenant=tenant, post=post, reach=reach)
        return pb.SetContactResponse(
            contact=committed.outcome.contact, consistency_token=committed.token
        )

    async def GetContact(self, request: pb.GetContactRequest, call: Call) -> pb.GetContactResponse:
        """Return a contact."""
        fields = Fields(self._clock.now())
        contact = fields.take("name", names.contact, request.name)
        reason = fields.reason(request.reason)
        fields.done()
        tenant, id = contact
        found = await self._contacts.read(call, tenant, id, reason=reason)
        return pb.GetContactResponse(contact=_contact(found))

    async def DeleteContact(
        self, request: pb.DeleteContactRequest, call: Call
    ) -> pb.DeleteContactResponse:
        """Delete a contact."""
        fields = Fields(self._clock.now())
        fields.not_built(request, *self.NOT_BUILT["DeleteContact"])
        fields.request_id(request.request_id)
        contact = fields.take("name", names.contact, request.name)
        fields.done()
        tenant, id = contact
        committed = await self._contacts.delete(call, tenant, id)
        return pb.DeleteContactResponse(consistency_token=committed.token)

    async def ListContacts(
        self, request: pb.ListContactsRequest, call: Call
    ) -> pb.ListContactsResponse:
        """List a tenant's contacts."""
        fields = Fields(self._clock.now())
        asked = page(fields, request)
        tenant = fields.take("parent", names.tenant, request.parent)
        reason = fields.reason(request.reason)
        fields.done()
        found = await self._contacts.list(
            call, tenant, reason=reason, after=asked.after, limit=asked.limit
        )
        shown, token = asked.cut(found, lambda one: (one.contact.id, one.contact.id))
        return pb.ListContactsResponse(
            contacts=[_contact(one) for one in shown], next_page_token=token
        )

    async def ListComplianceGaps(
        self, request: pb.ListComplianceGapsRequest, call: Call
    ) -> pb.ListComplianceGapsResponse:
        """List what a tenant lacks for compliance."""
        fields = Fields(self._clock.now())
        fields.not_built(request, *self.NOT_BUILT["ListComplianceGaps"])
        asked = page(fields, request)
        tenant = fields.take("parent", names.tenant, request.parent)
        fields.done()
        found = await self._gaps.list(call, tenant, after=_position(asked), limit=asked.limit)
        shown, token = asked.cut(found, lambda gap: gap.position)
        return pb.ListComplianceGapsResponse(
            compliance_gaps=[_gap(gap) for gap in shown], next_page_token=token
        )

    async def _changed(self, committed: Committed[InquiryChanged]) -> pb.Inquiry:
        return _inquiry(await self._inquiries.thread(committed.outcome.inquiry))


def _about(tenant: str | None) -> Callable[[str], str]:
    """Return a parser of the name of what an inquiry of *tenant* may concern."""

    def parse(name: str) -> str:
        for of_tenant in _ABOUT_OF_TENANT:
            try:
                owner, _ = of_tenant(name)
            except InvalidValueError:
                continue
            # Not even whether another tenant has such a thing is to be learnt or hinted at.
            if owner == tenant:
                return name
        for top in _ABOUT:
            try:
                top(name)
            except InvalidValueError:
                continue
            return name
        raise InvalidValueError("must be the name of something that the tenant has to do with")

    return parse


def _position(asked: Page) -> Position | None:
    if asked.after is None:
        return None
    since, key = asked.after
    if not isinstance(since, datetime):
        raise PageTokenInvalidError
    return since, key


def _inquiry(thread: Thread) -> pb.Inquiry:
    inquiry = thread.inquiry
    return pb.Inquiry(
        name=inquiry.name,
        title=thread.title,
        state=_STATES_OUT[inquiry.state],
        messages=[
            pb.InquiryMessage(
                side=_SIDES_OUT[written.message.side],
                author=written.message.author,
                text=written.message.text,
                create_time=timestamp(written.create_time),
            )
            for written in thread.messages
        ],
        create_time=timestamp(inquiry.create_time),
        due_time=timestamp(inquiry.due_time),
        about=inquiry.about,
    )


def _contact(one: Reachable) -> pb.Contact:
    contact = one.contact
    return pb.Contact(
        name=contact.post.name(contact.tenant),
        side=_SIDES_OUT[contact.side],
        function=_FUNCTIONS_OUT[contact.function],
        display_name=one.reach.display_name,
        address=one.reach.address,
        update_time=timestamp(contact.update_time),
        etag=etag(contact.version),
    )


def _gap(gap: Gap) -> pb.ComplianceGap:
    return pb.ComplianceGap(
        kind=_GAP_KINDS[gap.kind],
        resource=gap.resource,
        description=gap.description,
        advice=gap.advice,
        since_time=timestamp(gap.since),
    )
