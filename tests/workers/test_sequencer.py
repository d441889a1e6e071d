"""Whatever is committed, by whichever server, is sequenced and signed soon after."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from time import monotonic
from typing import TypeVar

import pytest

from server.domain.call import Call
from server.domain.change import Change, Committed
from server.domain.errors import ConflictError, StorageUnavailableError
from server.domain.ledger import new_entry
from server.domain.ledger.checkpoint import CHECKPOINTS, Checkpoint
from server.domain.ledger.log import Log
from server.domain.ledger.sequencer import Sequencer
from server.domain.ports import Committer, Ports
from server.storage.collections import Layout
from server.storage.driver import Driver
from server.storage.leases import Leases
from server.workers import sequencer as module
from server.workers import shares, working
from server.workers.sequencer import SequencerWorker
from server.workers.shares import Shares
from tests.ledgers import NAME, check_ledger
from tests.workers.conftest import PREFIX
from tests.writes import Commands

E = TypeVar("E")
TENANTS = ("acme", "beta", "gamma", "")
CALL = Call(caller="crm", rpc="")


@pytest.fixture
def commands() -> Commands:
    """Return what hears the commands about leases."""
    return Commands()


@pytest.fixture
async def leases(mongo_uri: str, commands: Commands) -> AsyncIterator[Leases]:
    """Return the leases of the module's database."""
    driver = Driver(mongo_uri, event_listeners=[commands])
    yield Leases(driver, Layout(PREFIX))
    await driver.close()


@asynccontextmanager
async def sequencing(ports: Ports, leases: Leases) -> AsyncGenerator[Shares]:
    """Have a server sequence during the block."""
    held = Shares(leases)
    worker = SequencerWorker(Sequencer(ports, ledger=NAME), held, ports.reader)
    async with working([held, worker]):
        yield held


async def commit(ports: Ports, tenant: str) -> None:
    """Commit an entry."""
    entry = new_entry(CALL, ports.ids, tenant=tenant, type="a.b", time=ports.clock.now())
    await ports.committer.commit(Change((), (entry,)), type(None))


async def signed(ports: Ports, tenant: str, *, size: int) -> Checkpoint:
    """Return the checkpoint of a log when it is of that size."""
    async with asyncio.timeout(20):
        while True:
            found = await Log(ports.reader).checkpoint(tenant)
            if found is not None and found.size >= size:
                return found
            await ports.reader.wait_for_change(CHECKPOINTS, at_most_seconds=0.2)


async def size_of(ports: Ports, tenant: str) -> int:
    """Return the size of a log."""
    return (await Log(ports.reader).head(tenant)).size


@pytest.mark.parametrize("calm_seconds", [0, 60], ids=["after a rest", "after work"])
async def test_a_checkpoint_follows_within_a_second(
    ports: Ports, leases: Leases, monkeypatch: pytest.MonkeyPatch, calm_seconds: float
) -> None:
    """After a commit the log's checkpoint is there within a second, whatever went before."""
    monkeypatch.setattr(module, "CALM_SECONDS", calm_seconds)
    monkeypatch.setattr(module, "IDLE_SECONDS", 60)
    took: list[float] = []
    async with sequencing(ports, leases):
        for _ in range(3):
            before = await size_of(ports, "soon")
            await commit(ports, "soon")
            started = monotonic()
            await signed(ports, "soon", size=before + 1)
            took.append(monotonic() - started)

    # Another may have this machine for a moment.
    assert 1.0 >= min(took)
    await check_ledger(ports)


async def test_commits_of_other_servers_are_heard_of(
    ports: Ports, other_ports: Ports, leases: Leases
) -> None:
    """A server sequences what another has committed."""
    async with sequencing(ports, leases):
        before = await size_of(ports, "acme")
        await commit(other_ports, "acme")

        await signed(ports, "acme", size=before + 1)


async def test_servers_share_and_hand_over(
    ports: Ports, other_ports: Ports, leases: Leases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two servers sequence together; when one stops, the other goes on at once with all."""
    monkeypatch.setattr(shares, "LEASE_SECONDS", 60)
    before = {tenant: await size_of(ports, tenant) for tenant in TENANTS}
    async with sequencing(other_ports, leases) as others:
        async with sequencing(ports, leases) as own:
            async with asyncio.timeout(20):
                while len(own.held) + len(others.held) != 16 or len(own.held) != 8:
                    await commit(ports, "acme")
            for tenant in TENANTS:
                await commit(ports, tenant)
        for tenant in TENANTS:
            await commit(ports, tenant)
            await signed(ports, tenant, size=before[tenant] + 2)
    # Leases of a minute were given back: nobody had to wait for their end.
    assert set() == await leases.live(shares.PREFIX)
    await check_ledger(ports)


@dataclass
class Failing:
    """A committer that fails a few times."""

    committer: Committer
    failures: list[Exception]

    async def commit(self, change: Change, outcome: type[E]) -> Committed[E]:
        """Fail, or commit."""
        if self.failures:
            raise self.failures.pop()
        return await self.committer.commit(change, outcome)


async def test_it_goes_on_when_the_database_is_back(
    ports: Ports, leases: Leases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a database that is away nor a rival ends it."""
    monkeypatch.setattr(module, "AWAY_SECONDS", 0)
    before = await size_of(ports, "acme")
    failing = Failing(ports.committer, [StorageUnavailableError(), ConflictError()] * 3)
    await commit(ports, "acme")

    async with sequencing(replace(ports, committer=failing), leases):
        await signed(ports, "acme", size=before + 1)

    assert [] == failing.failures
    await check_ledger(ports)
