"""What all tests share: one real MongoDB for a session, and a place of one's own in it."""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from hypothesis import settings
from pymongo import AsyncMongoClient, monitoring

from server.storage.embedded import EmbeddedMongo
from tests.writes import WriteWatch

# Lets a test have the database refuse, or hang up on, the commands of one client.
_FAILING_ON_DEMAND = ("--setParameter", "enableTestCommands=1")

# A busy machine is slow, not wrong; pytest's own timeout ends what hangs.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

_numbers = itertools.count(1)
_watch = WriteWatch()
# Heard by every client that this process makes; listens only while a test asks it to.
monitoring.register(_watch)


@pytest.fixture(scope="session")
async def mongo_uri(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """Return the URI of a real MongoDB, a replica set of one; each xdist worker has its own."""
    folder = tmp_path_factory.mktemp("database")
    async with EmbeddedMongo(folder, extra_args=_FAILING_ON_DEMAND) as uri:
        yield uri


@pytest.fixture
async def prefix(mongo_uri: str) -> AsyncIterator[str]:
    """Return a prefix of database names that nobody else uses; its databases are dropped."""
    name = f"t{os.getpid()}_{next(_numbers)}"
    yield name
    async with AsyncMongoClient[dict[str, Any]](mongo_uri) as client:
        for database in (name, f"{name}_keys"):
            await client.drop_database(database)


@pytest.fixture
def write_watch() -> WriteWatch:
    """Return what hears every client of this process, once it is told to listen."""
    return _watch


@pytest.fixture
def only_committer_writes() -> Iterator[WriteWatch]:
    """Fail the test if anything is written other than by the committer, in this process.

    Exempt is what `tests.writes.EXEMPT` names with a reason.
    """
    with _watch.listening():
        yield _watch
    assert [] == _watch.strays
