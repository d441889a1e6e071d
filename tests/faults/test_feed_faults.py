"""The server dies at each failpoint of the feed: no event is missed, and few come twice."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.feed_rounds import FeedHarness
from tests.faults.feed_server import BROKEN, FAILPOINTS

PASSINGS = 4

IS_LONG = os.environ.get("PRIVACYRIGHTS_TEST_LONG") == "1"
IN_A_HURRY = ("after_sequencing", "before_sending", "before_acknowledging", "after_acknowledging")
"""Failpoints of `make test`; a start of the server costs seconds."""

FOUND_BY = {
    "in_memory_only": ("after_answering", "AGAIN"),
    "before_durable": ("after_answering", "AGAIN"),
    "sent_is_acknowledged": ("after_sending", "LOST"),
}


async def test_nothing_is_missed_wherever_the_server_dies(
    rounds: Callable[[int], int], forgiving_uri: str, prefix: str, tmp_path: Path
) -> None:
    """Killed before and after sequencing, sending, acknowledging and answering, in turn.

    Every event is delivered, in order; what was acknowledged never comes again; and after a
    crash of either side at most what was outstanding comes twice.
    """

    names = FAILPOINTS if IS_LONG else IN_A_HURRY
    plan = [(name, PASSINGS + n) for n in range(1 + rounds(1) // 5) for name in names]
    harness = FeedHarness(tmp_path, plan, mongo_uri=forgiving_uri, database=prefix)

    assert [] == await harness.run()
    assert len(plan) == harness.crashes
    assert harness.client_crashes


@pytest.mark.parametrize("broken", BROKEN if IS_LONG else ["in_memory_only"])
async def test_that_a_broken_promise_would_be_noticed(
    broken: str, forgiving_uri: str, prefix: str, tmp_path: Path
) -> None:
    """Answering before a cursor is durable, keeping it in memory, and moving it early are found."""

    failpoint, kind = FOUND_BY[broken]
    harness = FeedHarness(
        tmp_path, [(failpoint, 12)], broken, mongo_uri=forgiving_uri, database=prefix
    )

    assert kind in {finding.partition(" ")[0] for finding in await harness.run()}
