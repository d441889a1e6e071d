"""Objecting, restricting and browsers' signals: what tests of them need."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from privacyrights.v1 import catalogue_service_pb2, types_pb2
from privacyrights.v1 import consent_service_pb2 as pb
from privacyrights.v1 import subject_rights_service_pb2 as rights_pb
from privacyrights.v1.consent_service_pb2_grpc import ConsentServiceStub
from tests.rpc.exercising import rights
from tests.rpc.people import new_id
from tests.rpc.proposing import applied, purpose

OBJECTION = rights_pb.RIGHTS_REQUEST_KIND_OBJECTION
WITHDRAWAL_OF_OBJECTION = rights_pb.RIGHTS_REQUEST_KIND_WITHDRAWAL_OF_OBJECTION
RESTRICTION = rights_pb.RIGHTS_REQUEST_KIND_RESTRICTION
LIFTING = rights_pb.RIGHTS_REQUEST_KIND_LIFTING_OF_RESTRICTION
CONSENT_WITHDRAWAL = rights_pb.RIGHTS_REQUEST_KIND_CONSENT_WITHDRAWAL
DISPUTED = rights_pb.RESTRICTION_GROUND_ACCURACY_CONTESTED


def at(time: datetime) -> Timestamp:
    """Return *time* as the contract has it."""
    message = Timestamp()
    message.FromDatetime(time)
    return message


async def interest(channel: grpc.aio.Channel, **fields: Any) -> str:
    """Apply a purpose that rests on legitimate interests, and return its name."""
    name = f"purposes/{new_id('interest')}"
    basis = catalogue_service_pb2.LEGAL_BASIS_LEGITIMATE_INTERESTS
    given: dict[str, Any] = {"legal_basis": basis, "legitimate_interest": "It works.", **fields}
    await applied(channel, purpose(name, **given))
    return name


async def signal(
    channel: grpc.aio.Channel, subject: types_pb2.Subject, **fields: Any
) -> pb.RecordPrivacySignalResponse:
    """Record that Global Privacy Control is on, unless *fields* say otherwise."""
    given: dict[str, Any] = {
        "subject": subject,
        "signal": pb.PRIVACY_SIGNAL_GLOBAL_PRIVACY_CONTROL,
        "request_id": new_id(),
        **fields,
    }
    return await ConsentServiceStub(channel).RecordPrivacySignal(
        pb.RecordPrivacySignalRequest(**given)
    )


async def notify(
    channel: grpc.aio.Channel,
    name: str,
    kind: rights_pb.SubjectNoticeKind.ValueType = rights_pb.SUBJECT_NOTICE_KIND_LIFTING,
) -> rights_pb.RightsRequest:
    """Record that the person was told something about a request."""
    told = rights_pb.SubjectNotice(kind=kind, channel=rights_pb.DELIVERY_CHANNEL_EMAIL)
    response = await rights(channel).RecordSubjectNotice(
        rights_pb.RecordSubjectNoticeRequest(name=name, subject_notice=told, request_id=new_id())
    )
    return response.rights_request


async def reasons(
    channel: grpc.aio.Channel,
    subject: types_pb2.Subject,
    purpose: str,
    moment: datetime | None = None,
    **fields: Any,
) -> list[str]:
    """Return the reasons of the verdict on *subject*, now or at *moment*."""
    request = pb.CheckProcessingRequest(
        subject=subject,
        purpose=purpose,
        as_of_time=at(moment) if moment is not None else None,
        **fields,
    )
    answer = await ConsentServiceStub(channel).CheckProcessing(request)
    return [
        pb.VerdictReason.Name(each).removeprefix("VERDICT_REASON_")
        for each in answer.verdict.reasons
    ]
