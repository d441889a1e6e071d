"""GDPR Art. 28: the processor acts on the controller's documented instruction."""

from __future__ import annotations

import grpc
import pytest

from privacyrights.v1 import subject_rights_service_pb2 as pb
from privacyrights.v1 import types_pb2
from server.compose import App
from tests.rpc.exercising import ACCESS, ERASURE, ask, authorise, execute, get, keep
from tests.rpc.kept import everything, ledger
from tests.rpc.people import end_user, new_tenant, own_user, refused


async def known(channel: grpc.aio.Channel) -> types_pb2.Subject:
    """Return an end-user about whom something is kept."""
    subject = end_user(await new_tenant(channel))
    await keep(channel, subject)
    return subject


@pytest.mark.parametrize("kind", [ACCESS, ERASURE])
async def test_end_users_request_waits_for_the_tenant(
    channel: grpc.aio.Channel, kind: pb.RightsRequestKind.ValueType
) -> None:
    """Art. 28(3)(a): what an end-user asks for is done when the tenant instructs it, not before."""
    subject = await known(channel)
    request = await ask(channel, subject, kind)

    early = await refused(execute(channel, request.name))
    kept = await everything(channel, subject)
    await authorise(channel, request.name)
    done = await execute(channel, request.name)

    assert pb.RIGHTS_REQUEST_STATE_AWAITING_CONTROLLER == request.state
    assert "CONTROLLER_NOT_AUTHORISED" == early.reason
    assert 1 == len(kept)
    assert pb.RIGHTS_REQUEST_STATE_COMPLETED == done.state


async def test_instruction_is_documented(app: App, channel: grpc.aio.Channel) -> None:
    """Art. 28(3)(a): who instructed stays on record, also after the person was erased."""
    subject = await known(channel)
    request = await ask(channel, subject, ERASURE)
    await authorise(channel, request.name)
    await execute(channel, request.name)

    found = await get(channel, request.name)
    entries = {each.type for each in await ledger(app.ports, subject.tenant)}

    assert "Head of support" == found.authorised_by
    assert "rights.request_authorised" in entries


async def test_who_instructs_is_not_in_the_ledger(app: App, channel: grpc.aio.Channel) -> None:
    """Art. 5(1)(c): the ledger, which forgets nothing, doesn't learn who instructed."""
    subject = await known(channel)
    request = await ask(channel, subject, ERASURE)

    await authorise(channel, request.name)

    assert "Head of support" not in str(await ledger(app.ports, subject.tenant))


async def test_own_people_need_no_instruction(channel: grpc.aio.Channel) -> None:
    """Art. 28(10): where the platform decides itself, it is the controller, and answers itself."""
    subject = own_user(await new_tenant(channel))
    await keep(channel, subject)
    request = await ask(channel, subject, ACCESS)

    found = await refused(authorise(channel, request.name))
    done = await execute(channel, request.name)

    assert "ILLEGAL_TRANSITION" == found.reason
    assert pb.RIGHTS_REQUEST_STATE_COMPLETED == done.state
