"""GDPR Art. 17: right to erasure."""

from __future__ import annotations

from datetime import timedelta

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from privacyrights.v1 import consent_service_pb2, types_pb2
from privacyrights.v1 import subject_rights_service_pb2 as pb
from privacyrights.v1.consent_service_pb2_grpc import ConsentServiceStub
from server.domain.clock import SteppingClock
from tests.rpc.exercising import ACCESS, ERASURE, ask, exercise, get, keep, rights
from tests.rpc.kept import read
from tests.rpc.people import end_user, grant, new_id, new_tenant, own_user, refused, verdict

CUSTOMISE = "purposes/customise_messages"


async def known(channel: grpc.aio.Channel) -> types_pb2.Subject:
    """Return an end-user about whom something is kept."""
    subject = end_user(await new_tenant(channel))
    await keep(channel, subject)
    return subject


async def test_data_is_erased_without_delay(channel: grpc.aio.Channel) -> None:
    """Art. 17(1): once the erasure is acknowledged, nothing of the person can be read or used."""
    subject = await known(channel)

    done = await exercise(channel, subject, ERASURE)

    assert pb.RIGHTS_REQUEST_STATE_COMPLETED == done.state
    assert "SUBJECT_ERASED" == (await refused(read(channel, subject))).reason
    assert not (await verdict(channel, subject, "purposes/optimise_interactions")).allowed


async def test_late_data_brings_nobody_back(channel: grpc.aio.Channel) -> None:
    """Art. 17(1): what other services still send about the erased person is refused."""
    subject = await known(channel)
    await exercise(channel, subject, ERASURE)

    late = [
        (await refused(keep(channel, subject))).reason,
        (await refused(grant(channel, subject, CUSTOMISE))).reason,
    ]

    assert ["SUBJECT_ERASED"] * 2 == late


async def test_new_sign_up_begins_with_nothing(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """Art. 17(1): who comes back later is a new life, in which nothing of the old one is left."""
    subject = await known(channel)
    await exercise(channel, subject, ERASURE)
    decided = Timestamp()
    decided.FromDatetime(clock.advance(timedelta(seconds=1)))

    granted = await grant(channel, subject, CUSTOMISE, decision_time=decided)

    assert 2 == granted.generation
    assert not (await read(channel, subject)).records


async def test_proof_of_consent_outlives_the_data(channel: grpc.aio.Channel) -> None:
    """Art. 17(3)(e), 7(1): that it was allowed can still be shown, by reference only."""
    subject = await known(channel)
    await grant(channel, subject, CUSTOMISE)
    await exercise(channel, subject, ERASURE)

    history = await ConsentServiceStub(channel).ListConsentDecisions(
        consent_service_pb2.ListConsentDecisionsRequest(subject=subject)
    )

    assert [CUSTOMISE] == [each.purpose for each in history.consent_decisions]


async def test_erasure_is_proven(channel: grpc.aio.Channel) -> None:
    """Art. 5(2): the erasure has a certificate, and the request stays, without the data."""
    subject = await known(channel)
    done = await exercise(channel, subject, ERASURE, statement="Forget me")

    response = await rights(channel).GetErasureCertificate(
        pb.GetErasureCertificateRequest(name=done.name)
    )
    found = await get(channel, done.name)

    assert 3 == len(response.jws.split("."))
    assert (done.subject_reference, 1) == (found.subject_reference, found.generation)
    assert "Forget me" not in str(found)


async def test_legal_obligation_is_a_ground_to_refuse(channel: grpc.aio.Channel) -> None:
    """Art. 17(3)(b): an erasure may be refused for a legal obligation; an access may not."""
    subject = own_user(await new_tenant(channel))
    await keep(channel, subject)
    erasure, access = [await ask(channel, subject, kind) for kind in (ERASURE, ACCESS)]

    refusals = [
        pb.RefuseRightsRequestRequest(
            name=request.name,
            ground=pb.REFUSAL_GROUND_LEGAL_OBLIGATION,
            explanation="Invoices are kept for ten years.",
            request_id=new_id(),
        )
        for request in (erasure, access)
    ]

    told = await rights(channel).RefuseRightsRequest(refusals[0])
    assert pb.RIGHTS_REQUEST_STATE_REFUSED == told.rights_request.state
    assert ("ground",) == (await refused(rights(channel).RefuseRightsRequest(refusals[1]))).fields
