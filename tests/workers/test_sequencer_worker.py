"""The sequencer's worker: checkpoints don't wait until there is nothing to do."""

from __future__ import annotations

import asyncio
from typing import cast

from server.domain.ledger.sequencer import BATCH, Sequencer
from server.domain.ports import Reader
from server.workers import sequencer as module
from server.workers.sequencer import SequencerWorker
from server.workers.shares import Shares

PATIENCE_SECONDS = 10


class EndlessBacklog:
    """A sequencer that always finds a full batch, and tells when it is asked to sign."""

    def __init__(self) -> None:
        self.has_unsigned = True
        self.signed = asyncio.Event()
        self.aside: list[str] = []

    def forget(self) -> None:
        """Remember nothing."""

    async def step(self, _partitions: frozenset[int]) -> int:
        """Take a batch, and leave as much."""
        return BATCH

    async def sign(self) -> None:
        """Sign."""
        self.signed.set()
        self.has_unsigned = False


class Held:
    """A share of one partition."""

    held = frozenset({0})


class Silent:
    """A reader that hears of nothing."""

    async def wait_for_change(self, *_: object, **__: object) -> None:
        """Wait."""
        await asyncio.sleep(module.IDLE_SECONDS)


async def test_a_backlog_is_signed_as_it_goes() -> None:
    """However much waits, what was sequenced is signed in time: others' logs are among it."""
    backlog = EndlessBacklog()
    worker = SequencerWorker(
        cast("Sequencer", backlog), cast("Shares", Held()), cast("Reader", Silent())
    )

    work = asyncio.create_task(worker.run())
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await backlog.signed.wait()
    finally:
        work.cancel()
