"""A real server in the test's own loop, with real callers, over the shared MongoDB.

`app`, `channel` and `clock` live as long as a module, with databases of their own, so that
tests of one module make their own tenants. `logged` reads what the server has logged.
"""

from __future__ import annotations

import io
import itertools
import json
import os
from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest
from pydantic import SecretStr
from pymongo import AsyncMongoClient

from server import logs
from server.compose import App, compose
from server.domain.clock import SteppingClock
from server.settings import Settings

BEGIN = datetime(2026, 3, 2, 9, tzinfo=UTC)
"""When the stepping clock begins to stand still: a Monday."""

CATALOGUE = Path(__file__).parents[2] / "deploy/catalogue/chatbot-platform.json"
"""The catalogue that every server of these tests begins with."""

Logged = Callable[[], list[dict[str, Any]]]

_numbers = itertools.count(1)
# For the whole run: loggers keep the stream that they were first used with.
_written = io.BytesIO()
_stream = io.TextIOWrapper(_written, write_through=True)


@pytest.fixture
def logged() -> Logged:
    """Return what reads the lines that were logged since the test began."""
    start = len(_written.getvalue())
    return lambda: [json.loads(line) for line in _written.getvalue()[start:].splitlines()]


@pytest.fixture(scope="module", autouse=True)
def configured_logs() -> None:
    """Log to memory; a field that isn't allowed in a log is an error."""
    logs.configure(format="json", stream=_stream, strict=True)


@pytest.fixture(scope="module")
async def settings(
    mongo_uri: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Settings]:
    """Return the settings of a server that nobody else uses; its databases are dropped."""
    database = f"rpc{os.getpid()}_{next(_numbers)}"
    chosen: dict[str, Any] = {
        "listen": "127.0.0.1:0",
        "mongo_uri": SecretStr(mongo_uri),
        "database": database,
        "data_dir": tmp_path_factory.mktemp(database),
        "catalogue": CATALOGUE,
    }
    yield Settings(**chosen)
    async with AsyncMongoClient[dict[str, Any]](mongo_uri) as client:
        for name in (database, f"{database}_keys"):
            await client.drop_database(name)


@pytest.fixture(scope="module")
def clock() -> SteppingClock:
    """Return the domain's clock, which stands still unless a test advances it."""
    return SteppingClock(BEGIN)


@pytest.fixture(scope="module")
async def app(
    settings: Settings,
    clock: SteppingClock,
    configured_logs: None,  # noqa: ARG001 – before anything logs
) -> AsyncGenerator[App]:
    """Return a server that answers."""
    async with compose(settings, clock=clock) as made:
        await made.server.start()
        yield made
        await made.server.stop(5)


@pytest.fixture(scope="module")
async def channel(app: App) -> AsyncGenerator[grpc.aio.Channel]:
    """Return a connection to the server; stubs are made on it."""
    async with grpc.aio.insecure_channel(app.server.address) as made:
        yield made
