"""A server that is told to stop finishes what it was asked, and loses nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest
from google.protobuf.message import Message

from privacyrights.v1 import breach_service_pb2, tenant_service_pb2
from server.domain.call import Call
from tests.rpc.refusal import refusal
from tests.rpc.small_server import SmallServer, small_server
from tests.rpc.wire import path, refused, responses

GET_TENANT = path("TenantService", "GetTenant")
WATCH = path("BreachService", "WatchNotices")
AFFECTED = path("BreachService", "StreamAffectedSubjects")


class Gate:
    """A handler that lets the test say when a call goes on."""

    SERVICE = "privacyrights.v1.TenantService"

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.opened = asyncio.Event()

    async def GetTenant(self, _request: Message, _call: Call) -> Message:
        """Answer when the gate is open."""
        self.entered.set()
        await self.opened.wait()
        return tenant_service_pb2.GetTenantResponse()


class Watches:
    """Two streams that never end by themselves, one of which is meant not to."""

    SERVICE = "privacyrights.v1.BreachService"
    ENDLESS = frozenset({"WatchNotices"})

    def __init__(self) -> None:
        self.opened = asyncio.Event()

    async def WatchNotices(self, _request: Message, _call: Call) -> AsyncIterator[Message]:
        """Send one notice, and wait for ever."""
        yield breach_service_pb2.WatchNoticesResponse()
        await asyncio.Event().wait()

    async def StreamAffectedSubjects(
        self, _request: Message, _call: Call
    ) -> AsyncIterator[Message]:
        """Send one subject, and another when the gate is open."""
        yield breach_service_pb2.StreamAffectedSubjectsResponse()
        await self.opened.wait()
        yield breach_service_pb2.StreamAffectedSubjectsResponse()


async def begun(served: SmallServer, method: str) -> grpc.aio.UnaryStreamCall[bytes, bytes]:
    """Return a stream of responses whose first has arrived."""
    multi: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = served.channel.unary_stream(method)
    call = multi(b"")
    await call.read()
    return call


async def told_to_stop(served: SmallServer, seconds: float) -> asyncio.Task[None]:
    """Tell the server to stop within *seconds*; return once it has told its health."""
    multi: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = served.channel.unary_stream(
        "/grpc.health.v1.Health/Watch"
    )
    watching = multi(b"")
    await watching.read()
    stopping = asyncio.create_task(served.server.stop(seconds))
    await watching.read()
    watching.cancel()
    return stopping


async def test_running_call_is_answered() -> None:
    """A call that is running when the server is told to stop gets its answer."""

    handler = Gate()
    async with small_server(handler) as served:
        calling = asyncio.create_task(responses(served.channel, GET_TENANT, b""))
        await asyncio.wait_for(handler.entered.wait(), 5)
        stopping = await told_to_stop(served, 30)
        handler.opened.set()

        assert 1 == len(await calling)
        await asyncio.wait_for(stopping, 5)


async def test_call_beyond_the_limit_is_told_to_come_back() -> None:
    """A call that isn't done in time is ended, and told that a repeat is safe."""

    handler = Gate()
    async with small_server(handler) as served:
        calling = asyncio.create_task(refused(served.channel, GET_TENANT, b""))
        await asyncio.wait_for(handler.entered.wait(), 5)
        await served.server.stop(0.05)
        told = await calling

    assert ("UNAVAILABLE", "DRAINING", 1.0) == (told.code, told.reason, told.retry_seconds)
    assert ["UNAVAILABLE"] == [line["code"] for line in served.lines]


async def test_new_call_is_refused() -> None:
    """A call that comes while the server drains is refused before anything is done for it."""

    handler = Gate()
    async with small_server(handler) as served:
        served.drain.begin()
        told = await refused(served.channel, GET_TENANT, b"")

    assert ("UNAVAILABLE", "DRAINING") == (told.code, told.reason)
    assert not handler.entered.is_set()


async def test_endless_stream_ends_at_once() -> None:
    """A stream that never ends by itself is told DRAINING at once, so that it goes on elsewhere."""

    async with small_server(Watches()) as served:
        watching = await begun(served, WATCH)
        stopping = asyncio.create_task(served.server.stop(30))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await watching.read()
        await asyncio.wait_for(stopping, 5)

    assert "DRAINING" == refusal(caught.value).reason


async def test_other_stream_is_sent_whole() -> None:
    """A stream that ends by itself is sent to its end."""

    handler = Watches()
    async with small_server(handler) as served:
        streaming = await begun(served, AFFECTED)
        stopping = await told_to_stop(served, 30)
        handler.opened.set()

        assert b"" == await streaming.read()
        assert grpc.aio.EOF == await streaming.read()
        await asyncio.wait_for(stopping, 5)
    assert ["OK"] == [line["code"] for line in served.lines]


async def test_watcher_of_health_holds_nobody_up() -> None:
    """Whoever watches health sees NOT_SERVING, and the server doesn't wait for it to leave."""

    async with small_server() as served:
        watching = await begun(served, "/grpc.health.v1.Health/Watch")
        stopping = asyncio.create_task(served.server.stop(30))

        assert b"\x08\x02" == await watching.read()
        await asyncio.wait_for(stopping, 5)


async def test_calls_that_are_on_their_way_are_told_why() -> None:
    """However many calls come as the server stops, each is answered, or told DRAINING."""

    handler = Gate()
    handler.opened.set()
    async with small_server(handler) as served:
        multi: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = served.channel.unary_unary(
            GET_TENANT
        )
        calls = [multi(b"") for _ in range(500)]
        await calls[0]
        await served.server.stop(10)
        results = await asyncio.gather(*calls, return_exceptions=True)

    refusals = [each for each in results if isinstance(each, grpc.aio.AioRpcError)]
    assert len(results) == len(refusals) + results.count(b"")
    assert {"DRAINING"} >= {refusal(each).reason for each in refusals}
