"""Changes that are held between their decision and their commit."""

from __future__ import annotations

import asyncio
from typing import TypeVar

from server.domain.change import Change, Committed
from server.domain.ports import Committer

E = TypeVar("E")


class Held:
    """A committer that tells when a change has come, and waits to be let through."""

    def __init__(self, committer: Committer) -> None:
        self._committer = committer
        self.entered = asyncio.Event()
        self.opened = asyncio.Event()

    async def commit(self, change: Change, outcome: type[E]) -> Committed[E]:
        """Wait, then commit."""
        self.entered.set()
        await self.opened.wait()
        return await self._committer.commit(change, outcome)
