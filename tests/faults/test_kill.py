"""Kill -9 of the server, of its database, and of both, while many clients write."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.rounds import Fault, Harness
from tests.served import ServerProcess


@pytest.mark.parametrize(
    ("fault", "few"),
    [(ServerProcess.kill, 2), (ServerProcess.kill_database, 2), (ServerProcess.kill_all, 1)],
    ids=["server", "database", "both"],
)
async def test_acknowledged_decisions_are_there_exactly_once(
    fault: Fault, few: int, rounds: Callable[[int], int], tmp_path: Path
) -> None:
    """Whatever is killed and when: what was acknowledged is there, whole, and once.

    A round compares the clients' own list with every page of every history, with the states,
    and with the database: decisions, ledger entries, idempotency records, subjects.
    """

    async with ServerProcess(tmp_path) as server:
        harness = Harness(server)
        await harness.begin()
        for _ in range(rounds(few)):
            assert [] == await harness.round(fault)

    # Every fault came while clients waited for answers; else it has shown nothing.
    assert harness.interrupted >= rounds(few)


async def test_database_of_a_deployment_outlives_the_server(
    rounds: Callable[[int], int], forgiving_uri: str, prefix: str, tmp_path: Path
) -> None:
    """The same holds for a MongoDB that goes on when the server is killed in a transaction."""

    async with ServerProcess(tmp_path, mongo_uri=forgiving_uri, database=prefix) as server:
        harness = Harness(server, uri=forgiving_uri, database=prefix)
        await harness.begin()
        for _ in range(rounds(1)):
            assert [] == await harness.round(ServerProcess.kill)

    assert harness.interrupted >= rounds(1)
