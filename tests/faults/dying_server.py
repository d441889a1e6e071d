"""The server that kills itself: `python -m tests.faults.dying_server POINT TIMES [piecemeal]`.

It is composed as always; when it comes to the point for the so many-th time, it is gone at
once, as by kill -9. Told to work piecemeal, it is broken as well: it writes heads and entries
one after the other. Production code knows nothing of it.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any, TypeVar
from unittest.mock import patch

from bson.timestamp import Timestamp

from server import __main__, compose
from server.domain.change import Change, Committed, Position
from server.domain.ledger.sequencer import Sequencer
from server.storage.committer import MongoCommitter
from server.storage.place import Place
from server.storage.transaction import Transaction
from server.workers import shares

E = TypeVar("E")

POINTS = (
    "before_sequencing",
    "in_transaction",
    "before_its_commit",
    "after_its_commit",
    "before_signing",
    "after_signing",
)
"""Where it can die, in the order in which an entry meets them."""

LEASE_SECONDS = 0.5
"""So that nobody waits long for what a dead server had."""

_left = 0
_point = ""
_is_piecemeal = False


def _come_to(point: str) -> None:
    global _left  # noqa: PLW0603 – a process of its own, with one purpose
    if point == _point:
        _left -= 1
        if _left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)


class Dying(Sequencer):
    """Dies before it decides, or around signing."""

    async def step(self, partitions: frozenset[int]) -> int:
        """Sequence."""
        if await self._waiting(partitions):
            _come_to("before_sequencing")
        return await super().step(partitions)

    async def sign(self) -> None:
        """Sign."""
        _come_to("before_signing")
        await super().sign()
        _come_to("after_signing")


class DyingCommitter(MongoCommitter):
    """Dies when a pass of the sequencer is durable, and nobody has been told."""

    async def commit(self, change: Change, outcome: type[E]) -> Committed[E]:
        """Commit."""
        positions = [write for write in change.writes if isinstance(write, Position)]
        if not positions:
            return await super().commit(change, outcome)
        if _is_piecemeal:
            heads = [write for write in change.writes if not isinstance(write, Position)]
            committed = await super().commit(Change(heads, ()), outcome)
            _come_to("after_its_commit")
            return await super().commit(Change(positions, ()), outcome)
        committed = await super().commit(change, outcome)
        _come_to("after_its_commit")
        return committed


class DyingTransaction(Transaction):
    """Dies in the middle of a pass: some of it written, or all of it, and nothing committed."""

    _is_pass = False

    async def delete_all(self, place: Place, filter: dict[str, Any], *, count: int) -> None:
        """Take away what waited."""
        self._is_pass = True
        await super().delete_all(place, filter, count=count)
        _come_to("in_transaction")

    async def commit(self, *, seconds: float) -> Timestamp:
        """Commit."""
        if self._is_pass:
            _come_to("before_its_commit")
        return await super().commit(seconds=seconds)


if __name__ == "__main__":
    _point, _left, _is_piecemeal = sys.argv[1], int(sys.argv[2]), "piecemeal" in sys.argv
    with (
        patch.object(shares, "LEASE_SECONDS", LEASE_SECONDS),
        patch.object(compose, "Sequencer", Dying),
        patch.object(compose, "MongoCommitter", DyingCommitter),
        patch("server.storage.driver.Transaction", DyingTransaction),
    ):
        sys.exit(__main__.main([]))
