"""Keeps the feed's tails at the end of the log, and tells how far subscriptions are behind."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from server.domain.errors import StorageUnavailableError

if TYPE_CHECKING:
    from server.domain.feed.frontier import Frontier
    from server.domain.feed.lags import Lag, Lags
    from server.domain.feed.tails import Tails

LAG_METRIC = "privacyrights.feed.lag"
LAG_SECONDS = 15.0
"""How old the lag that a metric tells is at most."""


class FeedTailer:
    """Reads what is new for all streams of this process."""

    name = "feed-tailer"

    def __init__(self, tails: Tails) -> None:
        """Keep *tails* at the end of the log."""
        self._tails = tails

    async def run(self) -> None:
        """Follow the log until cancelled."""
        await self._tails.run()


class FeedFrontier:
    """Looks how far the feed is complete, for all watchers of this process."""

    name = "feed-frontier"

    def __init__(self, frontier: Frontier) -> None:
        """Have *frontier* look."""
        self._frontier = frontier

    async def run(self) -> None:
        """Look until cancelled."""
        await self._frontier.run()


class FeedLagger:
    """Measures the lag of all subscriptions, most of all of those that nobody streams.

    Every server tells the same of all of them: whoever looks takes the highest.
    """

    name = "feed-lagger"

    def __init__(self, lags: Lags, meter: Meter, *, seconds: float = LAG_SECONDS) -> None:
        """Tell what *lags* has measured, every so many *seconds*, as a gauge of *meter*."""
        self._lags = lags
        self._seconds = seconds
        self._measured: Mapping[str, Lag] = {}
        meter.create_observable_gauge(
            LAG_METRIC,
            callbacks=[self._observe],
            unit="{event}",
            description="Events that a subscription has not acknowledged",
        )

    async def run(self) -> None:
        """Measure until cancelled; a database that is away is asked again."""
        while True:
            await self.step()
            await asyncio.sleep(self._seconds)

    async def step(self) -> None:
        """Measure now."""
        try:
            self._measured = await self._lags.all()
        except StorageUnavailableError:
            # What was measured last would look as if all were well.
            self._measured = {}

    def _observe(self, _options: CallbackOptions) -> Iterable[Observation]:
        return [Observation(lag.count, {"subscription": id}) for id, lag in self._measured.items()]
