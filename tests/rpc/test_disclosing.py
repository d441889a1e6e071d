"""Nothing personal is given out before the ledger says so, and nothing if it can't be said."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, TypeVar, cast

import grpc
import pytest

from privacyrights.v1 import audit_service_pb2 as pb
from privacyrights.v1.audit_service_pb2_grpc import AuditServiceStub
from server.compose import App, handlers, services
from server.domain.change import Change, Committed
from server.domain.errors import StorageUnavailableError
from server.domain.ports import Keyring, Ports
from server.domain.subject import Subject
from server.domain.subjects import SEALED_ID
from server.domain.values import Role, SubjectId
from server.settings import Settings
from tests.rpc.cases import CASES
from tests.rpc.contract import methods
from tests.rpc.disclosing import (
    ABOUT_NO_SUBJECT,
    BY_ANOTHER_NAME,
    CHANGES,
    NOTHING,
    READINGS,
    WATCHED,
    WITHOUT_REASON,
)
from tests.rpc.people import new_id
from tests.rpc.small_server import small_server
from tests.rpc.wire import refused, responses
from tests.rpc.world import CANARY, Json, World, message

E = TypeVar("E")

OF_THE_LEDGER = "the ledger itself, which holds none"
"""It is searched for what was planted in `test_commitments`; subscriptions are labelled with it."""


class Broken:
    """A committer that can't commit."""

    async def commit(self, change: Change, outcome: type[E]) -> Committed[E]:
        """Refuse."""
        del change, outcome
        raise StorageUnavailableError


class Forgetful:
    """A committer that says it has committed, and hasn't."""

    async def commit(self, change: Change, outcome: type[E]) -> Committed[E]:
        """Do nothing."""
        del change, outcome
        return cast("Committed[E]", Committed(None, ""))


class Mistaken:
    """A keyring that takes everybody for somebody else."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def __getattr__(self, name: str) -> Any:
        return getattr(self._keyring, name)

    async def unseal(self, subject: Subject, sealed: bytes, context: str) -> bytes:
        """Decrypt, but for who it is."""
        if context == SEALED_ID:
            return b"somebody-else"
        return await self._keyring.unseal(subject, sealed, context)


@pytest.fixture(scope="module")
async def world(app: App, channel: grpc.aio.Channel) -> World:  # noqa: ARG001 – it answers
    """Return a world with one of everything."""
    return await World(channel).make()


@pytest.fixture(scope="module")
async def broken_channel(app: App, settings: Settings) -> AsyncIterator[grpc.aio.Channel]:
    """Return a connection to a server over the same database that can't write to it."""
    async with serving_over(replace(app.ports, committer=Broken()), settings) as channel:
        yield channel


@asynccontextmanager
async def serving_over(ports: Ports, settings: Settings) -> AsyncGenerator[grpc.aio.Channel]:
    """Return a connection to a server over *ports*."""
    domain = services(ports, feed_lease_seconds=settings.feed_lease_seconds)
    await domain.catalogues.refresh()
    async with small_server(*handlers(domain, ports)) as small:
        yield small.channel


def test_every_method_is_thought_of() -> None:
    """Each method that is built gives out personal data under an entry, or there is a reason."""
    listed = Counter(
        [*READINGS, *CHANGES, *WATCHED, *(rpc for why in NOTHING.values() for rpc in why)]
    )

    assert {rpc for rpc, method in methods().items() if method.is_built} == set(listed)
    assert {1} == set(listed.values())


async def types(channel: grpc.aio.Channel, tenant: str, caller: str) -> list[str]:
    """Return the types of the entries that *caller* has led to."""
    listed = await AuditServiceStub(channel).ListLedgerEntries(
        pb.ListLedgerEntriesRequest(parent=tenant, actor=caller)
    )
    return [entry.type for entry in listed.entries]


async def answered(channel: grpc.aio.Channel, rpc: str, given: Any, caller: str = "test") -> bytes:
    """Return all that *rpc* answers to *given*."""
    method = methods()[rpc]
    encoded = message(method, given).SerializeToString()
    metadata = (("x-privacyrights-caller", caller),)
    return b"".join(await responses(channel, method.path, encoded, metadata=metadata))


@pytest.mark.parametrize("rpc", READINGS)
async def test_reading_is_an_entry(world: World, channel: grpc.aio.Channel, rpc: str) -> None:
    """A reading that gives out something personal has its entry, of the type in the table."""
    await assert_told(world, channel, channel, rpc)


@pytest.mark.parametrize("rpc", READINGS)
async def test_untold_reading_is_caught(
    app: App, settings: Settings, world: World, channel: grpc.aio.Channel, rpc: str
) -> None:
    """A server that gives data out without an entry is noticed."""
    ports = replace(app.ports, committer=Forgetful())
    async with serving_over(ports, settings) as forgetful:
        with pytest.raises(AssertionError, match=r"set\(\)"):
            await assert_told(world, forgetful, channel, rpc)


async def assert_told(
    world: World, read: grpc.aio.Channel, ledger: grpc.aio.Channel, rpc: str
) -> None:
    """Hold that what is given out through *read* is told by the ledger behind *ledger*."""
    type, case = READINGS[rpc]
    caller = new_id("reader")

    answer = await answered(read, rpc, await case(world), caller)

    assert CANARY.encode() in answer, "it would not have disclosed anything"
    assert {type} == set(await types(ledger, world.tenant, caller))


@pytest.mark.parametrize("rpc", sorted(READINGS.keys() - WITHOUT_REASON))
async def test_a_reading_states_its_reason(
    world: World, channel: grpc.aio.Channel, rpc: str
) -> None:
    """What is personal is given out for a stated reason, which the ledger keeps, or not at all."""
    case, caller = await READINGS[rpc][1](world), new_id("reader")
    method = methods()[rpc]
    unstated = message(method, {**case, "reason": ""}).SerializeToString()

    told = await refused(channel, method.path, unstated)
    await answered(channel, rpc, {**case, "reason": f"ticket {caller}"}, caller)

    assert ("FIELD_INVALID", ("reason",)) == (told.reason, told.fields)
    listed = await AuditServiceStub(channel).ListLedgerEntries(
        pb.ListLedgerEntriesRequest(parent=world.tenant, actor=caller)
    )
    assert {f"ticket {caller}"} == {entry.reason for entry in listed.entries}


@pytest.mark.parametrize("rpc", sorted(READINGS.keys() - WITHOUT_REASON))
async def test_no_reason_says_about_whom(
    app: App, world: World, channel: grpc.aio.Channel, rpc: str
) -> None:
    """A reason with the id of whom the reading is about, which may be asked for by another name."""
    told = await assert_impersonal(app, world, channel, rpc)

    assert (rpc in ABOUT_NO_SUBJECT) != told


@pytest.mark.parametrize("rpc", sorted(BY_ANOTHER_NAME))
async def test_a_reason_that_is_not_compared_is_caught(
    app: App, settings: Settings, world: World, rpc: str
) -> None:
    """A server that takes each person for another one, and lets the reason pass, is noticed."""
    ports = replace(app.ports, keyring=cast("Keyring", Mistaken(app.ports.keyring)))
    async with serving_over(ports, settings) as mistaken:
        with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
            await assert_impersonal(app, world, mistaken, rpc)


async def assert_impersonal(app: App, world: World, channel: grpc.aio.Channel, rpc: str) -> bool:
    """Hold that *rpc* refuses the id of whom it is about as reason; return if it is somebody."""
    case, caller, method = await READINGS[rpc][1](world), new_id("reader"), methods()[rpc]
    await answered(channel, rpc, case, caller)
    listed = await AuditServiceStub(channel).ListLedgerEntries(
        pb.ListLedgerEntriesRequest(parent=world.tenant, actor=caller)
    )
    references = {entry.subject_reference for entry in listed.entries[-1:]} - {""}
    ids = [
        who["subject_id"]
        for who in world.people
        if await app.ports.keyring.reference(_known(who)) in references
    ]
    assert len(references) == len(ids)
    for id in ids:
        given = message(method, {**case, "reason": f"asked by {id}"}).SerializeToString()
        told = await refused(channel, method.path, given)
        assert ("FIELD_INVALID", ("reason",)) == (told.reason, told.fields)
    return bool(ids)


def _known(who: Json) -> SubjectId:
    tenant, role = who["tenant"].removeprefix("tenants/"), who["role"].removeprefix("ROLE_")
    return SubjectId(Role[role], tenant, who["subject_id"])


@pytest.mark.parametrize("rpc", READINGS)
async def test_nothing_is_given_out_without_its_entry(
    world: World, broken_channel: grpc.aio.Channel, rpc: str
) -> None:
    """If the entry can't be written, the reading is refused, and not a byte was sent before."""
    method = methods()[rpc]
    given = message(method, await READINGS[rpc][1](world)).SerializeToString()
    multi: grpc.aio.StreamStreamMultiCallable[bytes, bytes]
    multi = broken_channel.stream_stream(method.path)
    call = multi(_once(given))

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await anext(aiter(call))

    assert grpc.StatusCode.UNAVAILABLE == caught.value.code()


@pytest.mark.parametrize("rpc", sorted(CHANGES))
async def test_change_that_shows_words_is_an_entry(
    world: World, channel: grpc.aio.Channel, broken_channel: grpc.aio.Channel, rpc: str
) -> None:
    """A change that is answered with personal words has an entry, and no answer without it."""
    given, caller = await CASES[rpc](world), new_id("writer")
    path = methods()[rpc].path
    encoded = message(methods()[rpc], given).SerializeToString()

    refusal = await refused(broken_channel, path, encoded)
    answer = await answered(channel, rpc, given, caller)

    assert "STORAGE_UNAVAILABLE" == refusal.reason
    assert CANARY.encode() in answer
    assert await types(channel, world.tenant, caller)


@pytest.mark.parametrize(
    "rpc", sorted(rpc for why, those in NOTHING.items() if why != OF_THE_LEDGER for rpc in those)
)
async def test_the_others_give_nothing_out(
    world: World, channel: grpc.aio.Channel, rpc: str
) -> None:
    """What was planted in everything personal is in the answer of no other method."""
    assert CANARY.encode() not in await answered(channel, rpc, await CASES[rpc](world))


async def _once(request: bytes) -> AsyncIterator[bytes]:
    yield request
