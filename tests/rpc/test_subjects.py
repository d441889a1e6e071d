"""Subjects in batches: how a holder learns the references of its own people."""

from __future__ import annotations

import grpc

from privacyrights.v1 import error_reason_pb2, records_service_pb2_grpc, types_pb2
from privacyrights.v1 import records_service_pb2 as pb
from tests.rpc.exercising import ERASURE, erasures, exercise, keep
from tests.rpc.people import end_user, new_id, new_tenant, own_user, refused


def stub(channel: grpc.aio.Channel) -> records_service_pb2_grpc.RecordsServiceAsyncStub:
    """Return the service's stub."""
    return records_service_pb2_grpc.RecordsServiceStub(channel)


async def asked(
    channel: grpc.aio.Channel, *people: types_pb2.Subject, token: str = ""
) -> list[pb.BatchGetSubjectsResponse.Outcome]:
    """Return what is known of *people*."""
    consistency = types_pb2.Consistency(at_least_as_fresh=token) if token else None
    response = await stub(channel).BatchGetSubjects(
        pb.BatchGetSubjectsRequest(subjects=people, consistency=consistency)
    )
    return list(response.outcomes)


async def test_each_has_an_outcome(channel: grpc.aio.Channel) -> None:
    """Known people are told as alone, in the order asked; an unknown one harms nobody."""
    tenant = await new_tenant(channel)
    ada, ben, nobody = (end_user(tenant) for _ in range(3))
    *_, last = [
        await stub(channel).RegisterSubject(
            pb.RegisterSubjectRequest(subject=who, request_id=new_id())
        )
        for who in (ada, ben)
    ]

    found = await asked(channel, ben, nobody, ada, token=last.consistency_token)

    alone = [
        (await stub(channel).GetSubject(pb.GetSubjectRequest(subject=who))).subject
        for who in (ben, ada)
    ]
    assert alone == [found[0].subject, found[2].subject]
    assert error_reason_pb2.ERROR_REASON_SUBJECT_NOT_FOUND == found[1].failure.reason


async def test_holder_finds_its_people_among_erasures(channel: grpc.aio.Channel) -> None:
    """Whoever restored a backup learns which of its own people have been erased since."""
    tenant = await new_tenant(channel)
    gone, here = own_user(tenant), own_user(tenant)
    for who in (gone, here):
        await keep(channel, who)
    await exercise(channel, gone, ERASURE)

    found = await asked(channel, gone, here)
    listed = await erasures(channel, tenant, types_pb2.ROLE_CONTROLLER)

    erased = {(each.subject_reference, each.generation) for each in listed.erasures}
    assert [True, False] == [
        (each.subject.reference, each.subject.generation) in erased for each in found
    ]
    assert listed.erasures[0].ledger_entry.startswith(f"{tenant}/ledgerEntries/")


async def test_one_tenant_and_role(channel: grpc.aio.Channel) -> None:
    """A batch across tenants or roles is refused as a whole, and so is an empty one."""
    tenant, other = [await new_tenant(channel) for _ in range(2)]

    for stranger in (end_user(other), own_user(tenant)):
        told = await refused(asked(channel, end_user(tenant), stranger))
        assert ("FIELD_INVALID", ("subjects[1]",)) == (told.reason, told.fields)
    assert ("subjects",) == (await refused(asked(channel))).fields
    nowhere = await refused(asked(channel, end_user("tenants/nowhere")))
    assert "TENANT_NOT_FOUND" == nowhere.reason
