"""The server dies at each point of sequencing; the next one goes on, and the ledger is whole."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from server.domain.clock import SystemClock
from server.domain.ledger import LEDGER
from server.domain.ledger.checkpoint import CHECKPOINTS, Checkpoint
from server.domain.ledger.heads import HEADS
from server.domain.ports import Ports, Query
from tests.faults.book import TENANT
from tests.faults.dying_server import POINTS
from tests.faults.writers import Writers
from tests.ledgers import check_ledger
from tests.parts import parts
from tests.served import ServerProcess

NAME = "privacyrights.local"
"""What a ledger is called that was given no name."""

SETTLE_SECONDS = 30.0

AFTER_CREATION = "4"
"""Which time: the first server's catalogue and tenant have been sequenced by then."""

MOST_TELLING = ("in_transaction", "after_its_commit", "before_signing")
"""Where it dies when there is little time."""


@dataclass(slots=True)
class Lives:
    """Servers on one database that die one after another, and the clients that write all along.

    Shapes:
        notes: every checkpoint that was found after a death.
    """

    uri: str
    database: str
    folder: Path
    writers: Writers
    notes: list[str] = field(default_factory=list[str])

    def server(self, *how: str) -> ServerProcess:
        """Return a server that is to die at a point, or none that it comes to."""
        command = ("-m", "tests.faults.dying_server", *how)
        return ServerProcess(
            self.folder, command=command, mongo_uri=self.uri, database=self.database
        )

    @asynccontextmanager
    async def looked_at(self) -> AsyncGenerator[Ports]:
        """Read the database past the servers, with their keys."""
        keys = self.folder / "data" / "master.key"
        async with parts(self.uri, self.database, keys, SystemClock()) as ports:
            yield ports

    async def die(self, *how: str) -> None:
        """Have clients write until the server has died; the first one makes their tenant."""
        async with self.server(*how) as server:
            if not self.writers.book.answers:
                await self.writers.create_tenant(server.address)
            await self.writers.write(server.address)
            assert -signal.SIGKILL == await server.wait()
        async with self.looked_at() as ports:
            found = await ports.reader.find(Query(CHECKPOINTS, None), Checkpoint)
            self.notes += [each.note for each in found]

    async def go_on(self) -> None:
        """Let a server live, and show that it leaves a ledger with all that was acknowledged."""
        async with self.server("never", "1") as server, self.looked_at() as ports:
            await _settled(ports)
            await server.terminate()
            logs = await check_ledger(ports, notes=self.notes, name=NAME)
        told = {entry.target for entry in logs[TENANT]}
        assert set() == set(self.writers.book.answers.values()) - told


async def _settled(ports: Ports) -> None:
    """Return when no entry waits, and all logs are signed."""
    left = (
        Query(LEDGER, None, equals={"waiting": True}),
        Query(HEADS, None, equals={"is_signed": False}),
    )
    async with asyncio.timeout(SETTLE_SECONDS):
        while sum([await ports.reader.count(query) for query in left]):
            await ports.reader.wait_for_change(HEADS, at_most_seconds=0.2)


@pytest.fixture
def lives(forgiving_uri: str, prefix: str, tmp_path: Path) -> Lives:
    """Return servers, and the clients of all of them."""
    writers = Writers(random.Random(7))
    return Lives(forgiving_uri, prefix, tmp_path, writers)


def deaths(rounds: int) -> list[tuple[str, str]]:
    """Return where servers die, and when they come there for which time."""
    if rounds == 1:
        return [(point, AFTER_CREATION) for point in MOST_TELLING]
    first = int(AFTER_CREATION)
    return [(point, str(n)) for n in range(first, first + rounds // 4) for point in POINTS]


async def test_the_ledger_is_whole_wherever_the_server_dies(
    lives: Lives, rounds: Callable[[int], int]
) -> None:
    """Before and after decision, commit and signature: no gap, no duplicate, no fork, no loss."""
    for how in deaths(rounds(1)):
        await lives.die(*how)

    await lives.go_on()


async def test_that_sequencing_piecemeal_would_be_noticed(lives: Lives) -> None:
    """Heads that are written before their entries leave a gap when the server dies in between."""
    await lives.die("after_its_commit", AFTER_CREATION, "piecemeal")

    with pytest.raises(AssertionError):
        await lives.go_on()
