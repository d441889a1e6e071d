"""Letting those who lost the same document decide again one after the other."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable

from server.domain.errors import ConflictError
from server.storage.pending import Pending, Target

TURN_SECONDS = 0.1
"""How long the others wait for one whose turn it is, and who may have given up."""


class Turns:
    """Tells the losers of a document, one by one, that they must decide again.

    Told at once, all would read the same state, and all but one of them lose again. The
    next is told when a change of the document was settled, or when too long none came.
    """

    def __init__(self, *, turn_seconds: float = TURN_SECONDS) -> None:
        """Wait *turn_seconds* at most for whoever was told."""
        self._turn_seconds = turn_seconds
        self._lines: dict[Target, deque[Pending]] = {}
        self._timers: dict[Target, asyncio.TimerHandle] = {}

    def line_up(self, target: Target, loser: Pending) -> None:
        """Refuse *loser*, which lost *target*, when its turn has come."""
        line = self._lines.get(target)
        if line is None:
            self._lines[target] = deque()
            self._tell(target, loser)
        else:
            line.append(loser)

    def settled(self, targets: Iterable[Target]) -> None:
        """Tell those who are next, now that a change of *targets* was made or refused."""
        if self._lines:
            for target in targets:
                if target in self._lines:
                    self._next(target)

    def end(self) -> None:
        """Tell everybody at once."""
        for line in self._lines.values():
            for loser in line:
                loser.fail(ConflictError())
        for timer in self._timers.values():
            timer.cancel()
        self._lines.clear()
        self._timers.clear()

    def _next(self, target: Target) -> None:
        self._timers.pop(target).cancel()
        line = self._lines[target]
        while line:
            loser = line.popleft()
            if not loser.answer.done():
                self._tell(target, loser)
                return
        del self._lines[target]

    def _tell(self, target: Target, loser: Pending) -> None:
        loser.fail(ConflictError())
        loop = asyncio.get_running_loop()
        self._timers[target] = loop.call_later(self._turn_seconds, self._next, target)
