"""Reads tell what is there, of the tenant that asks and of nobody else."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from server.domain.change import Insert
from server.domain.ports import Freshness, Query
from tests.contract.breakage import Indiscreet, Tieless
from tests.contract.samples import NOTES, NOW, Answer, Note, adding, change, note
from tests.contract.store import Store


@dataclass(frozen=True, slots=True)
class Reference:
    """A part of a note."""

    id: str
    tenant: str


async def put(store: Store, *notes: Note) -> None:
    """Add *notes*."""
    writes = [Insert(NOTES, each) for each in notes]
    await store.committer.commit(change(store.tenant, *writes), Answer)


def keys(notes: Sequence[Note]) -> list[str]:
    """Return the last parts of the ids."""
    return [each.id.rsplit("/", 1)[1] for each in notes]


async def test_what_was_written_is_read_back(store: Store) -> None:
    """An entity survives storage: empty fields, binary and times included."""
    written = note(store.tenant, "a", rank=0, due="", time=NOW)
    await put(store, written)

    assert written == await store.reader.get(NOTES, store.tenant, written.id, Note)
    assert await store.reader.get(NOTES, store.tenant, f"{written.id}x", Note) is None


async def test_only_what_is_asked_for_is_read(store: Store) -> None:
    """What isn't named stays in the database, and a page goes on by what it is ordered by."""
    await put(store, *(note(store.tenant, key, rank=rank) for key, rank in (("a", 2), ("b", 1))))
    query = Query(NOTES, store.tenant, order="rank", only=("id", "tenant"), limit=1)

    found = [each async for each in store.reader.scan(query, Reference)]

    assert [f"{store.tenant}/ada/b", f"{store.tenant}/ada/a"] == [each.id for each in found]
    if store.commands.sent:
        assert {"_id", "tenant", "rank"} == set(store.commands.named("find")[-1]["projection"])


async def hides_from_others(store: Store) -> None:
    """Show that another tenant's document is as good as none, even under an id like one's own."""
    other = f"{store.tenant}x"
    theirs = replace(note(store.tenant, "a"), tenant=other)
    await put(store, note(other, "b"), theirs)

    for freshness in (Freshness(), Freshness(linearizable=True)):
        for id in (theirs.id, note(other, "b").id):
            assert (
                await store.reader.get(NOTES, store.tenant, id, Note, freshness=freshness) is None
            )
    assert [] == await store.reader.find(Query(NOTES, store.tenant), Note)
    assert 0 == await store.reader.count(Query(NOTES, store.tenant))


async def test_another_tenants_document_is_not_there(store: Store) -> None:
    """No way of reading reaches another tenant's document."""
    await hides_from_others(store)


async def test_that_reading_across_tenants_would_be_noticed(store: Store) -> None:
    """A reader that doesn't look at the tenant breaks the promise above."""
    store.use(reader=Indiscreet)

    with pytest.raises(AssertionError):
        await hides_from_others(store)


async def test_workers_read_across_tenants(store: Store) -> None:
    """A query without a tenant is for workers, and finds everybody's."""
    await put(store, note(store.tenant, "a", due=store.tenant))
    await put(store, replace(note(f"{store.tenant}x", "a"), due=store.tenant))

    assert 2 == await store.reader.count(Query(NOTES, None, {"due": store.tenant}))


async def test_concurrent_reads_get_what_they_asked_for(store: Store) -> None:
    """Reads that are joined into one find are told apart again."""
    await store.committer.commit(adding(store.tenant, *(f"n{n}" for n in range(30))), Answer)
    ids = [f"{store.tenant}/ada/n{n}" for n in (*range(30), 7, 7, 99)]

    found = await asyncio.gather(*(store.reader.get(NOTES, store.tenant, id, Note) for id in ids))

    assert [*ids[:-1], None] == [each.id if each else None for each in found]


async def test_a_caller_that_hangs_up_leaves_joined_reads_alone(store: Store) -> None:
    """Reads that go out together don't share one caller's fate."""
    await put(store, note(store.tenant, "a"))
    id = note(store.tenant, "a").id
    tasks = [asyncio.create_task(store.reader.get(NOTES, store.tenant, id, Note)) for _ in range(3)]
    await asyncio.sleep(0)

    tasks[0].cancel()

    assert 2 == len([each for each in await asyncio.gather(*tasks[1:]) if each])


async def pages_are_stable(store: Store) -> None:
    """Show that inserts between pages neither repeat nor hide what was there."""
    notes = [note(store.tenant, f"k{n:02}", rank=n // 4) for n in range(12)]
    await put(store, *notes)
    seen: list[Note] = []
    query = Query(NOTES, store.tenant, order="rank", limit=5)
    for number in itertools.count():
        page = await store.reader.find(query, Note)
        if not page:
            break
        seen += page
        query = replace(query, after=(page[-1].rank, page[-1].id))
        if number < 3:
            added = (note(store.tenant, f"k{number}{rank}x", rank=rank) for rank in (0, 1, 2))
            await put(store, *added)

    originals = [each for each in seen if each in notes]
    assert notes == originals
    assert len(seen) == len(set(keys(seen)))


async def test_pages_are_stable_under_inserts(store: Store) -> None:
    """Who pages sees what was there at the start exactly once, in order."""
    await pages_are_stable(store)


async def test_that_paging_without_ties_would_be_noticed(store: Store) -> None:
    """A cursor that forgets the id skips what shares its value, and breaks the promise above."""
    store.use(reader=Tieless)

    with pytest.raises(AssertionError):
        await pages_are_stable(store)


@pytest.mark.parametrize("order", ["id", "-id", "rank", "-rank", "due", "-due", "time", "-time"])
async def test_pages_add_up_to_the_whole(store: Store, order: str) -> None:
    """Pages of any order, also by a field that is often empty, are the whole in that order."""
    notes = [
        note(store.tenant, f"k{n}", rank=n % 3, due=("", "", "2026-01-01", "2025-12-31")[n % 4])
        for n in range(10)
    ]
    await put(store, *notes)
    name = order.removeprefix("-")

    scanned = [
        each
        async for each in store.reader.scan(Query(NOTES, store.tenant, order=order, limit=3), Note)
    ]

    by_id = sorted(notes, key=lambda each: each.id, reverse=order == "-id")
    expected = sorted(by_id, key=lambda each: getattr(each, name), reverse=order.startswith("-"))
    assert keys(expected) == keys(scanned)


async def test_queries_match_what_they_say(store: Store) -> None:
    """Values, one of several values, empty values, highest values, and all of them together."""
    await put(
        store,
        note(store.tenant, "a", rank=1),
        note(store.tenant, "b", rank=2, due="2026-01-01"),
        note(store.tenant, "c", rank=3, due="2026-02-01"),
    )

    async def found(equals: Any, at_most: Any = None, at_least: Any = None) -> list[str]:
        query = Query(NOTES, store.tenant, equals, at_most=at_most or {}, at_least=at_least or {})
        page = keys(await store.reader.find(query, Note))
        assert len(page) == await store.reader.count(query)
        return page

    assert ["b"] == await found({"rank": 2})
    assert ["a", "c"] == await found({"rank": (1, 3)})
    assert ["a"] == await found({"due": ""})
    assert ["a", "b"] == await found({"due": ("", "2026-01-01")})
    assert ["b"] == await found({}, {"due": "2026-01-31"})
    assert ["c"] == await found({}, {"rank": 9}, {"due": "2026-01-31"})
    assert ["b"] == await found({}, {"rank": 2}, {"rank": 2})
    assert [] == await found({"rank": 3}, {"due": "2026-01-31"})
    assert ["a", "b", "c"] == await found({}, {"time": NOW})
    assert ["a"] == await found({"id": note(store.tenant, "a").id})
