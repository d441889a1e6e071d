"""One round: write at the same time, kill in the middle of it, start again, repeat, compare."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from tests.faults.audit import Held, Told, findings
from tests.faults.writers import Writers
from tests.served import ServerProcess

ANSWERS = range(20, 300)
"""A fault comes after as many answers, at least and at most…"""

PHASE_SECONDS = 0.02
"""…and up to this much later: answers come after commits, and faults must hit every phase."""

ROUND_SECONDS = 90.0

Fault = Callable[[ServerProcess], Awaitable[object]]


@dataclass(slots=True)
class Harness:
    """Kills one server again and again, with the same clients all along.

    Shapes:
        uri: the server's database if it isn't the embedded one; `database` is its prefix.
        seed: decides who asks what, and when faults come; the order of answers it can't.
        interrupted: calls that had no answer when the server was gone.
        done: those of them that turned out to have been done.
    """

    server: ServerProcess
    uri: str = ""
    database: str = "privacyrights"
    seed: int = field(default_factory=lambda: int.from_bytes(os.urandom(4)))
    interrupted: int = 0
    done: int = 0
    chance: random.Random = field(init=False)
    writers: Writers = field(init=False)

    def __post_init__(self) -> None:
        """Make the clients."""
        self.chance = random.Random(self.seed)
        self.writers = Writers(self.chance)

    async def begin(self) -> None:
        """Make what the clients write about."""
        await self.writers.create_tenant(self.server.address)

    async def round(self, fault: Fault) -> list[str]:
        """Return the findings after one *fault*."""
        async with asyncio.timeout(ROUND_SECONDS):
            await self.interrupt(fault)
            await self.server.start()
            unknown = list(self.writers.unanswered.values())
            self.interrupted += len(unknown)
            already = {each["_id"].rpartition("/")[2] for each in (await self._held()).outcomes}
            self.done += sum(asked.request_id in already for asked in unknown)
            await self.writers.repeat(self.server.address)
            return await self.audit()

    async def interrupt(self, fault: Fault) -> None:
        """Have all clients write, and *fault* come in the middle of it."""
        left = self.chance.choice(ANSWERS)
        due = asyncio.Event()

        def answered() -> None:
            nonlocal left
            left -= 1
            if left == 0:
                due.set()

        writing = asyncio.create_task(self.writers.write(self.server.address, answered=answered))
        waiting = asyncio.create_task(due.wait())
        await asyncio.wait({writing, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        # Not a wait for anything: the moment is what is random.
        await asyncio.sleep(self.chance.uniform(0, PHASE_SECONDS))
        await fault(self.server)
        await writing

    async def audit(self) -> list[str]:
        """Return all that is not as promised, and the refusals that no fault explains."""
        assert not self.writers.unanswered
        told = await Told.by(self.server.address)
        found = findings(self.writers.book, told, await self._held())
        refusals = [f"REFUSED {what}: {n} times" for what, n in self.writers.refusals.items()]
        return [f"{finding} (seed {self.seed})" for finding in (*found, *refusals)]

    async def _held(self) -> Held:
        return await Held.by(self.uri or self.server.database_uri, self.database)
