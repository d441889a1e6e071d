"""GDPR Art. 28: what a processor owes the controllers it works for, besides the processing."""

from __future__ import annotations

from datetime import UTC, datetime

import grpc

from privacyrights.v1 import assistance_service_pb2 as pb
from privacyrights.v1.assistance_service_pb2_grpc import AssistanceServiceStub
from server.domain.clock import SteppingClock
from tests.rpc import breaches
from tests.rpc.people import REASON, new_id, new_tenant


async def test_inquiries_get_an_answer_in_time(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """Art. 28(3)(h): what a controller asks to show its compliance is answered, with a due time.

    The policy promises an answer "shortly"; the time is far within the controller's own
    month (Art. 12(3)).
    """
    service = AssistanceServiceStub(channel)
    tenant = await new_tenant(channel)
    asked = await service.OpenInquiry(
        pb.OpenInquiryRequest(
            parent=tenant,
            title="Audit",
            text="Which sub-processors hold our end-users' data?",
            author="Data protection officer",
            request_id=new_id(),
        )
    )

    waiting = await service.ListInquiries(
        pb.ListInquiriesRequest(parent=tenant, state=pb.INQUIRY_STATE_OPEN, reason=REASON)
    )
    answered = await service.ReplyToInquiry(
        pb.ReplyToInquiryRequest(
            name=asked.inquiry.name,
            side=pb.SIDE_PLATFORM,
            author="Compliance team",
            text="One hosting provider, in France.",
            request_id=new_id(),
        )
    )

    due = asked.inquiry.due_time.ToDatetime(tzinfo=UTC)
    assert [asked.inquiry.name] == [one.name for one in waiting.inquiries]
    assert (due - clock.now()).days < 7
    assert pb.INQUIRY_STATE_ANSWERED == answered.inquiry.state
    assert 2 == len(answered.inquiry.messages)


async def test_controller_is_told_what_it_lacks(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """Art. 28(3)(f): a controller is assisted with its duties: what is missing, and what to do."""
    service = AssistanceServiceStub(channel)
    tenant = await breaches.with_people(channel, await new_tenant(channel), end_users=1)
    await breaches.report(channel, breaches.of_tenants(tenant))

    found = await service.ListComplianceGaps(pb.ListComplianceGapsRequest(parent=tenant))

    notice = next(
        gap
        for gap in found.compliance_gaps
        if gap.kind == pb.COMPLIANCE_GAP_KIND_UNACKNOWLEDGED_NOTICE
    )
    assert (await breaches.notices(channel, tenant))[0].name == notice.resource
    assert clock.now() == notice.since_time.ToDatetime(tzinfo=UTC)
    assert "AcknowledgeNotice" in notice.advice


async def test_both_sides_know_whom_to_reach(channel: grpc.aio.Channel) -> None:
    """Art. 28(3)(f), 33(2): there is somebody to tell of a breach, and somebody to ask."""
    service = AssistanceServiceStub(channel)
    tenant = await new_tenant(channel)
    for side in (pb.SIDE_TENANT, pb.SIDE_PLATFORM):
        for function in (pb.CONTACT_FUNCTION_BREACH, pb.CONTACT_FUNCTION_COMPLIANCE):
            await service.SetContact(
                pb.SetContactRequest(
                    parent=tenant,
                    contact=pb.Contact(
                        side=side,
                        function=function,
                        display_name="On duty",
                        address="+33 1 23 45 67 89",
                    ),
                    request_id=new_id(),
                )
            )

    listed = await service.ListContacts(pb.ListContactsRequest(parent=tenant, reason=REASON))
    gaps = await service.ListComplianceGaps(pb.ListComplianceGapsRequest(parent=tenant))

    assert 4 == len(listed.contacts)
    assert pb.COMPLIANCE_GAP_KIND_MISSING_CONTACT not in {gap.kind for gap in gaps.compliance_gaps}
    assert all(
        datetime(2026, 3, 2, tzinfo=UTC) < one.update_time.ToDatetime(tzinfo=UTC)
        for one in listed.contacts
    )
