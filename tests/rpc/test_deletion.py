"""AuditService.VerifyDeletion over a real channel: an erasure that anybody can check."""

from __future__ import annotations

from datetime import timedelta

import grpc

from privacyrights.v1 import audit_service_pb2 as pb
from privacyrights.v1 import subject_rights_service_pb2, types_pb2
from privacyrights.v1.audit_service_pb2_grpc import AuditServiceStub
from server.domain.clock import SteppingClock
from tests.rpc.exercising import ERASURE, exercise, keep, rights
from tests.rpc.people import end_user, grant, new_tenant, own_user, refused
from tests.rpc.recipients import at

CUSTOMISE = "purposes/customise_messages"


async def verified(channel: grpc.aio.Channel, who: types_pb2.Subject) -> pb.VerifyDeletionResponse:
    """Ask whether *who* was erased."""
    return await AuditServiceStub(channel).VerifyDeletion(pb.VerifyDeletionRequest(subject=who))


async def test_who_was_never_erased_lives_on(channel: grpc.aio.Channel) -> None:
    """Of a life that goes on nothing is proven."""
    who = end_user(await new_tenant(channel))
    await keep(channel, who)

    assert pb.VerifyDeletionResponse(generation=1, current_generation=1) == await verified(
        channel, who
    )


async def test_erasure_is_proven_by_what_the_others_say(channel: grpc.aio.Channel) -> None:
    """Time, entry and certificate are those of the ledger and of the request."""
    who = own_user(await new_tenant(channel))
    await keep(channel, who)
    done = await exercise(channel, who, ERASURE)
    certificate = await rights(channel).GetErasureCertificate(
        subject_rights_service_pb2.GetErasureCertificateRequest(name=done.name)
    )

    found = await verified(channel, who)

    assert (True, 1, 0) == (found.erased, found.generation, found.current_generation)
    assert certificate.jws == found.certificate
    entry = (
        await AuditServiceStub(channel).GetLedgerEntry(
            pb.GetLedgerEntryRequest(name=found.ledger_entry)
        )
    ).entry
    assert ("subject.erased", done.subject_reference) == (entry.type, entry.subject_reference)
    assert entry.time == found.erase_time


async def test_who_comes_back_is_another_life(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """The ended life can be asked for beside the one that goes on."""
    tenant = await new_tenant(channel)
    who = end_user(tenant)
    await keep(channel, who)
    await exercise(channel, who, ERASURE)
    clock.advance(timedelta(seconds=1))
    await grant(channel, who, CUSTOMISE, decision_time=at(clock))

    ended = await verified(channel, end_user(tenant, who.subject_id, generation=1))
    newest = await verified(channel, who)

    assert (True, 1, 2) == (ended.erased, ended.generation, ended.current_generation)
    assert (False, 2, 2) == (newest.erased, newest.generation, newest.current_generation)


async def test_who_is_unknown_was_not_erased(channel: grpc.aio.Channel) -> None:
    """Nothing is certified of somebody unknown, of another tenant's, or of a life to come."""
    tenant, stranger = await new_tenant(channel), await new_tenant(channel)
    who = end_user(tenant)
    await keep(channel, who)

    found = [
        (await refused(verified(channel, each))).reason
        for each in (
            end_user(tenant),
            end_user(stranger, who.subject_id),
            end_user(tenant, who.subject_id, generation=2),
            end_user("tenants/nobody"),
        )
    ]

    assert [*["SUBJECT_NOT_FOUND"] * 3, "TENANT_NOT_FOUND"] == found


async def test_asking_is_no_entry(channel: grpc.aio.Channel) -> None:
    """No data of the person is given out, so that the ledger doesn't grow by it."""
    who = end_user(await new_tenant(channel))
    await keep(channel, who)
    stub, request = AuditServiceStub(channel), pb.ListLedgerEntriesRequest(parent=who.tenant)
    before = [entry.name for entry in (await stub.ListLedgerEntries(request)).entries]

    await verified(channel, who)

    assert before == [entry.name for entry in (await stub.ListLedgerEntries(request)).entries]
