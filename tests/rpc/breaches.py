"""Breaches and their notices, as an operator reports them and a tenant's service takes them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from privacyrights.v1 import breach_service_pb2 as pb
from privacyrights.v1 import types_pb2
from privacyrights.v1.breach_service_pb2_grpc import BreachServiceStub
from tests.rpc.conftest import BEGIN
from tests.rpc.people import end_user, grant, new_id, own_user

CUSTOMISE = "purposes/customise_messages"
NEWS = "purposes/platform_news"
PATIENCE_SECONDS = 10
"""How long a notice is waited for: less than a stream waits between two looks of its own."""


def at(time: datetime) -> Timestamp:
    """Return *time* as the contract has it."""
    message = Timestamp()
    message.FromDatetime(time)
    return message


def breach(**fields: Any) -> pb.Breach:
    """Return a breach of both regimes; *fields* override. `scope` is needed."""
    given: dict[str, Any] = {
        "kinds": [pb.BREACH_KIND_CONFIDENTIALITY],
        "description": "A backup was readable by anybody for a night.",
        "awareness_time": at(BEGIN - timedelta(hours=1)),
        "contact_point": "the data protection officer",
        "consequences": "Names and pictures may be known to others.",
        "measures_summary": "The backup is private again.",
        **fields,
    }
    return pb.Breach(**given)


def of_tenants(*tenants: str, roles: Sequence[types_pb2.Role.ValueType] = ()) -> pb.BreachScope:
    """Return a scope that names *tenants*."""
    return pb.BreachScope(tenants=tenants, roles=roles)


async def report(channel: grpc.aio.Channel, scope: pb.BreachScope, **fields: Any) -> pb.Breach:
    """Report a breach and return it."""
    response = await BreachServiceStub(channel).ReportBreach(
        pb.ReportBreachRequest(breach=breach(scope=scope, **fields), request_id=new_id())
    )
    return response.breach


async def with_people(
    channel: grpc.aio.Channel, tenant: str, *, end_users: int = 0, own_users: int = 0
) -> str:
    """Make so many people of *tenant* known, and return it."""
    for _ in range(end_users):
        await grant(channel, end_user(tenant), CUSTOMISE)
    for _ in range(own_users):
        await grant(channel, own_user(tenant), NEWS)
    return tenant


async def notices(
    channel: grpc.aio.Channel,
    tenant: str,
    role: types_pb2.Role.ValueType = types_pb2.ROLE_PROCESSOR,
    **fields: Any,
) -> Sequence[pb.Notice]:
    """Return a tenant's notices, newest first; *fields* are others of the request."""
    response = await BreachServiceStub(channel).ListNotices(
        pb.ListNoticesRequest(parent=tenant, role=role, **fields)
    )
    return response.notices


async def acknowledge(
    channel: grpc.aio.Channel, name: str, by: str = "privacy team"
) -> pb.AcknowledgeNoticeResponse:
    """Acknowledge the notice *name*."""
    return await BreachServiceStub(channel).AcknowledgeNotice(
        pb.AcknowledgeNoticeRequest(name=name, acknowledged_by=by, request_id=new_id())
    )


class Subscription:
    """A stream of a tenant's notices, as its service holds it open."""

    def __init__(self, call: Any) -> None:
        self._call = call

    async def next(self) -> pb.Notice:
        """Return the next notice, once it has come."""
        response = await asyncio.wait_for(self._call.read(), PATIENCE_SECONDS)
        assert isinstance(response, pb.WatchNoticesResponse), "the stream has ended"
        return response.notice

    async def names(self, count: int) -> list[str]:
        """Return the names of the next *count* notices."""
        return [(await self.next()).name for _ in range(count)]


@asynccontextmanager
async def watching(
    channel: grpc.aio.Channel,
    tenant: str,
    role: types_pb2.Role.ValueType = types_pb2.ROLE_PROCESSOR,
) -> AsyncGenerator[Subscription]:
    """Watch a tenant's notices during the block."""
    call = BreachServiceStub(channel).WatchNotices(
        pb.WatchNoticesRequest(tenants=[tenant], roles=[role])
    )
    try:
        yield Subscription(call)
    finally:
        call.cancel()
