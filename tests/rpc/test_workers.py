"""What goes on beside the calls goes on whatever happens, and ends when the server does."""

from __future__ import annotations

import asyncio

import pytest

from server import workers
from server.workers import working
from tests.rpc.conftest import Logged


class Steps:
    """A worker that fails at its first step, and waits at its second."""

    name = "steps"

    def __init__(self) -> None:
        self.begun = 0
        self.again = asyncio.Event()

    async def run(self) -> None:
        """Do a step."""
        self.begun += 1
        if self.begun == 1:
            raise ValueError("canary")
        self.again.set()
        await asyncio.Event().wait()


class Deaf:
    """A worker that loses its first cancellation, as Python 3.11 does now and then."""

    name = "deaf"

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.cancellations = 0

    async def run(self) -> None:
        """Go on at the first cancellation, and end at the second."""
        self.begun.set()
        while self.cancellations < 2:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancellations += 1
        raise asyncio.CancelledError


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for nothing."""
    monkeypatch.setattr(workers, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(workers, "REPEAT_SECONDS", 0)


@pytest.mark.usefixtures("impatient")
async def test_worker_that_failed_goes_on(logged: Logged) -> None:
    """A worker's failure is logged by type, and it is started again."""

    worker = Steps()
    async with working((worker,)):
        await asyncio.wait_for(worker.again.wait(), 5)

    (line,) = logged()
    assert ("worker failed", "steps", "ValueError") == (
        line["event"],
        line["worker"],
        line["exception"],
    )
    assert "canary" not in str(line)


@pytest.mark.usefixtures("impatient")
async def test_lost_cancellation_is_repeated() -> None:
    """A worker that loses a cancellation is cancelled again: the server never hangs on it."""

    worker = Deaf()
    async with asyncio.timeout(5), working((worker,)):
        await worker.begun.wait()

    assert 2 == worker.cancellations
