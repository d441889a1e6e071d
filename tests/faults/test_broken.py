"""Servers that break one promise each are caught by the harness that finds nothing otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.rounds import Fault, Harness
from tests.served import ServerProcess

MOST_ROUNDS = 6
"""A fault must come in the moment that a broken promise leaves open; one was enough so far."""


async def found(harness: Harness, fault: Fault) -> set[str]:
    """Return the kinds of what the harness finds first, within a few rounds."""
    await harness.begin()
    for _ in range(MOST_ROUNDS):
        try:
            findings = await harness.round(fault)
        except TimeoutError:
            # What was lost may be what a repeat needs, so that it is refused for ever.
            findings = await harness.audit()
        if findings:
            return {finding.partition(" ")[0] for finding in findings}
    return set()


def broken(name: str, folder: Path, **settings: str) -> ServerProcess:
    """Return the server that `broken_server` has under *name*."""
    command = ("-m", "tests.faults.broken_server", name)
    return ServerProcess(folder, command=command, **settings)


async def test_that_acknowledging_before_durable_would_be_noticed(tmp_path: Path) -> None:
    """Write concern 1 without journal loses acknowledged decisions when MongoDB is killed.

    The longest interval between flushes makes the window wide; the default, 100 ms, has been
    seen to lose as well.
    """

    interval = "--journalCommitInterval 500"
    async with broken("before_durable", tmp_path, mongod_args=interval) as server:
        assert "LOST" in await found(Harness(server), ServerProcess.kill_all)


@pytest.mark.parametrize(
    ("name", "kind"), [("without_idempotency", "TWICE"), ("ledger_afterwards", "TORN")]
)
async def test_that_what_is_not_in_the_transaction_would_be_noticed(
    name: str, kind: str, tmp_path: Path
) -> None:
    """Repeats that are applied again, and decisions without their ledger entry, are found."""

    async with broken(name, tmp_path) as server:
        assert kind in await found(Harness(server), ServerProcess.kill_all)
