"""Whatever is sent to whichever method of the contract, it is answered as the contract says.

Requests are generated from the contract's own descriptors: right ones with something wrong in
them, so that they get far, and ones with nothing right. PRIVACYRIGHTS_TEST_LONG=1 sends more.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, TypeVar

import grpc
import pytest
from google.protobuf.message import Message
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as runs
from hypothesis import strategies as st
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase

from server.compose import App
from server.domain.errors import (
    DomainError,
    IllegalTransitionError,
    NotBuiltYetError,
    StorageUnavailableError,
    TenantNotFoundError,
)
from server.handlers.registry import handler_classes
from server.interceptors.refusals import DETAILS_KEY, InternalError, status_of
from server.settings import Settings
from tests.rpc.cases import CASES
from tests.rpc.conftest import Logged
from tests.rpc.contract import Method, codes, listed_refusals, methods
from tests.rpc.hostile import garbage, mutated
from tests.rpc.refusal import refusal
from tests.rpc.wire import refused, responses
from tests.rpc.world import CANARY, World, message

IS_LONG = os.environ.get("PRIVACYRIGHTS_TEST_LONG") == "1"

ANYWHERE = {"NOT_BUILT_YET", "CONCURRENT_CHANGE", "FIELD_INVALID"}
"""Reasons that a method need not list, since any may give them: bytes may be no message.

Others of that kind, such as STORAGE_UNAVAILABLE, would be defects here: nothing is broken.
"""

ENDLESS_SECONDS = 0.3
"""How long a stream that never ends is listened to."""

CALL_SECONDS = 20.0

LOST_BY_THE_CLIENT = "Internal error from Core"
"""What gRPC's client for Python says when the answer comes while it is still sending a stream."""

_numbers = itertools.count(1)

BUILT = sorted(rpc for rpc, method in methods().items() if method.is_built)


Test = TypeVar("Test", bound=Callable[..., Any])


def examples(few: int, many: int) -> Callable[[Test], Test]:
    """Return the settings for *few* examples, always the same, or *many* in a long run."""
    return runs(
        max_examples=many if IS_LONG else few,
        derandomize=not IS_LONG,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=(HealthCheck.function_scoped_fixture, HealthCheck.too_slow),
    )


@pytest.fixture(scope="module")
async def world(app: App, channel: grpc.aio.Channel) -> World:  # noqa: ARG001 – it answers
    """Return a world with one of everything."""
    return await World(channel).make()


@pytest.fixture(scope="module")
async def database(settings: Settings) -> AsyncIterator[AsyncDatabase[dict[str, Any]]]:
    """Return the server's database."""
    assert settings.mongo_uri is not None
    async with AsyncMongoClient[dict[str, Any]](settings.mongo_uri.get_secret_value()) as client:
        found = client[settings.database]
        # Looked at after every refusal; the server itself asks for no actor across tenants.
        await found["ledger"].create_index("actor")
        yield found


@pytest.fixture
async def base(world: World, rpc: str) -> Message:
    """Return the request of *rpc* that is right."""
    return message(methods()[rpc], await CASES[rpc](world))


@pytest.fixture
def nothing_personal_logged(logged: Logged) -> Iterator[None]:
    """Fail the test if anything personal was logged."""
    yield
    assert CANARY not in str(logged())


async def assert_answered(
    channel: grpc.aio.Channel,
    database: AsyncDatabase[dict[str, Any]],
    method: Method,
    *requests: bytes,
) -> bool:
    """Hold that *method* answers *requests* as the contract says; tell whether it did them."""
    caller = f"generated-{next(_numbers)}"
    seconds = ENDLESS_SECONDS if method.is_endless else CALL_SECONDS
    try:
        answered = await responses(
            channel,
            method.path,
            *requests,
            metadata=(("x-privacyrights-caller", caller),),
            seconds=seconds,
        )
    except grpc.aio.AioRpcError as error:
        if method.is_endless and error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
            return True
        if method.takes_stream and error.details() == LOST_BY_THE_CLIENT:
            return False
        assert_refused_well(method, error)
        # Whatever is committed has an entry of whoever called.
        written = await database["ledger"].find_one({"actor": caller})
        assert written is None, f"{method.rpc} refused, and wrote {written['type']}"
        return False
    for response in answered:
        method.response.FromString(response)
    return True


def assert_refused_well(method: Method, error: grpc.aio.AioRpcError) -> None:
    """Hold that a refusal has a reason, the reason's code, and nothing of what was sent."""
    told = refusal(error)
    assert told.reason in codes(), f"{method.rpc}: {told}"
    assert codes()[told.reason] == told.code
    assert "privacyrights.v1" == told.domain
    assert told.reason in method.reasons | ANYWHERE, f"{method.rpc} does not list {told.reason}"
    if told.reason == "NOT_BUILT_YET":
        assert_is_not_built(method, told.metadata["what"])
    sent_back = [told.message, *(str(part) for part in error.trailing_metadata() or ())]
    assert not any(CANARY in part for part in sent_back), f"{method.rpc} echoes: {told}"


def assert_is_not_built(method: Method, what: str) -> None:
    """Hold that *what*, a method or a field of it, is declared as not built."""
    if not method.is_built:
        assert method.rpc == what
        return
    service, name = method.rpc.split("/")
    declared = next(
        getattr(kind, "NOT_BUILT", {}).get(name, ())
        for kind in handler_classes()
        if vars(kind)["SERVICE"].endswith(f".{service}")
    )
    field = what.partition(".")[2]
    assert any(field.endswith(path.rpartition(".")[2]) for path in declared), (
        f"{method.rpc} refuses {what} without saying so in NOT_BUILT"
    )


def test_every_method_has_a_case() -> None:
    """A method that is built has a request to start from; one that isn't needs none."""

    assert BUILT == sorted(CASES)


@pytest.mark.parametrize("rpc", sorted(methods()))
def test_listed_reasons_have_their_codes(rpc: str) -> None:
    """What a method's comment lists is what the error manual has, with the same code."""

    assert listed_refusals()[rpc] or rpc == "AuditService/ListKeys"
    for code, reason in listed_refusals()[rpc]:
        assert codes()[reason] == code


async def test_garbage_changes_nothing(
    channel: grpc.aio.Channel, world: World, database: AsyncDatabase[dict[str, Any]]
) -> None:
    """Bytes that are no message, and messages without anything in them, leave no document."""
    before = await counted(database)

    for method in methods().values():
        assert not await assert_answered(channel, database, method, b"\xff\xff\xff\xff")
        if not method.is_endless:
            await assert_answered(channel, database, method, b"")

    assert world.tenant
    assert before == await counted(database)


async def counted(database: AsyncDatabase[dict[str, Any]]) -> dict[str, int]:
    """Return how many documents each collection has, but for those that workers keep."""
    return {
        name: await database[name].count_documents({})
        for name in await database.list_collection_names()
        if name != "leases" and not name.startswith("ledger_")
    }


@pytest.mark.parametrize("rpc", BUILT)
async def test_case_is_answered_once(
    channel: grpc.aio.Channel,
    world: World,
    database: AsyncDatabase[dict[str, Any]],
    rpc: str,
) -> None:
    """What generated requests start from is right; a repeat is told the same, and not another."""
    method = methods()[rpc]
    request = message(method, await CASES[rpc](world))
    encoded = request.SerializeToString(deterministic=True)
    if method.is_endless or not method.is_idempotent:
        assert await assert_answered(channel, database, method, encoded)
        return

    first, again = [
        method.response.FromString((await responses(channel, method.path, encoded))[-1])
        for _ in range(2)
    ]
    # A field that this version of the contract doesn't have makes it another request.
    other = await refused(channel, method.path, encoded + b"\xc0\xf4\x03\x01")

    for response in (first, again):
        if "consistency_token" in response.DESCRIPTOR.fields_by_name:
            response.ClearField("consistency_token")
    assert first == again
    assert ("ALREADY_EXISTS", "REQUEST_ID_REUSED") == (other.code, other.reason)


@pytest.mark.parametrize("rpc", BUILT)
@examples(8, 200)
@given(data=st.data())
async def test_spoilt_request_is_answered(
    *,
    channel: grpc.aio.Channel,
    world: World,
    database: AsyncDatabase[dict[str, Any]],
    base: Message,
    nothing_personal_logged: None,  # noqa: ARG001 – looks when it is over
    rpc: str,
    data: st.DataObject,
) -> None:
    """A right request with something wrong in it is done or refused as the contract says."""
    request = data.draw(mutated(base, tuple(sorted(world.names))))

    await assert_answered(channel, database, methods()[rpc], request.SerializeToString())


@pytest.mark.parametrize("rpc", sorted(methods()) if IS_LONG else BUILT)
@examples(2, 50)
@given(data=st.data())
async def test_garbage_is_answered(
    *,
    channel: grpc.aio.Channel,
    world: World,  # noqa: ARG001 – there is something that could be hit
    database: AsyncDatabase[dict[str, Any]],
    nothing_personal_logged: None,  # noqa: ARG001 – looks when it is over
    rpc: str,
    data: st.DataObject,
) -> None:
    """Requests in which anything may be wrong are done or refused as the contract says."""
    method = methods()[rpc]
    most = 3 if method.takes_stream else 1
    requests = data.draw(st.lists(garbage(method.request), min_size=1, max_size=most))
    encoded = [request.SerializeToString() for request in requests]

    await assert_answered(channel, database, method, *encoded)


def refusal_of(error: DomainError | InternalError, words: str = "") -> grpc.aio.AioRpcError:
    """Return *error* as a client gets it, with *words* in the place of its message."""
    status = status_of(error)
    status.message = words or status.message
    code = next(code for code in grpc.StatusCode if code.value[0] == status.code)
    trailers = grpc.aio.Metadata((DETAILS_KEY, status.SerializeToString()))
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailers, status.message)


@pytest.mark.parametrize(
    "bad",
    [
        refusal_of(InternalError()),
        refusal_of(StorageUnavailableError()),
        refusal_of(IllegalTransitionError(state="closed")),
        refusal_of(TenantNotFoundError(tenant=CANARY)),
        refusal_of(TenantNotFoundError(), f"no such tenant: {CANARY}"),
        refusal_of(NotBuiltYetError(what="GetTenantRequest.name")),
        grpc.aio.AioRpcError(grpc.StatusCode.UNKNOWN, grpc.aio.Metadata(), grpc.aio.Metadata()),
    ],
    ids=[
        "internal",
        "nothing is broken",
        "unlisted",
        "echo",
        "words",
        "undeclared",
        "bare",
    ],
)
def test_bad_refusals_are_noticed(bad: grpc.aio.AioRpcError) -> None:
    """A refusal that breaks the contract in any one way fails the tests above."""
    method = methods()["TenantService/GetTenant"]

    assert_refused_well(method, refusal_of(TenantNotFoundError()))
    with pytest.raises(AssertionError):
        assert_refused_well(method, bad)
