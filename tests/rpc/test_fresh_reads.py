"""Every read that takes `consistency` is as fresh as it asks, whatever it reads."""

from __future__ import annotations

from typing import Any

import grpc
import pytest

from privacyrights.v1 import tenant_service_pb2 as pb
from server.compose import App
from server.domain.call import Call
from server.domain.ports import Freshness
from server.handlers.registry import handler_classes
from tests.rpc.cases import CASES
from tests.rpc.contract import methods
from tests.rpc.small_server import small_server
from tests.rpc.wire import refused, responses
from tests.rpc.world import Json, World, message

_NOT_BUILT = {
    f"{vars(kind)['SERVICE'].rpartition('.')[2]}/{rpc}"
    for kind in handler_classes()
    for rpc, fields in vars(kind).get("NOT_BUILT", {}).items()
    if "consistency" in fields
}

FRESH = sorted(
    rpc
    for rpc, method in methods().items()
    if method.is_built
    and "consistency" in method.request.DESCRIPTOR.fields_by_name
    and rpc not in _NOT_BUILT
)


@pytest.fixture(scope="module")
async def world(app: App, channel: grpc.aio.Channel) -> World:  # noqa: ARG001 – it answers
    """Return a world with one of everything."""
    return await World(channel).make()


@pytest.mark.parametrize("rpc", FRESH)
async def test_it_is_as_fresh_as_asked(channel: grpc.aio.Channel, world: World, rpc: str) -> None:
    """A token of a write is good for every read, a linearizable one is answered, a lie is not."""
    method = methods()[rpc]
    request = await CASES[rpc](world)
    written = await world.call("TenantService/CreateChatbot", world.new_chatbot())

    async def ask(**consistency: Any) -> bytes:
        return message(method, {**request, "consistency": consistency}).SerializeToString()

    assert await responses(
        channel, method.path, await ask(at_least_as_fresh=written["consistency_token"])
    )
    assert await responses(channel, method.path, await ask(linearizable=True))
    told = await refused(channel, method.path, await ask(at_least_as_fresh="made up"))
    assert ("INVALID_ARGUMENT", "CONSISTENCY_TOKEN_INVALID") == (told.code, told.reason)


class Chatbots:
    """A handler that leaves the consistency of its requests to the server."""

    SERVICE = "privacyrights.v1.TenantService"
    CATCHES_UP = True

    def __init__(self, caught_up: list[Freshness]) -> None:
        self._caught_up = caught_up

    async def GetChatbot(
        self, _request: pb.GetChatbotRequest, _call: Call
    ) -> pb.GetChatbotResponse:
        """Answer with how often the server caught up before."""
        return pb.GetChatbotResponse(chatbot=pb.Chatbot(name=str(len(self._caught_up))))


class Unasked(Chatbots):
    """Broken: leaves it to nobody."""

    CATCHES_UP = False


async def told_by(kind: type[Chatbots], *wanted: dict[str, Any]) -> tuple[list[str], int]:
    """Return what a handler answers to requests with the consistency *wanted*, and the count."""
    method = methods()["TenantService/GetChatbot"]
    caught_up: list[Freshness] = []

    async def catch_up(freshness: Freshness) -> None:
        caught_up.append(freshness)

    async with small_server(kind(caught_up), catch_up=catch_up) as served:
        answers = [
            (
                await responses(
                    served.channel, method.path, message(method, given).SerializeToString()
                )
            )
            for given in wanted
        ]
    found = [pb.GetChatbotResponse.FromString(answer).chatbot.name for (answer,) in answers]
    return found, len([one for one in caught_up if one.linearizable])


WANTED: list[Json] = [
    {},
    {"consistency": {"at_least_as_fresh": "t"}},
    {"consistency": {"linearizable": True}},
]


async def test_the_server_catches_up_before_it_reads() -> None:
    """It does so when a request says how fresh its answer must be, and only then."""

    assert (["0", "1", "2"], 1) == await told_by(Chatbots, *WANTED)


async def test_a_read_that_is_not_fresh_is_noticed() -> None:
    """The check above fails for a handler that nobody catches up for."""

    assert (["0", "0", "0"], 0) == await told_by(Unasked, *WANTED)
