"""grpcurl finds the contract, and orchestrators find out whether to send calls here."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from server.domain.errors import StorageUnavailableError
from server.handlers.registry import services
from server.serving.health import LEDGER, Health
from tests.rpc.small_server import small_server
from tests.rpc.wire import responses

GRPCURL = Path(sys.executable).with_name("grpcurl")
CHECK = "/grpc.health.v1.Health/Check"
SERVING, NOT_SERVING = b"\x08\x01", b"\x08\x02"

# file_containing_symbol = "privacyrights.v1.ConsentService", in the messages of both versions.
ASK_FOR_CONSENT_SERVICE = b"\x22\x1fprivacyrights.v1.ConsentService"


def check(service: str) -> bytes:
    """Return an encoded HealthCheckRequest for *service*."""
    return bytes((0x0A, len(service))) + service.encode()


async def grpcurl(*arguments: str) -> str:
    """Return what grpcurl prints."""
    process = await asyncio.create_subprocess_exec(
        GRPCURL, "-plaintext", *arguments, stdout=asyncio.subprocess.PIPE
    )
    told, _ = await asyncio.wait_for(process.communicate(), 30)
    assert 0 == process.returncode
    return told.decode()


async def test_grpcurl_lists_every_service() -> None:
    """`grpcurl list` names every service of the contract, and health."""

    async with small_server() as served:
        told = await grpcurl(served.server.address, "list")

    assert {"grpc.health.v1.Health", *(service.full_name for service in services())} <= set(
        told.split()
    )


async def test_grpcurl_describes_a_method() -> None:
    """`grpcurl describe` finds a method with its request, without a copy of the contract."""

    async with small_server() as served:
        name = "privacyrights.v1.ConsentService.RecordConsent"
        told = await grpcurl(served.server.address, "describe", name)

    assert "rpc RecordConsent ( .privacyrights.v1.RecordConsentRequest )" in told


async def test_what_is_not_there_is_not_described() -> None:
    """A method that the contract hasn't is told to be missing, and not taken for its service."""

    async with small_server() as served:
        name = "privacyrights.v1.ConsentService.RecordConsnt"
        process = await asyncio.create_subprocess_exec(
            *(GRPCURL, "-plaintext", served.server.address, "describe", name),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        _, errors = await asyncio.wait_for(process.communicate(), 30)

    assert b"Symbol not found" in errors


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_both_versions_of_reflection(version: str) -> None:
    """Newer and older tools are answered alike."""

    method = f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"
    async with small_server() as served:
        (answer,) = await responses(served.channel, method, ASK_FOR_CONSENT_SERVICE)

    assert b"privacyrights/v1/consent_service.proto" in answer


async def test_every_service_has_health() -> None:
    """Health is told overall and for each service; there is none for others."""

    names = ["", *(service.full_name for service in services())]
    async with small_server() as served:
        found = [await responses(served.channel, CHECK, check(name)) for name in names]
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await responses(served.channel, CHECK, check("nobodys.Service"))

    assert [[SERVING]] * len(names) == found
    assert grpc.StatusCode.NOT_FOUND == caught.value.code()


async def test_health_follows_the_database() -> None:
    """A server whose database is away takes no calls, and does again when it is back."""

    is_away = False

    async def ping() -> None:
        if is_away:
            raise StorageUnavailableError

    async with small_server(ping=ping) as served:
        told = [await responses(served.channel, CHECK, b"")]
        is_away = True
        await served.server.health.look()
        told.append(await responses(served.channel, CHECK, b""))
        is_away = False
        await served.server.health.look()
        told.append(await responses(served.channel, CHECK, b""))

    assert [[SERVING], [NOT_SERVING], [SERVING]] == told


async def test_database_that_says_nothing_is_away() -> None:
    """A database that doesn't answer in time is as good as none."""

    async def ping() -> None:
        await asyncio.Event().wait()

    health = Health([], ping, within_seconds=0.01)
    await health.look()

    assert not health.is_serving


async def test_health_is_watched_again_and_again() -> None:
    """The database is asked without anybody asking for health."""

    asked: asyncio.Queue[None] = asyncio.Queue()

    async def ping() -> None:
        asked.put_nowait(None)

    watching = asyncio.create_task(Health([], ping, every_seconds=0.001).run())
    for _ in range(3):
        await asyncio.wait_for(asked.get(), 5)
    watching.cancel()


async def test_health_tells_of_an_altered_ledger() -> None:
    """By a name of its own: all services go on while a log is set aside."""
    aside = ["acme"]

    async def ping() -> None:
        return

    health = Health(["one"], ping, is_whole=lambda: not aside)
    await health.look()
    assert "NOT_SERVING" == await _status(health, LEDGER)
    assert ["SERVING"] * 2 == [await _status(health, name) for name in ("", "one")]

    aside.clear()
    await health.look()

    assert "SERVING" == await _status(health, LEDGER)


async def _status(health: Health, service: str) -> str:
    context = cast("grpc.aio.ServicerContext[Any, Any]", None)
    told = await health.servicer.Check(HealthCheckRequest(service=service), context)
    return HealthCheckResponse.ServingStatus.Name(told.status)
