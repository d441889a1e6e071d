"""Has the ledger sequenced and signed, soon after each commit."""

from __future__ import annotations

import asyncio
import random
from time import monotonic

import structlog

from server.domain.errors import ConflictError, StorageUnavailableError
from server.domain.ledger import LEDGER
from server.domain.ledger.sequencer import BATCH, Sequencer
from server.domain.ports import Reader
from server.workers.shares import Shares

SIGN_SECONDS = 0.3
"""How long a log grows before a checkpoint of it is signed, so that a burst costs few."""

IDLE_SECONDS = 2.0
"""How long nothing is heard before it is looked anyway, should others' commits go unheard."""

BUSY_SECONDS = 0.1
"""How long while there is work: then only this server's own commits are listened to."""

CALM_SECONDS = 1.0
"""How long nothing was done when it is worth the database's while to tell of others' commits."""

MOST_REST_SECONDS = 0.02
"""How long it rests at most between two passes; it rests as long as it worked."""

AWAY_SECONDS = 0.5
"""How long a database that is away is left alone."""

MANY_CONFLICTS = 200
"""Passes in a row that others were faster at, after which somebody has to look at it."""

_log = structlog.get_logger("server.workers")


class SequencerWorker:
    """Sequences the partitions that fall to this server's share, which another worker keeps."""

    name = "sequencer"

    def __init__(self, sequencer: Sequencer, shares: Shares, reader: Reader) -> None:
        """Listen for commits with *reader*."""
        self._sequencer = sequencer
        self._shares = shares
        self._reader = reader
        self._sign_at: float | None = None
        self._worked_at = monotonic()
        self._conflicts = 0

    async def run(self) -> None:
        """Sequence until cancelled."""
        self._sequencer.forget()
        while True:
            is_calm = monotonic() - self._worked_at > CALM_SECONDS
            patience = IDLE_SECONDS if is_calm else BUSY_SECONDS
            # What is committed while the rest is sequenced must not be missed.
            woken = asyncio.create_task(
                self._reader.wait_for_change(LEDGER, at_most_seconds=patience, by_others=is_calm)
            )
            try:
                await self._work()
                await asyncio.wait((woken,), timeout=self._until_signing())
            finally:
                woken.cancel()

    def _until_signing(self) -> float | None:
        return None if self._sign_at is None else max(0.0, self._sign_at - monotonic())

    async def _work(self) -> None:
        """Sequence all that waits, and sign when that is due."""
        try:
            # Also amid a backlog: a log that is behind must not keep the others from being signed.
            while await self._sequence():
                await self._sign()
            await self._sign()
        except ConflictError:
            self._conflicts += 1
            if self._conflicts % MANY_CONFLICTS == 0:
                _log.error("the ledger can't be sequenced - it was altered, or others sequence it")
            # Another server believes in the same partitions, which ends when its leases do.
            await asyncio.sleep(random.uniform(0, BUSY_SECONDS))  # noqa: S311 – parts the two
        except StorageUnavailableError:
            await asyncio.sleep(AWAY_SECONDS)
        else:
            self._conflicts = 0

    async def _sequence(self) -> bool:
        """Sequence one batch, and tell whether there may be more."""
        started = monotonic()
        done = await self._sequencer.step(self._shares.held)
        if self._sign_at is None and self._sequencer.has_unsigned:
            self._sign_at = monotonic() + SIGN_SECONDS
        if done:
            self._worked_at = monotonic()
            # What is committed meanwhile is sequenced together.
            await asyncio.sleep(min(self._worked_at - started, MOST_REST_SECONDS))
        return done == BATCH

    async def _sign(self) -> None:
        if self._sign_at is not None and monotonic() >= self._sign_at:
            while self._sequencer.has_unsigned:
                await self._sequencer.sign()
            self._sign_at = None
