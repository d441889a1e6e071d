"""SIGTERM while many clients write: calls are finished, or refused and not done."""

from __future__ import annotations

import time
from pathlib import Path

from server.serving.running import STOPPED
from tests.faults.rounds import Harness
from tests.served import ServerProcess

DRAIN_SECONDS = 10
STOP_SECONDS = 5
"""What closing takes besides, on a busy machine."""


async def test_drain_finishes_what_was_taken(mongo_uri: str, prefix: str, tmp_path: Path) -> None:
    """Each call is acknowledged and there, or refused and absent; the exit is clean and in time."""

    server = ServerProcess(
        tmp_path, mongo_uri=mongo_uri, database=prefix, drain_seconds=str(DRAIN_SECONDS)
    )
    async with server:
        harness = Harness(server, uri=mongo_uri, database=prefix)
        # One that gives up and asks again can be refused a second time and yet have been done.
        harness.writers.are_patient = True
        stops: list[tuple[int, float]] = []

        async def stop(server: ServerProcess) -> None:
            started = time.monotonic()
            stops.append((await server.terminate(), time.monotonic() - started))

        await harness.begin()
        assert [] == await harness.round(stop)

    ((code, seconds),) = stops
    assert STOPPED == code
    assert seconds <= DRAIN_SECONDS + STOP_SECONDS
    assert (True, 0) == (harness.interrupted > 0, harness.done)
