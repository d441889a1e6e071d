"""Waiting for company before work that many callers can share."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator
from contextlib import contextmanager

CROWD = 2
"""How many must have shared a round so that the next one waits for company."""


class Gathering:
    """Lets a round of shared work wait for company for as long as the round before took.

    Whoever is alone isn't kept waiting at all. Among others, nobody waits for more than
    twice the time, and what a round costs is divided among more of them.
    """

    def __init__(self, most_seconds: float) -> None:
        """Wait *most_seconds* at most."""
        self._most_seconds = most_seconds
        self._seconds = 0.0

    async def wait(self) -> None:
        """Return when the next round may begin."""
        if self._seconds:
            await asyncio.sleep(self._seconds)

    @contextmanager
    def round(self, size: int) -> Generator[None]:
        """Take note of how long the block takes, which *size* callers share."""
        started = time.monotonic()
        try:
            yield
        finally:
            took = time.monotonic() - started
            self._seconds = min(took, self._most_seconds) if size >= CROWD else 0.0
