"""Nothing is written but by the committer."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import server
from server.domain.change import Insert
from server.domain.clock import SystemClock
from server.domain.ports import Query
from server.storage.collections import Layout
from server.storage.committer import MongoCommitter
from server.storage.driver import Driver
from server.storage.leases import Leases
from server.storage.reader import MongoReader
from server.storage.schema import Schema
from server.storage.waking import Waking
from tests.contract.samples import NOTES, SUBJECTS, Answer, Note, adding, change, once, person
from tests.writes import WriteWatch

SOURCE = Path(server.__file__).parent


@pytest.fixture
async def driver(mongo_uri: str) -> AsyncIterator[Driver]:
    """Return a driver."""
    driver = Driver(mongo_uri)
    yield driver
    await driver.close()


async def test_storage_writes_in_transactions(
    driver: Driver, prefix: str, only_committer_writes: WriteWatch
) -> None:
    """From the schema to a change, a repeat and every read, only the committer writes."""
    layout = Layout(prefix)
    await Schema(driver, layout, Leases(driver, layout)).prepare()
    waking = Waking(driver)
    committer = MongoCommitter(driver, layout, SystemClock(), wake=waking.wake)
    reader = MongoReader(driver, layout, waking)
    calls = [change("t", Insert(SUBJECTS, person("t")), once=once("t", "r")) for _ in range(2)]

    await asyncio.gather(*(committer.commit(call, Answer) for call in calls))
    await committer.commit(adding("t", "a"), Answer)
    await reader.find(Query(NOTES, "t"), Note)
    await reader.wait_for_change(NOTES, at_most_seconds=0.1)
    await waking.close()

    assert 0 < only_committer_writes.in_transactions


WRITES: list[dict[str, object]] = [
    {"insert": "records_processor", "documents": [{"_id": 1}]},
    {"update": "tenants", "updates": [{"q": {}, "u": {"$set": {"key": ""}}}]},
    {"delete": "ledger", "deletes": [{"q": {}, "limit": 0}]},
    {"findAndModify": "idempotency", "query": {}, "remove": True},
    {"aggregate": "records_processor", "pipeline": [{"$out": "copy"}], "cursor": {}},
    {"drop": "ledger"},
]


@pytest.mark.parametrize("command", WRITES, ids=lambda command: str(next(iter(command))))
async def test_that_another_write_would_be_noticed(
    driver: Driver, prefix: str, write_watch: WriteWatch, command: dict[str, object]
) -> None:
    """The watch that the test above relies on hears every kind of write."""
    with write_watch.listening():
        await asyncio.gather(driver.command(prefix, command), return_exceptions=True)

    assert [f"{next(iter(command))} {next(iter(command.values()))}"] == write_watch.strays


@pytest.mark.parametrize(
    ("pattern", "allowed"),
    [
        (r"\.start_transaction\(", {"storage/driver.py"}),
        (r"\.transaction\(", {"storage/batch.py"}),
        (r"\bBatch\(", {"storage/committer.py"}),
        (r"\.(insert|update|replace|delete)_(one|many)\(|\.bulk_write\(", {"storage/memory.py"}),
    ],
)
def test_transactions_are_the_committers(pattern: str, allowed: set[str]) -> None:
    """No other module begins a transaction, or has a way to write without one."""
    found = {
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*.py")
        if re.search(pattern, path.read_text())
    }

    assert allowed == found
