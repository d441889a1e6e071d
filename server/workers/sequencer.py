"""Has the ledger sequenced and signed, soon after each commit."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from time import monotonic

import structlog
from opentelemetry.metrics import CallbackOptions, Meter, Observation

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

MANY_CONFLICTS = 8
"""Passes in a row that failed, after which it is looked whether somebody has altered a head…"""

EXAMINE_SECONDS = 60.0
"""…and how soon what was found so is looked at again."""

ASIDE_METRIC = "privacyrights.ledger.set_aside"

_log = structlog.get_logger("server.workers")


class SequencerWorker:
    """Sequences the partitions that fall to this server's share, which another worker keeps."""

    name = "sequencer"

    def __init__(
        self, sequencer: Sequencer, shares: Shares, reader: Reader, meter: Meter | None = None
    ) -> None:
        """Listen for commits with *reader*, and tell what is set aside as a gauge of *meter*."""
        self._sequencer = sequencer
        self._shares = shares
        self._reader = reader
        self._sign_at: float | None = None
        self._worked_at = monotonic()
        self._conflicts = 0
        self._examine_at: float | None = None
        if meter is not None:
            meter.create_observable_gauge(
                ASIDE_METRIC,
                callbacks=[self._observe],
                description="Logs and feeds that were altered, and get no places since",
            )

    def _observe(self, _options: CallbackOptions) -> Iterable[Observation]:
        return [Observation(len(self._sequencer.aside))]

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
            if self._examine_at is not None and monotonic() >= self._examine_at:
                await self._examine()
            # Also amid a backlog: a log that is behind must not keep the others from being signed.
            while await self._sequence():
                await self._sign()
            await self._sign()
        except ConflictError:
            self._conflicts += 1
            if self._conflicts % MANY_CONFLICTS == 0:
                self._examine_at = monotonic()
            # Another server believes in the same partitions, which ends when its leases do.
            await asyncio.sleep(random.uniform(0, BUSY_SECONDS))  # noqa: S311 – parts the two
        except StorageUnavailableError:
            await asyncio.sleep(AWAY_SECONDS)
        else:
            self._conflicts = 0

    async def _examine(self) -> None:
        """Set aside what was altered, say so, and look at it again in a while."""
        aside = await self._sequencer.examine(self._shares.held)
        self._examine_at = monotonic() + EXAMINE_SECONDS if aside else None
        for head in aside:
            _log.error("ledger altered - a log or feed is set aside", head=head)

    async def _sequence(self) -> bool:
        """Sequence one batch, and tell whether there may be more."""
        started = monotonic()
        done = await self._sequencer.step(self._shares.held)
        if self._examine_at is None and self._sequencer.aside:
            # It met a head that can't be read.
            self._examine_at = monotonic()
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
