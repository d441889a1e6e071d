"""SIGTERM while many clients write: calls are finished, or refused and not done."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from server.serving.running import STOPPED
from tests.faults.rounds import Harness
from tests.served import ServerProcess

DRAIN_SECONDS = 10
STOP_SECONDS = 5
"""What closing takes besides, on a busy machine."""

FROZEN_SECONDS = 12
"""What an embedded database is given besides to end in order, and some more."""


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


async def test_a_frozen_database_delays_the_end_no_longer_than_it_may(tmp_path: Path) -> None:
    """Closing is given as long as calls are, whether or not the database takes part."""

    async with ServerProcess(tmp_path, drain_seconds="1") as server:
        os.kill(server.database_pid, signal.SIGSTOP)
        started = time.monotonic()
        assert STOPPED == await server.terminate()

    assert time.monotonic() - started <= 1 + 1 + FROZEN_SECONDS
