"""Servers divide the partitions fairly, hand them over, and take over those of the dead."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from server.domain.ledger import PARTITIONS
from server.storage.collections import Layout
from server.storage.driver import Driver
from server.storage.leases import Leases
from server.workers import shares
from server.workers.shares import Shares
from tests.writes import Commands

ALL = frozenset(range(PARTITIONS))


@pytest.fixture
def commands() -> Commands:
    """Return what hears all commands."""
    return Commands()


@pytest.fixture
async def leases(mongo_uri: str, prefix: str, commands: Commands) -> AsyncIterator[Leases]:
    """Return leases that nobody has."""
    driver = Driver(mongo_uri, event_listeners=[commands])
    yield Leases(driver, Layout(prefix))
    await driver.close()


async def settled(*servers: Shares) -> list[int]:
    """Let all settle, one after the other, a few times; return how much each has, sorted."""
    for _ in range(3):
        for server in servers:
            await server.settle()
    held = [server.held for server in servers]
    assert ALL == frozenset().union(*held)
    assert len(ALL) == sum(map(len, held)), "two have the same"
    return sorted(map(len, held))


async def divides_fairly(leases: Leases, kind: type[Shares]) -> None:
    """Show that all partitions are somebody's, and nobody has two more than another."""
    servers = [kind(leases) for _ in range(3)]

    assert [16] == await settled(*servers[:1])
    assert [8, 8] == await settled(*servers[:2])
    assert [5, 5, 6] == await settled(*servers)

    await servers[1].give_back()
    assert [8, 8] == await settled(servers[0], servers[2])


async def test_servers_have_fair_shares(leases: Leases) -> None:
    """Who comes gets a share, and who goes leaves it to the others."""
    await divides_fairly(leases, Shares)


class Selfish(Shares):
    """Broken: keeps what it has got."""

    async def _release(self, names: list[str]) -> None:
        """Release nothing."""


async def test_that_selfish_servers_would_be_noticed(leases: Leases) -> None:
    """A server that gives nothing back breaks the promise above."""
    with pytest.raises(AssertionError):
        await divides_fairly(leases, Selfish)


async def test_what_a_dead_server_had_is_taken_over(
    leases: Leases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Leases that nobody renews end, and whoever lives takes them; the dead one believes none."""
    monkeypatch.setattr(shares, "LEASE_SECONDS", 0.3)
    dead, living = Shares(leases), Shares(leases)
    await dead.settle()
    monkeypatch.setattr(shares, "LEASE_SECONDS", 60)

    while living.held != ALL:
        await living.settle()
    await dead.settle()

    assert frozenset() == dead.held


async def test_a_lone_server_asks_little(leases: Leases, commands: Commands) -> None:
    """Keeping all partitions costs two commands, and those once in a while."""
    lone = Shares(leases)
    await lone.settle()
    commands.sent.clear()

    assert shares.PAUSE_SECONDS == await lone.settle()

    assert ["update", "find"] == [name for name, _ in commands.sent]
