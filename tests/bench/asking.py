"""Callers that ask: `python -m tests.bench.asking check|echo|find_one WHERE CALLERS`.

`check` asks CheckProcessing about people who have agreed; `echo` sends the same requests to a
bare server; `find_one` reads the document of such a person with the driver.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from pymongo import AsyncMongoClient
from pymongo.read_concern import ReadConcern

from privacyrights.v1 import consent_service_pb2 as pb
from privacyrights.v1 import consent_service_pb2_grpc
from tests.bench.echo_server import METHOD, SERVICE
from tests.bench.load import obey, run
from tests.bench.record_consent import TENANT, request

PEOPLE = 512


def asked() -> list[pb.CheckProcessingRequest]:
    """Return a check about each of the people."""
    grants = [request(number, 0) for number in range(PEOPLE)]
    return [
        pb.CheckProcessingRequest(subject=each.subject, purpose=each.purpose) for each in grants
    ]


async def check(address: str, callers: int) -> None:
    """Ask the server at *address*."""
    async with grpc.aio.insecure_channel(address) as channel:
        stub = consent_service_pb2_grpc.ConsentServiceStub(channel)
        requests, numbers = asked(), itertools.count()

        async def call(_caller: int) -> None:
            answer = await stub.CheckProcessing(requests[next(numbers) % PEOPLE])
            assert answer.verdict.allowed

        await obey(call, callers)


async def echo(address: str, callers: int) -> None:
    """Ask the bare server at *address*."""
    async with grpc.aio.insecure_channel(address) as channel:
        send: grpc.aio.UnaryUnaryMultiCallable[
            pb.CheckProcessingRequest, pb.CheckProcessingRequest
        ] = channel.unary_unary(
            f"/{SERVICE}/{METHOD}",
            pb.CheckProcessingRequest.SerializeToString,
            pb.CheckProcessingRequest.FromString,
        )
        requests, numbers = asked(), itertools.count()

        async def call(_caller: int) -> None:
            await send(requests[next(numbers) % PEOPLE])

        await obey(call, callers)


async def find_one(uri: str, callers: int) -> None:
    """Read in the MongoDB at *uri*."""
    async with AsyncMongoClient[dict[str, Any]](uri, tz_aware=True) as client:
        people = client["privacyrights_keys"].get_collection(
            "subjects_processor", read_concern=ReadConcern("majority")
        )
        known = await people.find({"tenant": TENANT}).limit(PEOPLE).to_list()
        found, numbers = [each["_id"] for each in known], itertools.count()
        assert found

        async def call(_caller: int) -> None:
            await people.find_one({"_id": found[next(numbers) % len(found)], "tenant": TENANT})

        await obey(call, callers)


KINDS: dict[str, Callable[[str, int], Awaitable[None]]] = {
    "check": check,
    "echo": echo,
    "find_one": find_one,
}


if __name__ == "__main__":
    run(KINDS[sys.argv[1]](sys.argv[2], int(sys.argv[3])))
