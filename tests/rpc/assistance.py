"""Inquiries and contacts, as tenants and operators ask and name them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from privacyrights.v1 import assistance_service_pb2 as pb
from tests.rpc.people import REASON, new_id

if TYPE_CHECKING:
    from privacyrights.v1.assistance_service_pb2_grpc import AssistanceServiceAsyncStub

CANARY = "Jeanne-Canary"
"""A name that must be nowhere in plain."""


def opening(tenant: str, **fields: Any) -> pb.OpenInquiryRequest:
    """Return the request that asks something; *fields* override its own."""
    given: dict[str, Any] = {
        "parent": tenant,
        "title": f"About {CANARY}",
        "text": f"Where is the data of {CANARY}?",
        "author": "DPO",
        "request_id": new_id(),
        **fields,
    }
    return pb.OpenInquiryRequest(**given)


async def opened(service: AssistanceServiceAsyncStub, tenant: str, **fields: Any) -> pb.Inquiry:
    """Ask something and return the inquiry."""
    return (await service.OpenInquiry(opening(tenant, **fields))).inquiry


def reply(
    inquiry: pb.Inquiry, side: int = pb.SIDE_PLATFORM, **fields: Any
) -> pb.ReplyToInquiryRequest:
    """Return the request that adds a message to *inquiry*."""
    given: dict[str, Any] = {
        "name": inquiry.name,
        "side": side,
        "author": "Compliance team",
        "text": "In Paris.",
        "request_id": new_id(),
        **fields,
    }
    return pb.ReplyToInquiryRequest(**given)


def contact(tenant: str, **fields: Any) -> pb.SetContactRequest:
    """Return the request that names who hears of breaches at the tenant's."""
    given: dict[str, Any] = {
        "side": pb.SIDE_TENANT,
        "function": pb.CONTACT_FUNCTION_BREACH,
        "display_name": CANARY,
        "address": "canary@example.org",
        **fields,
    }
    return pb.SetContactRequest(parent=tenant, contact=pb.Contact(**given), request_id=new_id())


async def contacts(service: AssistanceServiceAsyncStub, tenant: str) -> list[pb.Contact]:
    """Return the contacts of *tenant*."""
    return list(
        (await service.ListContacts(pb.ListContactsRequest(parent=tenant, reason=REASON))).contacts
    )
