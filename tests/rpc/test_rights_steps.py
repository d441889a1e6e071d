"""The steps of a rights request over a real channel, and what stands in their way."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import timedelta
from typing import Any

import grpc
import pytest

from privacyrights.v1 import audit_service_pb2, audit_service_pb2_grpc, types_pb2
from privacyrights.v1 import subject_rights_service_pb2 as pb
from server.compose import App
from server.domain.clock import SteppingClock
from tests.rpc.exercising import (
    ACCESS,
    ERASURE,
    LOGIN,
    Person,
    ask,
    attest,
    authorise,
    execute,
    get,
    known,
    refuse,
    rights,
    withdraw,
)
from tests.rpc.kept import ledger
from tests.rpc.people import end_user, new_id, new_tenant, own_user, refused

BOTH = pytest.mark.parametrize("who", [own_user, end_user])

AWAITING_IDENTITY = pb.RIGHTS_REQUEST_STATE_AWAITING_IDENTITY
AWAITING_CONTROLLER = pb.RIGHTS_REQUEST_STATE_AWAITING_CONTROLLER
IN_PROGRESS = pb.RIGHTS_REQUEST_STATE_IN_PROGRESS

MISSING = "tenants/nobody/rightsRequests/c0123456789abcdefghjkmnpqrs"


@BOTH
async def test_way_to_execution(channel: grpc.aio.Channel, who: Person) -> None:
    """Attested, authorised where the tenant decides, and done: nothing can be left out."""
    subject = await known(channel, who)
    request = await ask(channel, subject, ACCESS, identity=None)

    unverified = await refused(execute(channel, request.name))
    attested = (await attest(channel, request.name)).rights_request
    if subject.role == types_pb2.ROLE_PROCESSOR:
        unauthorised = await refused(execute(channel, request.name))
        assert "CONTROLLER_NOT_AUTHORISED" == unauthorised.reason
        await authorise(channel, request.name)
    done = await execute(channel, request.name)

    assert "IDENTITY_NOT_VERIFIED" == unverified.reason
    assert (LOGIN.assurance, LOGIN.method) == (
        attested.identity.assurance,
        attested.identity.method,
    )
    assert pb.RIGHTS_REQUEST_STATE_COMPLETED == done.state
    expected = "Head of support" if subject.role == types_pb2.ROLE_PROCESSOR else ""
    assert expected == done.authorised_by


async def test_refusal_has_a_ground_and_words(channel: grpc.aio.Channel) -> None:
    """A refusal tells the person the law's ground and why, at every later reading too."""
    subject = await known(channel)
    request = await ask(channel, subject, ERASURE)
    id = new_id()

    told = await refuse(channel, request.name, pb.REFUSAL_GROUND_LEGAL_CLAIMS, request_id=id)
    again = await refuse(channel, request.name, pb.REFUSAL_GROUND_LEGAL_CLAIMS, request_id=id)
    found = await get(channel, request.name)

    assert pb.RIGHTS_REQUEST_STATE_REFUSED == told.rights_request.state
    assert "Your invoice is in dispute." == found.refusals[0].explanation
    assert [pb.REFUSAL_GROUND_LEGAL_CLAIMS] == [each.ground for each in found.refusals]
    assert found == told.rights_request == again.rights_request


async def test_ground_must_fit_the_right(channel: grpc.aio.Channel) -> None:
    """A ground against erasure is none against access."""
    subject = await known(channel)
    request = await ask(channel, subject, ACCESS)

    found = await refused(refuse(channel, request.name, pb.REFUSAL_GROUND_LEGAL_CLAIMS))

    assert ("FIELD_INVALID", ("ground",)) == (found.reason, found.fields)
    assert IN_PROGRESS == (await get(channel, request.name)).state


async def test_illegal_steps_are_refused(channel: grpc.aio.Channel) -> None:
    """What has ended takes no step; the refusal names the state."""
    subject = await known(channel)
    request = await ask(channel, subject, ACCESS)
    await withdraw(channel, request.name)

    steps: list[Awaitable[Any]] = [
        attest(channel, request.name),
        authorise(channel, request.name),
        execute(channel, request.name),
        refuse(channel, request.name, pb.REFUSAL_GROUND_EXCESSIVE),
        withdraw(channel, request.name),
    ]
    found = [await refused(step) for step in steps]

    assert ["ILLEGAL_TRANSITION"] * 5 == [each.reason for each in found]
    assert [{"state": "withdrawn"}] * 5 == [each.metadata for each in found]


async def test_other_tenants_request_does_not_exist(channel: grpc.aio.Channel) -> None:
    """Another tenant's request and one that never was get the same answer, in every method."""
    request = await ask(channel, await known(channel), ACCESS)
    foreign = (
        f"{await new_tenant(channel)}/{request.name.partition('/rights')[1]}"
        + (request.name.partition("/rights")[2])
    )
    foreign = foreign.replace("//", "/")

    for name in (foreign, MISSING):
        calls: list[Awaitable[Any]] = [
            get(channel, name),
            attest(channel, name),
            authorise(channel, name),
            execute(channel, name),
            refuse(channel, name, pb.REFUSAL_GROUND_EXCESSIVE),
            withdraw(channel, name),
            rights(channel).GetErasureCertificate(pb.GetErasureCertificateRequest(name=name)),
        ]
        found = [await refused(call) for call in calls]
        assert {("NOT_FOUND", "RIGHTS_REQUEST_NOT_FOUND", "no such request")} == {
            (each.code, each.reason, each.message) for each in found
        }


@pytest.mark.parametrize(
    "name", ["", "tenants/a", "tenants/a/rightsRequests/x", "tenants/a/notices/c01", "x" * 500]
)
async def test_malformed_name_is_refused(channel: grpc.aio.Channel, name: str) -> None:
    """A name that no call ever returned is told to be one."""

    found = await refused(get(channel, name))

    assert ("FIELD_INVALID", ("name",)) == (found.reason, found.fields)


@BOTH
async def test_every_change_of_state_is_told(channel: grpc.aio.Channel, who: Person) -> None:
    """A request has its whole course, each step with the ledger entry that says so."""
    subject = await known(channel, who)
    request = await ask(channel, subject, ACCESS, identity=None)
    await attest(channel, request.name)
    is_end_user = subject.role == types_pb2.ROLE_PROCESSOR
    if is_end_user:
        await authorise(channel, request.name)

    done = await execute(channel, request.name)

    course = [(each.from_state, each.to_state, each.cause) for each in done.transitions]
    verified = AWAITING_CONTROLLER if is_end_user else IN_PROGRESS
    decided = (
        [(AWAITING_CONTROLLER, IN_PROGRESS, pb.TRANSITION_CAUSE_AUTHORISED)] if is_end_user else []
    )
    assert course == [
        (0, AWAITING_IDENTITY, pb.TRANSITION_CAUSE_RECEIVED),
        (AWAITING_IDENTITY, verified, pb.TRANSITION_CAUSE_IDENTITY_VERIFIED),
        *decided,
        (IN_PROGRESS, pb.RIGHTS_REQUEST_STATE_COMPLETED, pb.TRANSITION_CAUSE_ALL_CONFIRMED),
    ]
    listed_entries = await audit_service_pb2_grpc.AuditServiceStub(channel).ListLedgerEntries(
        audit_service_pb2.ListLedgerEntriesRequest(parent=subject.tenant, subject=subject)
    )
    types = {each.name: each.type for each in listed_entries.entries}
    assert [types[each.ledger_entry] for each in done.transitions] == [
        "rights.request_created",
        "rights.identity_attested",
        *(["rights.request_authorised"] if is_end_user else []),
        "rights.request_completed",
    ]


async def test_every_step_is_in_the_ledger(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """Receipt, identity, instruction and execution are each an entry, about a reference."""
    subject = await known(channel, end_user)
    clock.advance(timedelta(seconds=1))
    request = await ask(channel, subject, ERASURE, identity=None)
    await attest(channel, request.name)
    await authorise(channel, request.name)
    await execute(channel, request.name)

    entries = [each for each in await ledger(app.ports, subject.tenant) if each.target]
    about = [each for each in entries if each.target == request.name]

    assert [
        "rights.identity_attested",
        "rights.request_authorised",
        "rights.request_completed",
        "rights.request_created",
        "subject.erased",
    ] == sorted({each.type for each in about} - {"subject.purged"})
    assert {request.subject_reference} == {each.subject for each in about}
