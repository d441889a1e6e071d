"""Lists of rights requests over a real channel: what is due first comes first."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from privacyrights.v1 import subject_rights_service_pb2 as pb
from privacyrights.v1 import types_pb2
from tests.rpc.exercising import (
    ACCESS,
    ERASURE,
    ask,
    keep,
    known,
    rights,
    withdraw,
)
from tests.rpc.people import REASON, end_user, new_tenant, own_user, refused

AWAITING_IDENTITY = pb.RIGHTS_REQUEST_STATE_AWAITING_IDENTITY
IN_PROGRESS = pb.RIGHTS_REQUEST_STATE_IN_PROGRESS


def stamp(time: datetime) -> Timestamp:
    """Return *time* as the contract has it."""
    message = Timestamp()
    message.FromDatetime(time)
    return message


async def listed(
    channel: grpc.aio.Channel, tenant: str, **fields: Any
) -> pb.ListRightsRequestsResponse:
    """Return one page of the requests of a tenant's own people; *fields* override."""
    given: dict[str, Any] = {
        "parent": tenant,
        "role": types_pb2.ROLE_CONTROLLER,
        "reason": REASON,
        **fields,
    }
    return await rights(channel).ListRightsRequests(pb.ListRightsRequestsRequest(**given))


async def test_list_is_due_first(channel: grpc.aio.Channel) -> None:
    """The request that is due first comes first, page after page; filters leave out the rest."""
    tenant = await new_tenant(channel)
    names: dict[int, str] = {}
    for day in (3, 1, 2):
        subject = own_user(tenant)
        await keep(channel, subject)
        received = stamp(datetime(2026, 1, day, tzinfo=UTC))
        names[day] = (await ask(channel, subject, ACCESS, receive_time=received)).name
    await withdraw(channel, names[3])
    end = end_user(tenant)
    await keep(channel, end)
    await ask(channel, end, ACCESS)

    first = await listed(channel, tenant, page_size=2)
    second = await listed(channel, tenant, page_size=2, page_token=first.next_page_token)
    opened = await listed(channel, tenant, states=[IN_PROGRESS, AWAITING_IDENTITY])
    # The first two are due at midnight in Paris, on 2 and 3 February.
    due = await listed(channel, tenant, due_before_time=stamp(datetime(2026, 2, 2, 23, tzinfo=UTC)))

    assert [names[1], names[2]] == [each.name for each in first.rights_requests]
    assert [names[3]] == [each.name for each in second.rights_requests]
    assert "" == second.next_page_token
    assert [names[1], names[2]] == [each.name for each in opened.rights_requests]
    assert [names[1]] == [each.name for each in due.rights_requests]


async def test_list_of_one_person_and_kind(channel: grpc.aio.Channel) -> None:
    """A list can be narrowed to one person's requests, and to kinds of them."""
    ada = await known(channel)
    tenant, ben = ada.tenant, own_user(ada.tenant)
    await keep(channel, ben)
    access, erasure = [await ask(channel, ada, kind) for kind in (ACCESS, ERASURE)]
    await ask(channel, ben, ACCESS)

    hers = await listed(channel, tenant, subject=ada)
    erasures = await listed(channel, tenant, subject=ada, kinds=[ERASURE])
    of_other_role = await refused(listed(channel, tenant, subject=end_user(tenant)))

    assert {access.name, erasure.name} == {each.name for each in hers.rights_requests}
    assert [erasure.name] == [each.name for each in erasures.rights_requests]
    assert ("subject",) == of_other_role.fields


LIST_REFUSALS: dict[str, tuple[dict[str, Any], str]] = {
    "no role": ({"role": 0}, "FIELD_INVALID"),
    "unknown state": ({"states": [99]}, "FIELD_INVALID"),
    "made up token": ({"page_token": "AAAA"}, "PAGE_TOKEN_INVALID"),
    "unknown tenant": ({"parent": "tenants/nobody"}, "TENANT_NOT_FOUND"),
}


@pytest.mark.parametrize("case", LIST_REFUSALS)
async def test_invalid_list_is_refused(channel: grpc.aio.Channel, case: str) -> None:
    """A list of nothing that exists is refused, not empty."""
    fields, reason = LIST_REFUSALS[case]

    found = await refused(listed(channel, "tenants/a", **fields))

    assert reason == found.reason


async def test_earliest_and_latest_times_are_harmless(channel: grpc.aio.Channel) -> None:
    """The ends of what is taken for a time are times like any other."""
    tenant = await new_tenant(channel)

    for time in (datetime(1900, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)):
        assert not (await listed(channel, tenant, due_before_time=stamp(time))).rights_requests
