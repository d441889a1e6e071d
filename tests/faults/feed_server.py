"""The server with failpoints of the feed: `python -m tests.faults.feed_server PLAN [BROKEN]`.

PLAN is a file with a failpoint and a number in each line. Each start takes the first line away,
and kills the process at that passing of the failpoint; with no line left, it just serves.
BROKEN names a promise that is broken besides. Production code knows nothing of either.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

from privacyrights.v1 import feed_service_pb2 as pb
from server import __main__
from server.domain.call import Call
from server.domain.change import Change, Committed
from server.domain.feed import membership
from server.domain.feed.feed import Feed
from server.domain.feed.lane import Lane
from server.domain.feed.subscription import CURSORS
from server.domain.ledger.sequencer import Sequencer
from server.handlers.feed import FeedHandler
from server.storage.committer import MongoCommitter
from server.workers import shares

SEQUENCER_LEASE_SECONDS = 0.5
"""How long the partitions of a server that was killed stay unsequenced, so that tests go on."""

ANSWERED_SECONDS = 0.05
"""After how long an answer has left the process."""

LATE_SECONDS = 1.0

FAILPOINTS = (
    "before_sequencing",
    "after_sequencing",
    "before_sending",
    "after_sending",
    "before_acknowledging",
    "after_acknowledging",
    "after_answering",
)


class Failpoint:
    """Kills the process when it is passed for the last time."""

    def __init__(self, name: str, passings: int) -> None:
        self._name = name
        self._left = passings

    def passed(self, name: str) -> None:
        """Be passed, if it is the one with this *name*."""
        if name != self._name:
            return
        self._left -= 1
        if self._left == 0:
            if name == "after_answering":
                asyncio.get_running_loop().call_later(ANSWERED_SECONDS, _die)
            else:
                _die()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def failing(point: Failpoint) -> AbstractContextManager[object]:
    """Return a context in which the parts of the feed pass *point*."""
    subscribe, acknowledge = FeedHandler.Subscribe, Feed.acknowledge
    answer, sequence = FeedHandler.Acknowledge, Sequencer.step

    async def subscribing(
        self: FeedHandler, request: pb.SubscribeRequest, call: Call
    ) -> AsyncGenerator[pb.SubscribeResponse]:
        async for response in subscribe(self, request, call):
            if response.events:
                point.passed("before_sending")
            yield response
            if response.events:
                point.passed("after_sending")

    async def acknowledging(self: Feed, id: str, **given: Any) -> Mapping[int, int]:
        point.passed("before_acknowledging")
        reached = await acknowledge(self, id, **given)
        point.passed("after_acknowledging")
        return reached

    async def answering(
        self: FeedHandler, request: pb.AcknowledgeRequest, call: Call
    ) -> pb.AcknowledgeResponse:
        response = await answer(self, request, call)
        point.passed("after_answering")
        return response

    async def sequencing(self: Sequencer, partitions: frozenset[int]) -> int:
        point.passed("before_sequencing")
        done = await sequence(self, partitions)
        if done:
            point.passed("after_sequencing")
        return done

    stack = ExitStack()
    for owner, name, replaced in (
        (FeedHandler, "Subscribe", subscribing),
        (Feed, "acknowledge", acknowledging),
        (FeedHandler, "Acknowledge", answering),
        (Sequencer, "step", sequencing),
    ):
        stack.enter_context(patch.object(owner, name, replaced))
    return stack


_commit = MongoCommitter.commit


async def _commit_late(self: MongoCommitter, change: Change, outcome: type[Any]) -> Any:
    """Answer for cursors before they are durable."""
    if not _is_of_cursors(change):
        return await _commit(self, change, outcome)
    late = asyncio.create_task(asyncio.sleep(LATE_SECONDS))
    late.add_done_callback(lambda _: asyncio.ensure_future(_commit(self, change, outcome)))
    return Committed(None, "")


async def _commit_nothing(self: MongoCommitter, change: Change, outcome: type[Any]) -> Any:
    """Keep what is acknowledged in memory only: streams of this process know it."""
    if not _is_of_cursors(change):
        return await _commit(self, change, outcome)
    return Committed(None, "")


def _is_of_cursors(change: Change) -> bool:
    written: Sequence[Any] = change.writes
    return bool(written) and all(
        write.table == CURSORS and write.entity.version > 2 for write in written
    )


def _acknowledging_what_is_sent() -> AbstractContextManager[object]:
    """Return a context in which what was sent counts as dealt with."""
    stack = ExitStack()
    stack.enter_context(patch.object(Lane, "resting", property(lambda lane: lane.next)))
    stack.enter_context(patch.object(membership, "LAZY_ENTRIES", 1))
    return stack


BROKEN: Mapping[str, Callable[[], AbstractContextManager[object]]] = {
    "before_durable": lambda: patch.object(MongoCommitter, "commit", _commit_late),
    "in_memory_only": lambda: patch.object(MongoCommitter, "commit", _commit_nothing),
    "sent_is_acknowledged": _acknowledging_what_is_sent,
}


def main(plan: Path, broken: str = "") -> int:
    """Serve until the next failpoint of *plan*."""
    first, _, rest = plan.read_text().partition("\n")
    plan.write_text(rest)
    name, _, passings = first.partition(" ")
    with ExitStack() as stack:
        stack.enter_context(patch.object(shares, "LEASE_SECONDS", SEQUENCER_LEASE_SECONDS))
        if broken:
            stack.enter_context(BROKEN[broken]())
        stack.enter_context(failing(Failpoint(name, int(passings or 0))))
        return __main__.main([])


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))
