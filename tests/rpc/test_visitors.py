"""Visitors: people without an account are subjects, by an id that no account can have."""

from __future__ import annotations

import grpc
import pytest

from privacyrights.v1 import (
    consent_service_pb2 as pb,
)
from privacyrights.v1 import (
    consent_service_pb2_grpc,
    records_service_pb2,
    records_service_pb2_grpc,
    types_pb2,
)
from tests.rpc.exercising import ACCESS, ERASURE, document, exercise, keep
from tests.rpc.people import end_user, grant, new_id, new_tenant, refused, verdict, withdraw

CUSTOMISE = "purposes/customise_messages"


def visitor(tenant: str, id: str = "") -> types_pb2.Subject:
    """Return somebody without an account."""
    return types_pb2.Subject(
        role=types_pb2.ROLE_PROCESSOR, tenant=tenant, visitor_id=id or new_id("browser-of-someone")
    )


def consents(channel: grpc.aio.Channel) -> consent_service_pb2_grpc.ConsentServiceAsyncStub:
    """Return the service's stub."""
    return consent_service_pb2_grpc.ConsentServiceStub(channel)


async def test_visitor_decides_like_anybody(channel: grpc.aio.Channel) -> None:
    """A visitor's choices are recorded, listed, checked and withdrawn in the same calls."""
    who = visitor(await new_tenant(channel))

    await grant(channel, who, CUSTOMISE)
    allowed = await verdict(channel, who, CUSTOMISE)
    listed = await consents(channel).ListConsents(pb.ListConsentsRequest(subject=who))
    all_withdrawn = await consents(channel).WithdrawAllConsents(
        pb.WithdrawAllConsentsRequest(subject=who, request_id=new_id())
    )
    history = await consents(channel).ListConsentDecisions(
        pb.ListConsentDecisionsRequest(subject=who)
    )

    assert allowed.allowed
    assert [pb.CONSENT_STATE_GRANTED] == [each.state for each in listed.consents]
    assert [CUSTOMISE] == list(all_withdrawn.purposes)
    assert 2 == len(history.consent_decisions)
    assert not (await verdict(channel, who, CUSTOMISE)).allowed


async def test_equal_ids_are_two_people(channel: grpc.aio.Channel) -> None:
    """An account whose id equals a visitor's is somebody else, alone and in one batch."""
    tenant, id = await new_tenant(channel), new_id("the-very-same-id")
    browser, account = visitor(tenant, id), end_user(tenant, id)

    await grant(channel, browser, CUSTOMISE)
    checks = [
        pb.CheckProcessingRequest(subject=who, purpose=CUSTOMISE) for who in (browser, account)
    ]
    batch = await consents(channel).BatchCheckProcessing(
        pb.BatchCheckProcessingRequest(checks=checks)
    )
    records = records_service_pb2_grpc.RecordsServiceStub(channel)
    await records.RegisterSubject(
        records_service_pb2.RegisterSubjectRequest(subject=account, request_id=new_id())
    )
    found = await records.BatchGetSubjects(
        records_service_pb2.BatchGetSubjectsRequest(subjects=[browser, account])
    )

    assert [True, False] == [each.verdict.allowed for each in batch.outcomes]
    references = [each.verdict.subject_reference for each in batch.outcomes]
    assert references == [each.subject.reference for each in found.outcomes]
    assert references[0] != references[1]


async def test_visitor_has_rights(channel: grpc.aio.Channel) -> None:
    """A visitor gets a copy and is erased; the account with the same id goes on."""
    tenant, id = await new_tenant(channel), new_id("the-very-same-id")
    browser, account = visitor(tenant, id), end_user(tenant, id)
    await keep(channel, browser)
    await keep(channel, account)

    copy = await document(channel, (await exercise(channel, browser, ACCESS)).name)
    await exercise(channel, browser, ERASURE)

    assert id in copy["subject"]["id"]
    assert "blue" in str(copy["records"])
    gone = await refused(
        consents(channel).WithdrawAllConsents(
            pb.WithdrawAllConsentsRequest(subject=browser, request_id=new_id())
        )
    )
    assert "SUBJECT_ERASED" == gone.reason
    await withdraw(channel, account, CUSTOMISE)


@pytest.mark.parametrize("id", ["short", "has spaces in between", "é" * 20, "x" * 65])
async def test_visitor_id_is_random_and_long(channel: grpc.aio.Channel, id: str) -> None:
    """What can't be a browser's random id is refused, and not repeated."""
    told = await refused(grant(channel, visitor("tenants/acme", id), CUSTOMISE))

    assert ("FIELD_INVALID", ("subject.visitor_id",)) == (told.reason, told.fields)
    assert id not in told.message


async def test_nobody_is_no_visitor(channel: grpc.aio.Channel) -> None:
    """A subject with neither id is refused by the field that most callers forgot."""
    nobody = types_pb2.Subject(role=types_pb2.ROLE_PROCESSOR, tenant="tenants/acme")

    told = await refused(grant(channel, nobody, CUSTOMISE))

    assert ("subject.subject_id",) == told.fields
