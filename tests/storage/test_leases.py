"""A lease has one holder, for as long as that one lives, by the database's clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from server.domain.leases import Lease, LeaseLostError
from server.storage.collections import Layout
from server.storage.driver import Driver
from server.storage.leases import Leases


@pytest.fixture
async def driver(mongo_uri: str) -> AsyncIterator[Driver]:
    """Return a driver."""
    driver = Driver(mongo_uri)
    yield driver
    await driver.close()


@pytest.fixture
def leases(driver: Driver, prefix: str) -> Leases:
    """Return leases that nobody holds."""
    return Leases(driver, Layout(prefix))


async def held(leases: Leases, *, seconds: float) -> Lease:
    """Return a lease, waiting for the one before to end."""
    while (lease := await leases.acquire("work", seconds=seconds)) is None:
        pass
    return lease


async def has_one_holder(leases: Leases) -> None:
    """Show that of many that ask at once, one gets it."""
    taken = await asyncio.gather(*(leases.acquire("work", seconds=60) for _ in range(10)))

    assert 1 == sum(lease is not None for lease in taken)


async def test_a_lease_has_one_holder(leases: Leases) -> None:
    """Nobody gets what another holds."""
    await has_one_holder(leases)


class Endless(Leases):
    """Broken: what is given ends in the same moment."""

    async def acquire(self, name: str, *, seconds: float) -> Lease | None:  # noqa: ARG002 – a broken variant looks at less
        """Acquire for no time."""
        return await super().acquire(name, seconds=0)


async def test_that_two_holders_would_be_noticed(driver: Driver, prefix: str) -> None:
    """Leases that don't last break the promise above."""
    with pytest.raises(AssertionError):
        await has_one_holder(Endless(driver, Layout(prefix)))


async def test_a_lease_ends_with_its_time(leases: Leases) -> None:
    """A holder that died is followed by another, with a higher number."""
    first = await held(leases, seconds=0.05)

    second = await held(leases, seconds=60)

    assert (1, 2) == (first.fence, second.fence)
    with pytest.raises(LeaseLostError):
        await leases.renew(first)


async def test_a_lease_that_is_kept_does_not_end(leases: Leases) -> None:
    """A holder that lives keeps its lease for longer than it was given."""
    lease = await held(leases, seconds=2)

    async with leases.keeping(lease):
        until = asyncio.get_running_loop().time() + 3
        while asyncio.get_running_loop().time() < until:
            assert await leases.acquire("work", seconds=60) is None

    assert await leases.acquire("work", seconds=60) is not None


async def test_a_holder_that_lost_its_lease_is_stopped(leases: Leases) -> None:
    """Work that relies on a lease ends where it waits when the lease has gone."""
    lease = await held(leases, seconds=0.3)

    async def work() -> None:
        async with leases.keeping(lease):
            await leases.release(lease)
            await asyncio.Event().wait()

    with pytest.raises(LeaseLostError):
        await work()


async def test_cancelling_a_holder_is_no_loss(leases: Leases) -> None:
    """A server that is told to stop is cancelled as usual, and gives the lease back."""
    lease = await held(leases, seconds=60)

    async def work() -> None:
        async with leases.keeping(lease):
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert await leases.acquire("work", seconds=60) is not None


async def test_several_are_renewed_at_once(leases: Leases) -> None:
    """Those that ended are told from those that go on, and only these are held for longer."""
    lasting, ended = await held(leases, seconds=60), await leases.acquire("other", seconds=0)
    assert ended is not None
    taken = await leases.acquire("other", seconds=60)

    assert [lasting] == await leases.renew_all([lasting, ended])
    assert [lasting, taken] == await leases.renew_all([lasting, taken] if taken else [])


async def test_several_are_given_back_at_once(leases: Leases) -> None:
    """What is given back is free; what has become another's stays with that one."""
    first, ended = await held(leases, seconds=60), await leases.acquire("other", seconds=0)
    assert ended is not None
    await leases.acquire("other", seconds=60)

    await leases.release_all([first, ended])

    assert {"other"} == await leases.live("")
    assert await leases.acquire("work", seconds=60) is not None
