"""Divides the ledger's partitions among the servers that are alive, one lease each.

Every server keeps a lease that only says that it is there. From these, each reckons how many
partitions it should have; it gives back what is too much, and takes what is free.
"""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress

from server.domain.errors import StorageUnavailableError
from server.domain.leases import Lease, Leases
from server.domain.ledger import PARTITIONS

PREFIX = "sequencer/"

LEASE_SECONDS = 5.0
"""How long a server that died keeps its partitions."""

PAUSE_SECONDS = 1.5
"""How long the only server rests before it renews its leases, and looks for others."""

SHARING_SECONDS = 0.5
"""How long one of several does, so that what is given back isn't left lying."""

SHORT_SECONDS = 0.1
"""How long a server waits that has too little: others are about to give it its share."""


class Shares:
    """The partitions that this server holds; a worker that keeps the share fair.

    Holding one is no promise that nobody else believes to hold it: see `ledger.sequencer`.
    """

    name = "shares"

    def __init__(self, leases: Leases, *, partitions: int = PARTITIONS) -> None:
        """Hold nothing of *partitions* yet."""
        self._leases = leases
        self._names = {f"{PREFIX}partition/{number:02d}": number for number in range(partitions)}
        self._member = f"{PREFIX}member/{secrets.token_hex(8)}"
        self._held: dict[str, Lease] = {}

    @property
    def held(self) -> frozenset[int]:
        """The partitions whose leases this server has."""
        return frozenset(self._names[name] for name in self._held if name in self._names)

    async def run(self) -> None:
        """Hold a fair share until cancelled, and give all of it back then."""
        try:
            while True:
                try:
                    pause = await self.settle()
                except StorageUnavailableError:
                    # What is held stays believed in: the database checks what is done with it.
                    pause = PAUSE_SECONDS
                await asyncio.sleep(pause)
        finally:
            with suppress(StorageUnavailableError):
                await self.give_back()

    async def settle(self) -> float:
        """Renew, give back or take leases as is fair now; return how long that may last."""
        renewed = await self._leases.renew_all(list(self._held.values()))
        self._held = {lease.name: lease for lease in renewed}
        if self._member not in self._held:
            await self._take([self._member])
        live = await self._leases.live(PREFIX)
        members = sorted(name for name in live | {self._member} if name not in self._names)
        share = _share(len(self._names), members.index(self._member), len(members))
        mine = [name for name in self._names if name in self._held]
        if len(mine) > share:
            await self._release(mine[share:])
        elif len(mine) < share:
            free = [name for name in self._names if name not in live]
            # Several take at once: whoever begins elsewhere is seldom in the way.
            start = secrets.randbelow(len(free)) if free else 0
            await self._take((free[start:] + free[:start])[: share - len(mine)])
        if len(self.held) < share:
            return SHORT_SECONDS
        return PAUSE_SECONDS if len(members) == 1 else SHARING_SECONDS

    async def give_back(self) -> None:
        """End all leases, so that other servers can go on at once."""
        await self._release(list(self._held))

    async def _take(self, names: list[str]) -> None:
        taken = await asyncio.gather(
            *(self._leases.acquire(name, seconds=LEASE_SECONDS) for name in names)
        )
        self._held |= {lease.name: lease for lease in taken if lease is not None}

    async def _release(self, names: list[str]) -> None:
        await self._leases.release_all([self._held.pop(name) for name in names])


def _share(partitions: int, rank: int, members: int) -> int:
    """Return how many partitions are the share of the member of a *rank*, from 0."""
    return partitions // members + (rank < partitions % members)
