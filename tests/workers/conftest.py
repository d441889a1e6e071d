"""Real storage, shared by the tests of a module, and a clock that stands still.

Each test has a tenant of its own. What it leaves is purged by the next: none is disturbed.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from server.domain.clock import SteppingClock
from server.domain.ports import Ports
from tests.parts import parts

PREFIX = f"workers{os.getpid()}"
"""Of the names of databases."""


@pytest.fixture(scope="module")
def clock() -> SteppingClock:
    """Return the domain's clock."""
    return SteppingClock(datetime(2026, 3, 2, 9, tzinfo=UTC))


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where the keys are that all servers have."""
    return tmp_path_factory.mktemp("workers") / "keys.json"


@pytest.fixture(scope="module")
async def ports(mongo_uri: str, keys: Path, clock: SteppingClock) -> AsyncGenerator[Ports]:
    """Return the parts of a server."""
    async with parts(mongo_uri, PREFIX, keys, clock) as made:
        yield made
    async with AsyncMongoClient[dict[str, Any]](mongo_uri) as client:
        for database in (PREFIX, f"{PREFIX}_keys"):
            await client.drop_database(database)


@pytest.fixture
async def other_ports(
    mongo_uri: str,
    keys: Path,
    clock: SteppingClock,
    ports: Ports,  # noqa: ARG001 – it prepares the database
) -> AsyncGenerator[Ports]:
    """Return the parts of a second server over the same database."""
    async with parts(mongo_uri, PREFIX, keys, clock) as made:
        yield made
