"""GDPR Art. 12: how requests are answered – in time, to the right person, with reasons."""

from __future__ import annotations

from datetime import UTC, datetime

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from privacyrights.v1 import subject_rights_service_pb2 as pb
from privacyrights.v1 import types_pb2
from tests.rpc.exercising import ACCESS, ERASURE, ask, execute, get, keep, rights
from tests.rpc.people import REASON, new_id, new_tenant, own_user, refused


@pytest.mark.parametrize(
    ("received", "zone", "due"),
    [
        # Worked out by hand: the same date of the next month, until that day ends there.
        ("2026-02-15T10:00Z", "Europe/Paris", "2026-03-15T23:00Z"),
        # 31 January has no counterpart: February ends the month.
        ("2026-01-31T10:00Z", "Europe/Paris", "2026-02-28T23:00Z"),
        # Half past eleven in the evening of the 30th is the 31st already in Auckland.
        ("2026-01-30T12:30Z", "Pacific/Auckland", "2026-02-28T11:00Z"),
        # On 29 March the clocks of Paris go forward: the day ends an hour earlier in UTC.
        ("2026-02-28T10:00Z", "Europe/Paris", "2026-03-28T23:00Z"),
    ],
)
async def test_answer_is_due_within_one_month(
    channel: grpc.aio.Channel, received: str, zone: str, due: str
) -> None:
    """Art. 12(3): the answer is due within one month of receipt, by the tenant's own clocks."""
    subject = own_user(await new_tenant(channel, time_zone=zone))
    await keep(channel, subject)
    time = Timestamp()
    time.FromDatetime(datetime.fromisoformat(received))

    request = await ask(channel, subject, ACCESS, receive_time=time)

    assert datetime.fromisoformat(due) == request.due_time.ToDatetime(UTC)


async def test_what_is_due_first_is_shown_first(channel: grpc.aio.Channel) -> None:
    """Art. 12(3): nobody overlooks a deadline: the list begins with the nearest one."""
    tenant = await new_tenant(channel)
    for day in (20, 5, 12):
        subject = own_user(tenant)
        await keep(channel, subject)
        time = Timestamp()
        time.FromDatetime(datetime(2026, 2, day, tzinfo=UTC))
        await ask(channel, subject, ACCESS, receive_time=time)

    response = await rights(channel).ListRightsRequests(
        pb.ListRightsRequestsRequest(parent=tenant, role=types_pb2.ROLE_CONTROLLER, reason=REASON)
    )

    due = [request.due_time.ToDatetime(UTC) for request in response.rights_requests]
    assert 3 == len(due)
    assert sorted(due) == due


async def test_nothing_is_done_for_a_stranger(channel: grpc.aio.Channel) -> None:
    """Art. 12(6): before it is known who asks, nothing is given out and nothing is destroyed."""
    subject = own_user(await new_tenant(channel))
    await keep(channel, subject)
    access = await ask(channel, subject, ACCESS, identity=None)
    erasure = await ask(channel, subject, ERASURE, identity=None)

    reasons = {
        (await refused(execute(channel, request.name))).reason for request in (access, erasure)
    }

    assert {"IDENTITY_NOT_VERIFIED"} == reasons


async def test_strangers_request_keeps_nobody_from_asking(channel: grpc.aio.Channel) -> None:
    """Art. 12(2): exercising a right is easy: what a stranger filed isn't in the way."""
    subject = own_user(await new_tenant(channel))
    await keep(channel, subject)
    await ask(channel, subject, ERASURE, identity=None)

    own = await ask(channel, subject, ERASURE)

    assert pb.RIGHTS_REQUEST_STATE_IN_PROGRESS == own.state


async def test_refusal_gives_the_reasons(channel: grpc.aio.Channel) -> None:
    """Art. 12(4), (5): who is refused is told the ground and the reasons, on record."""
    subject = own_user(await new_tenant(channel))
    await keep(channel, subject)
    request = await ask(channel, subject, ACCESS)
    await rights(channel).RefuseRightsRequest(
        pb.RefuseRightsRequestRequest(
            name=request.name,
            ground=pb.REFUSAL_GROUND_EXCESSIVE,
            explanation="You received a copy yesterday, and nothing has changed since.",
            request_id=new_id(),
        )
    )

    found = await get(channel, request.name)

    assert (pb.RIGHTS_REQUEST_STATE_REFUSED, pb.REFUSAL_GROUND_EXCESSIVE) == (
        found.state,
        found.refusals[0].ground,
    )
    assert found.refusals[0].explanation.startswith("You received a copy")


async def test_refusal_without_reasons_is_none(channel: grpc.aio.Channel) -> None:
    """Art. 12(4): a refusal without a ground, or without a word, isn't taken."""
    subject = own_user(await new_tenant(channel))
    await keep(channel, subject)
    request = await ask(channel, subject, ACCESS)

    found = await refused(
        rights(channel).RefuseRightsRequest(
            pb.RefuseRightsRequestRequest(name=request.name, request_id=new_id())
        )
    )

    assert {"ground", "explanation"} == set(found.fields)
