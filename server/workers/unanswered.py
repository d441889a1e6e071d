"""Forgets and releases unanswered messages once a day, when the day has changed (UTC)."""

from __future__ import annotations

import asyncio
from datetime import date

from server.domain.ports import Clock
from server.domain.unanswered.forgetting import Forgetting
from server.domain.unanswered.release import Release

LOOK_SECONDS = 60.0
"""How soon it is noticed that another day has begun."""


class UnansweredWorker:
    """Does what is due on each day; also at every start, for the days that were missed.

    What was kept long enough goes first, so that none of it is released anew. Any number of
    servers may do so at the same time: a crowd is released by one of them.
    """

    name = "unanswered"

    def __init__(
        self,
        forgetting: Forgetting,
        release: Release,
        clock: Clock,
        *,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        """Forget by *forgetting*, and release by *release*."""
        self._forgetting = forgetting
        self._release = release
        self._clock = clock
        self._look_seconds = look_seconds
        self._done: date | None = None

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await self.step()
            await asyncio.sleep(self._look_seconds)

    async def step(self) -> None:
        """Do what is due, unless that was done on this day."""
        today = self._clock.now().date()
        if today != self._done:
            await self._forgetting.forget(today)
            await self._release.release(today)
            self._done = today
