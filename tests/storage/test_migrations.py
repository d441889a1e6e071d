"""What earlier releases stored is brought on, and nothing is done twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from pymongo import AsyncMongoClient

from server.domain.ledger import LEDGER, Entry, partition_of
from server.domain.ports import Query
from server.storage import migrations
from server.storage.collections import Layout
from server.storage.documents import to_document
from server.storage.driver import Driver
from server.storage.migrations import let_entries_wait
from tests.ledgers import check_ledger
from tests.storage.servers import Servers, commit, finish

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


async def test_entries_from_before_are_sequenced_in_order_of_time(
    servers: Servers, monkeypatch: Any
) -> None:
    """They come before whatever is committed now; a second run changes nothing."""
    monkeypatch.setattr(migrations, "BATCH", 2)
    ports = await servers.one()
    times = [NOON + timedelta(milliseconds=each) for each in (3, 1, 2, 1500)]
    old = [
        Entry(f"acme/c{n}", "acme", "a.b", time, "crm", "", partition_of("acme"))
        for n, time in enumerate(times)
    ]
    async with AsyncMongoClient[dict[str, Any]](servers.uri) as client:
        await client[servers.prefix]["ledger"].insert_many([to_document(each) for each in old])
    new = await commit(ports)

    driver = Driver(servers.uri)
    for _ in range(2):
        await let_entries_wait(driver, Layout(servers.prefix))
    await finish(ports)
    for _ in range(2):
        await let_entries_wait(driver, Layout(servers.prefix))
    await driver.close()

    assert 0 == await ports.reader.count(Query(LEDGER, None, equals={"waiting": True}))
    logs = await check_ledger(ports)
    assert ["acme/c1", "acme/c2", "acme/c0", "acme/c3", *new] == [e.id for e in logs["acme"]]
