"""Recipients and what they are given, as an operator registers and records them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from google.protobuf.timestamp_pb2 import Timestamp

from privacyrights.v1 import disclosure_service_pb2 as pb
from server.domain.clock import SteppingClock
from tests.rpc.people import new_id

if TYPE_CHECKING:
    from privacyrights.v1.disclosure_service_pb2_grpc import DisclosureServiceAsyncStub
    from privacyrights.v1.types_pb2 import Subject

CUSTOMISE = "purposes/customise_messages"
PROFILE = "categories/profile"


def at(clock: SteppingClock, delta: timedelta = timedelta(0)) -> Timestamp:
    """Return the time of *clock*, moved by *delta*."""
    message = Timestamp()
    message.FromDatetime(clock.now() + delta)
    return message


def creation(clock: SteppingClock, **fields: Any) -> pb.CreateRecipientRequest:
    """Return the request that registers a hosting provider in France; *fields* are its own."""
    given: dict[str, Any] = {
        "display_name": "Hosting SAS",
        "kind": pb.RECIPIENT_KIND_PROCESSOR,
        "country": "FR",
        "purposes": [CUSTOMISE],
        "contract": "DPA of 2 March 2026",
        "vetting_digest": "ab" * 32,
        "vetting_time": at(clock, -timedelta(days=30)),
        **fields,
    }
    return pb.CreateRecipientRequest(
        recipient_id=new_id("recipient"), recipient=pb.Recipient(**given), request_id=new_id()
    )


async def recipient(
    service: DisclosureServiceAsyncStub, clock: SteppingClock, **fields: Any
) -> str:
    """Register a recipient and return its name."""
    return (await service.CreateRecipient(creation(clock, **fields))).recipient.name


async def authority(service: DisclosureServiceAsyncStub, clock: SteppingClock) -> str:
    """Register a public authority and return its name."""
    return await recipient(
        service, clock, kind=pb.RECIPIENT_KIND_AUTHORITY, purposes=[], contract=""
    )


def giving(who: Subject, to: str, **fields: Any) -> pb.RecordDisclosureRequest:
    """Return the request that records that the profile of *who* was given *to* a recipient."""
    given: dict[str, Any] = {
        "subject": who,
        "recipient": to,
        "purpose": CUSTOMISE,
        "categories": [PROFILE],
        "request_id": new_id(),
        **fields,
    }
    return pb.RecordDisclosureRequest(**given)


def demand(**fields: str) -> pb.LegalDemand:
    """Return a complete demand of an authority; *fields* override its parts."""
    given = {
        "legal_ground": "Art. 60-1 of the Code of Criminal Procedure",
        "scope": "The profile",
        "approver": "General Counsel",
        **fields,
    }
    return pb.LegalDemand(**given)
