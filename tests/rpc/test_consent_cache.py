"""The SDK's cache of verdicts: fast, bounded, and never "allowed" for longer than it says."""

# Broken variants and lost streams reach into the cache.
# pyright: reportPrivateUsage=false, reportIncompatibleMethodOverride=false

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from privacyrights.cache import ConsentCache
from privacyrights.v1 import consent_service_pb2 as pb
from privacyrights.v1 import types_pb2
from server.compose import App
from tests.rpc.people import end_user, grant, new_tenant, withdraw

CUSTOMISE = "purposes/customise_messages"
README = Path(__file__).parents[2] / "clients/python/README.md"
PROCESSOR = types_pb2.ROLE_PROCESSOR
BOUND_SECONDS = 5.0


@pytest.fixture
async def tenant(channel: grpc.aio.Channel) -> str:
    """Return the name of a tenant that no other test has."""
    return await new_tenant(channel)


@asynccontextmanager
async def caching(
    channel: grpc.aio.Channel,
    tenant: str,
    kind: type[ConsentCache] = ConsentCache,
    **limits: Any,
) -> AsyncGenerator[ConsentCache]:
    """Return a cache that is ready."""
    limits = {"max_staleness": BOUND_SECONDS, **limits}
    async with kind(channel, [tenant], role=PROCESSOR, **limits) as cache:
        await asyncio.wait_for(cache.ready(), 30)
        yield cache


async def kept(channel: grpc.aio.Channel, cache: ConsentCache, tenant: str) -> types_pb2.Subject:
    """Return somebody whose agreement the cache answers from memory."""
    person = end_user(tenant)
    await grant(channel, person, CUSTOMISE)
    async with asyncio.timeout(30):
        while not cache.cached(person, CUSTOMISE):
            # What was told of the grant may come while the answer is on its way.
            assert (await cache.check(person, CUSTOMISE)).allowed
    return person


async def until(condition: Callable[[], bool]) -> None:
    """Return once *condition* holds."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 – what a cache knows has no event
            await asyncio.sleep(0.01)


async def refusal_seconds(
    cache: ConsentCache, person: types_pb2.Subject, *, most: float = BOUND_SECONDS + 1
) -> float:
    """Return after how long the cache no longer says yes."""
    begun = time.monotonic()
    while (await cache.check(person, CUSTOMISE)).allowed:
        assert time.monotonic() - begun < most, "still allowed"
        await asyncio.sleep(0.001)
    return time.monotonic() - begun


async def test_a_withdrawal_reaches_the_cache(channel: grpc.aio.Channel, tenant: str) -> None:
    """It answers from memory, and refuses soon after a withdrawal was acknowledged."""
    async with caching(channel, tenant) as cache:
        person = await kept(channel, cache, tenant)
        hits = cache.hits
        assert (await cache.check(person, CUSTOMISE)).allowed
        assert hits + 1 == cache.hits
        await withdraw(channel, person, CUSTOMISE)

        assert await refusal_seconds(cache, person) < BOUND_SECONDS


class Deaf(ConsentCache):
    """A cache that doesn't do as it is told."""

    def _invalidate(self, told: pb.Invalidation) -> None:
        pass


async def test_a_cache_that_ignores_invalidations_would_be_caught(
    channel: grpc.aio.Channel, tenant: str
) -> None:
    """One that hears nothing goes on saying yes when another one has refused."""
    async with caching(channel, tenant, Deaf) as cache, caching(channel, tenant) as hearing:
        person = await kept(channel, cache, tenant)
        assert (await hearing.check(person, CUSTOMISE)).allowed
        await withdraw(channel, person, CUSTOMISE)
        # By then the deaf one has been told, too.
        await refusal_seconds(hearing, person)
        with pytest.raises(AssertionError, match="still allowed"):
            await refusal_seconds(cache, person, most=0.25)


async def test_a_stale_cache_asks_the_server(channel: grpc.aio.Channel, tenant: str) -> None:
    """Once its stream is silent for longer than the limit, nothing is answered from memory."""
    late = [0.0]
    async with caching(channel, tenant, monotonic=lambda: time.monotonic() + late[0]) as cache:
        person = await kept(channel, cache, tenant)
        late[0] = BOUND_SECONDS + 1

        assert not cache.is_fresh
        assert cache.cached(person, CUSTOMISE) is None
        assert (await cache.check(person, CUSTOMISE)).allowed


class Late:
    """A stub whose checks are answered only when that is let."""

    def __init__(self, stub: Any) -> None:
        self._stub = stub
        self.answered, self.let = asyncio.Event(), asyncio.Event()
        self.WatchInvalidations = stub.WatchInvalidations

    async def CheckProcessing(self, request: Any, **options: Any) -> Any:
        """Answer as soon as that is let."""
        answer = await self._stub.CheckProcessing(request, **options)
        self.answered.set()
        await self.let.wait()
        return answer


async def overtaken(
    channel: grpc.aio.Channel, tenant: str, kind: type[ConsentCache], *, has_gap: bool
) -> bool:
    """Return whether an old yes is kept that comes after the withdrawal was told of."""
    person = end_user(tenant)
    await grant(channel, person, CUSTOMISE)
    async with caching(channel, tenant, kind) as cache:
        late = Late(cache._stub)
        cache._stub = late
        asking = asyncio.create_task(cache.check(person, CUSTOMISE))
        await late.answered.wait()
        if has_gap:
            cache._lose()
            await asyncio.sleep(0)
            cache._is_live = True
        else:
            token = cache._resume_token
            await withdraw(channel, person, CUSTOMISE)
            await until(lambda: token != cache._resume_token)
        late.let.set()
        assert (await asking).allowed
        return cache.cached(person, CUSTOMISE) is not None


class Heedless(ConsentCache):
    """A cache that keeps every answer, whatever was told while it was on its way."""

    def _may_keep(self, *_: Any) -> bool:
        return True


@pytest.mark.parametrize("has_gap", [False, True])
@pytest.mark.parametrize(("kind", "keeps"), [(ConsentCache, False), (Heedless, True)])
async def test_no_answer_overtakes_a_change(
    channel: grpc.aio.Channel,
    tenant: str,
    kind: type[ConsentCache],
    *,
    keeps: bool,
    has_gap: bool,
) -> None:
    """What an invalidation, or a gap, has overtaken isn't kept; a heedless cache would."""
    assert keeps is await overtaken(channel, tenant, kind, has_gap=has_gap)


class Forgiving(ConsentCache):
    """A cache that begins anew after a gap, and keeps what it had."""

    def _take(self, *given: Any) -> float | None:
        first = super()._take(*given)
        self._resume_token = ""
        return first


@asynccontextmanager
async def dropped(cache: ConsentCache) -> AsyncGenerator[None]:
    """Have the cache's stream end, and none begin during the block."""
    real = cache._stub

    class Cut:
        CheckProcessing = real.CheckProcessing

        def WatchInvalidations(self, _request: Any) -> Any:
            raise grpc.aio.AioRpcError(
                grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata()
            )

    cache._stub = Cut()
    cache._call.cancel()
    await until(lambda: not cache._is_live)
    yield
    cache._stub = real
    await asyncio.wait_for(cache.ready(), 30)


@pytest.mark.parametrize(("kind", "says"), [(ConsentCache, False), (Forgiving, True)])
async def test_what_happens_in_a_gap_is_made_up_for(
    channel: grpc.aio.Channel, tenant: str, kind: type[ConsentCache], *, says: bool
) -> None:
    """After the stream was lost, a withdrawal in between is told; ignoring the gap would show."""
    async with caching(channel, tenant, kind, max_staleness=30) as cache:
        person = await kept(channel, cache, tenant)
        async with dropped(cache):
            await withdraw(channel, person, CUSTOMISE)
            async with caching(channel, tenant) as other:
                assert not (await other.check(person, CUSTOMISE)).allowed
            await asyncio.sleep(0.3)

        assert says is (await cache.check(person, CUSTOMISE)).allowed


async def test_a_resume_token_that_is_refused_forgets_everything(
    channel: grpc.aio.Channel, tenant: str
) -> None:
    """A stream that can't go on where it was begins anew, with nothing kept."""
    async with caching(channel, tenant, max_staleness=30) as cache:
        person = await kept(channel, cache, tenant)
        async with dropped(cache):
            cache._resume_token = "AAAA"  # noqa: S105 – of another database, say

        assert cache.cached(person, CUSTOMISE) is None
        assert cache.failure is None


async def test_memory_is_bounded(channel: grpc.aio.Channel, tenant: str) -> None:
    """Of more answers than may be kept, those asked for longest ago are dropped."""
    people = [end_user(tenant) for _ in range(4)]
    async with caching(channel, tenant, max_entries=2) as cache:
        for person in people:
            await cache.check(person, CUSTOMISE)

        assert 2 == len(cache)
        assert [False, False, True, True] == [
            cache.cached(person, CUSTOMISE) is not None for person in people
        ]


async def test_an_unknown_tenant_is_told(channel: grpc.aio.Channel) -> None:
    """What a stream is refused for is raised to who waits for it."""
    async with ConsentCache(channel, ["tenants/nobody"], role=PROCESSOR) as cache:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await cache.ready()

    assert grpc.StatusCode.NOT_FOUND is caught.value.code()


async def test_the_example_of_the_readme_runs(
    app: App, channel: grpc.aio.Channel, tenant: str
) -> None:
    """What the SDK's README shows says yes about somebody who has agreed."""
    person = end_user(tenant)
    await grant(channel, person, CUSTOMISE)
    blocks = README.read_text().split("```python\n")[1:]
    (example,) = (block.split("```")[0] for block in blocks if "import ConsentCache" in block)
    example = example.replace("127.0.0.1:50051", app.server.address)
    example = example.replace("tenants/acme", tenant).replace("psid-1", person.subject_id)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", example, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()

    assert b"True\n" == said
