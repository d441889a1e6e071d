"""What happens around every call: who calls, which call it is, and its one line."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from google.protobuf.message import Message

from privacyrights.v1 import breach_service_pb2, records_service_pb2, tenant_service_pb2
from server.domain.call import Call
from server.domain.errors import TenantNotFoundError
from server.handlers.registry import HandlerDefectError, generic_handlers, implemented
from server.interceptors import Drain, Guard
from tests.rpc.small_server import as_it_is, small_server
from tests.rpc.wire import path, refused, responses

CREATE_TENANT = path("TenantService", "CreateTenant")
GET_TENANT = path("TenantService", "GetTenant")
IMPORT = path("RecordsService", "ImportRecords")
PUT = path("RecordsService", "PutRecord")
WATCH = path("BreachService", "WatchNotices")


def log_nothing(**_line: Any) -> None:
    """Log nothing."""


GUARD = Guard(log_nothing, Drain(), 30)


class Tenants:
    """Keeps the calls that it is asked."""

    SERVICE = "privacyrights.v1.TenantService"

    def __init__(self) -> None:
        self.calls: list[Call] = []

    async def CreateTenant(
        self, request: tenant_service_pb2.CreateTenantRequest, call: Call
    ) -> Message:
        """Answer with the tenant's own words, and note whose it is."""
        self.calls.append(call)
        call.notes.update(tenant=request.tenant_id, subject="kq3Zr_b0-9A")
        return tenant_service_pb2.CreateTenantResponse(tenant=request.tenant)

    async def GetTenant(self, _request: Message, call: Call) -> Message:
        """Find none."""
        self.calls.append(call)
        raise TenantNotFoundError


class Records:
    """Counts what is imported."""

    SERVICE = "privacyrights.v1.RecordsService"

    def __init__(self) -> None:
        self.calls: list[Call] = []

    async def ImportRecords(
        self, requests: AsyncIterator[records_service_pb2.ImportRecordsRequest], call: Call
    ) -> Message:
        """Count the requests."""
        self.calls.append(call)
        count = len([request async for request in requests])
        return records_service_pb2.ImportRecordsResponse(stored_count=count)

    async def PutRecord(self, _request: Message, call: Call) -> Message:
        """Keep the call."""
        self.calls.append(call)
        return records_service_pb2.PutRecordResponse()


class Notices:
    """Sends two notices, and ends."""

    SERVICE = "privacyrights.v1.BreachService"

    def __init__(self) -> None:
        self.closed = False

    async def WatchNotices(self, _request: Message, _call: Call) -> AsyncIterator[Message]:
        """Send them."""
        try:
            for name in ("first", "second"):
                notice = breach_service_pb2.Notice(name=name)
                yield breach_service_pb2.WatchNoticesResponse(notice=notice)
        finally:
            self.closed = True


def creation(**fields: Any) -> bytes:
    """Return an encoded request to create a tenant."""
    return tenant_service_pb2.CreateTenantRequest(**fields).SerializeToString()


async def test_call_says_who_and_which() -> None:
    """A handler is told the caller, the method, the request id and the request's content."""

    handler = Tenants()
    async with small_server(handler) as served:
        await responses(
            served.channel,
            CREATE_TENANT,
            creation(tenant_id="acme", request_id="r-1"),
            metadata=(("x-privacyrights-caller", "shop_1"),),
        )

    (call,) = handler.calls
    assert ("shop_1", "TenantService/CreateTenant", "r-1") == (
        call.caller,
        call.rpc,
        call.request_id,
    )
    assert call.content.startswith(b"TenantService/CreateTenant\0")
    assert b"acme" in call.content


async def test_content_is_canonical() -> None:
    """The same request in another encoding is the same call; another request isn't."""

    handler = Records()
    head = records_service_pb2.PutRecordRequest(purpose="purposes/billing").SerializeToString()
    tail = records_service_pb2.PutRecordRequest(request_id="r-1").SerializeToString()
    async with small_server(handler) as served:
        for request in (head + tail, tail + head, tail):
            await responses(served.channel, PUT, request)

    first, again, third = (call.content for call in handler.calls)
    assert first == again
    assert first != third


async def test_reading_call_has_no_content() -> None:
    """A method without a request id has nothing that could be repeated."""

    handler = Tenants()
    async with small_server(handler) as served:
        await refused(served.channel, GET_TENANT, b"")

    assert [("", b"")] == [(call.request_id, call.content) for call in handler.calls]


async def test_caller_without_a_name_is_anonymous() -> None:
    """In development mode, a caller needs no name."""

    handler = Tenants()
    async with small_server(handler) as served:
        await responses(served.channel, CREATE_TENANT, creation())

    assert ["anonymous"] == [call.caller for call in handler.calls]


@pytest.mark.parametrize(
    "names", [("",), ("Shop",), ("a b",), ("x" * 64,), ("marie@example.org",), ("one", "two")]
)
async def test_caller_with_another_name_is_refused(names: tuple[str, ...]) -> None:
    """A caller's name that isn't one is refused, naming the metadata key and not the name."""

    handler = Tenants()
    metadata = tuple(("x-privacyrights-caller", name) for name in names)
    async with small_server(handler) as served:
        told = await refused(served.channel, CREATE_TENANT, creation(), metadata=metadata)

    assert ("INVALID_ARGUMENT", "FIELD_INVALID") == (told.code, told.reason)
    assert ("x-privacyrights-caller",) == told.fields
    assert "marie" not in str(told)
    assert [] == handler.calls


async def test_one_line_for_each_call() -> None:
    """A call's line tells method, code, duration, caller, tenant, request id and reference."""

    async with small_server(Tenants()) as served:
        request = creation(tenant_id="acme", request_id="r-1")
        await responses(served.channel, CREATE_TENANT, request)
        await refused(served.channel, GET_TENANT, b"")

    first, second = served.lines
    assert 0 < first.pop("duration_ms") < 5_000
    assert first == {
        "method": "TenantService/CreateTenant",
        "code": "OK",
        "caller": "anonymous",
        "tenant": "acme",
        "request_id": "r-1",
        "subject": "kq3Zr_b0-9A",
    }
    assert ("TenantService/GetTenant", "NOT_FOUND") == (second["method"], second["code"])
    assert {"tenant", "request_id", "subject"}.isdisjoint(second)


async def test_stream_of_requests() -> None:
    """A handler reads the requests of a stream as messages, and each stream has one line."""

    handler = Records()
    async with small_server(handler) as served:
        (answer,) = await responses(served.channel, IMPORT, b"", b"", b"")

    assert 3 == records_service_pb2.ImportRecordsResponse.FromString(answer).stored_count
    assert [Call("anonymous", "RecordsService/ImportRecords")] == handler.calls
    assert ["OK"] == [line["code"] for line in served.lines]


async def test_bytes_in_a_stream_that_are_no_message() -> None:
    """A stream with bytes that can't be decoded is refused like any wrong request."""

    async with small_server(Records()) as served:
        told = await refused(served.channel, IMPORT, b"", b"\x0a\xff")

    assert ("INVALID_ARGUMENT", "FIELD_INVALID") == (told.code, told.reason)


async def test_stream_of_responses() -> None:
    """A caller receives what a stream yields, in its order, and the stream has one line."""

    handler = Notices()
    async with small_server(handler) as served:
        answers = await responses(served.channel, WATCH, b"")

    names = [
        breach_service_pb2.WatchNoticesResponse.FromString(answer).notice.name for answer in answers
    ]
    assert ["first", "second"] == names
    assert handler.closed
    assert ["OK"] == [line["code"] for line in served.lines]


def test_table_of_what_is_built() -> None:
    """The table has each method of the contract once, and knows which a handler has."""

    rows = implemented([Records, Notices])

    assert len(rows) == len({(row.service, row.method) for row in rows})
    assert {"ImportRecords", "PutRecord", "WatchNotices"} == {
        row.method for row in rows if row.is_built
    }


class NoService:
    """Names a service that the contract hasn't."""

    SERVICE = "privacyrights.v1.NobodysService"


class Misspelt:
    """Has a method that the contract hasn't."""

    SERVICE = "privacyrights.v1.TenantService"

    async def GetTenent(self, _request: Message, _call: Call) -> None:
        """Be misspelt."""


class NotAsynchronous:
    """Has a method that would block the loop."""

    SERVICE = "privacyrights.v1.TenantService"

    def GetTenant(self, _request: Message, _call: Call) -> None:
        """Block."""


class NotStreaming:
    """Answers once where the contract has a stream."""

    SERVICE = "privacyrights.v1.BreachService"

    async def WatchNotices(self, _request: Message, _call: Call) -> None:
        """Answer once."""


class NotEndless:
    """Calls a method endless that answers once."""

    SERVICE = "privacyrights.v1.TenantService"
    ENDLESS = frozenset({"GetTenant"})


@pytest.mark.parametrize(
    "handlers",
    [
        (NoService(),),
        (Misspelt(),),
        (NotAsynchronous(),),
        (NotStreaming(),),
        (NotEndless(),),
        (Tenants(), Tenants()),
    ],
    ids=lambda handlers: type(handlers[0]).__name__,
)
def test_handler_that_does_not_fit(handlers: tuple[object, ...]) -> None:
    """A handler that doesn't fit the contract keeps the server from starting."""

    with pytest.raises(HandlerDefectError):
        generic_handlers(handlers, GUARD, as_it_is)
