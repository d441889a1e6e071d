"""Servers that start at once find, or make, one and the same schema."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from server.domain.change import Kind
from server.domain.leases import Lease, LeaseLostError
from server.storage.collections import Layout
from server.storage.declarations import DECLARATIONS, IDEMPOTENCY
from server.storage.driver import Driver
from server.storage.failures import DatabaseRefusedError
from server.storage.leases import Leases
from server.storage.place import Place
from server.storage.schema import Migration, Schema, SchemaBusyError, SchemaTooNewError

COUNTER = "counter"


@pytest.fixture
async def driver(mongo_uri: str) -> AsyncIterator[Driver]:
    """Return a driver."""
    driver = Driver(mongo_uri)
    yield driver
    await driver.close()


@pytest.fixture
def layout(prefix: str) -> Layout:
    """Return collections that don't exist yet."""
    return Layout(prefix)


async def count_up(driver: Driver, layout: Layout) -> None:
    """Migrate in a way that shows how often it was done."""
    up = {"q": {"_id": 1}, "u": {"$inc": {"number": 1}}, "upsert": True}
    await driver.command(layout.prefix, {"update": COUNTER, "updates": [up]})


async def counted(driver: Driver, layout: Layout) -> int:
    """Return how often `count_up` was done."""
    found = await driver.find(Place(layout.prefix, COUNTER), {})
    return found[0]["number"] if found else 0


COUNT_UP = Migration("count up", count_up)


async def prepares_once(driver: Driver, layout: Layout, leases: type[Leases]) -> None:
    """Show that servers that start together migrate once, and all go on."""
    servers = [
        Schema(driver, layout, leases(driver, layout), migrations=(COUNT_UP,)) for _ in range(4)
    ]

    await asyncio.gather(*(server.prepare() for server in servers))

    assert 1 == await counted(driver, layout)


async def test_servers_that_start_at_once_migrate_once(driver: Driver, layout: Layout) -> None:
    """One works, the others wait and see that it is done."""
    await prepares_once(driver, layout, Leases)


class Generous(Leases):
    """Broken: gives the lease to everybody."""

    async def acquire(self, name: str, *, seconds: float) -> Lease | None:
        """Return a lease, whoever has it."""
        return Lease(name, "everybody", 1, seconds)


async def test_that_a_lease_for_everybody_would_be_noticed(driver: Driver, layout: Layout) -> None:
    """Without the lease, several servers migrate, and break the promise above."""
    with pytest.raises(AssertionError):
        await prepares_once(driver, layout, Generous)


async def test_collections_have_validators_and_indexes(driver: Driver, layout: Layout) -> None:
    """What is declared is what the database holds documents to, in every collection."""
    await Schema(driver, layout, Leases(driver, layout)).prepare()

    declared = [(place, DECLARATIONS[table.kind]) for table, place in layout.places()]
    for place, declaration in [*declared, (layout.idempotency, IDEMPOTENCY)]:
        filter = {"name": place.collection}
        listed = await driver.command(place.database, {"listCollections": 1, "filter": filter})
        indexes = await driver.command(place.database, {"listIndexes": place.collection})
        (found,) = listed["cursor"]["firstBatch"]
        names = {index["name"] for index in indexes["cursor"]["firstBatch"]}
        assert declaration.validator() == found["options"]["validator"]
        assert {"_id_", *(index.name for index in declaration.indexes)} == names


async def test_what_changed_is_brought_up_to_date(
    driver: Driver, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A declaration that differs from what was prepared is prepared again at the next start."""
    with monkeypatch.context() as before:
        before.setitem(DECLARATIONS, Kind.TEXTS, type(IDEMPOTENCY)())
        await Schema(driver, layout, Leases(driver, layout)).prepare()

    await Schema(driver, layout, Leases(driver, layout)).prepare()

    with pytest.raises(DatabaseRefusedError):
        await insert(driver, layout, "texts", {"_id": "a", "tenant": 1})


async def insert(driver: Driver, layout: Layout, collection: str, document: Any) -> None:
    """Add *document* past the committer, raising what its transaction would."""
    command = {"findAndModify": collection, "query": {"_id": 1}, "update": document, "upsert": True}
    await driver.command(layout.prefix, command)


async def test_a_start_that_was_killed_is_taken_up(driver: Driver, layout: Layout) -> None:
    """What was done stays done; the step that was cut off is done again, and the rest."""

    class KilledError(Exception):
        """The process ended here."""

    async def killed(*_: object) -> None:
        raise KilledError

    first = Schema(
        driver, layout, Leases(driver, layout), migrations=(COUNT_UP, Migration("die", killed))
    )
    with pytest.raises(KilledError):
        await first.prepare()

    await Schema(
        driver, layout, Leases(driver, layout), migrations=(COUNT_UP, COUNT_UP, COUNT_UP)
    ).prepare()

    assert 3 == await counted(driver, layout)


async def test_an_older_release_refuses_to_serve(driver: Driver, layout: Layout) -> None:
    """A release that doesn't know the schema says so in one line, and changes nothing."""
    newer = Schema(driver, layout, Leases(driver, layout), migrations=(COUNT_UP,))
    await newer.prepare()

    with pytest.raises(SchemaTooNewError) as refused:
        await Schema(driver, layout, Leases(driver, layout), migrations=()).prepare()

    assert "schema version 2" in refused.value.message
    assert "\n" not in refused.value.rendered()


async def test_a_server_does_not_wait_for_ever(driver: Driver, layout: Layout) -> None:
    """A lease that somebody keeps holding ends the start with one clear line."""
    leases = Leases(driver, layout)
    await leases.acquire("schema", seconds=60)

    with pytest.raises(SchemaBusyError):
        await Schema(driver, layout, leases).prepare(wait_seconds=0.2)


class Frozen(Leases):
    """Leases of a holder that was stopped for longer than its lease lasts, and goes on."""

    async def acquire(self, name: str, *, seconds: float) -> Lease | None:
        """Return a lease that is another's by the time it is used."""
        stale = await super().acquire(name, seconds=seconds)
        if stale is not None:
            await self.release(stale)
            later = await super().acquire(name, seconds=seconds)
            assert later is not None
            await Schema(self._driver, Layout(self._place.database), self).record(later, 1, "")
        return stale


async def test_a_holder_that_lost_its_lease_records_nothing(driver: Driver, layout: Layout) -> None:
    """A number that grows with each holder keeps one that slept from undoing a later one's work."""
    leases = Frozen(driver, layout)
    stale = await leases.acquire("schema", seconds=60)
    assert stale is not None

    with pytest.raises(LeaseLostError):
        await Schema(driver, layout, leases).record(stale, 1, "stale")

    (state,) = await driver.find(layout.schema, {})
    assert ("", 2) == (state["digest"], state["fence"])
