"""A read is as fresh as its caller asks, and a change is heard of soon."""

from __future__ import annotations

import asyncio

import pytest
from bson.timestamp import Timestamp

from server.domain.change import Insert
from server.domain.errors import ConsistencyTokenInvalidError
from server.domain.ports import Freshness
from server.domain.subject import Subject
from server.storage import token
from server.storage.driver import Driver
from server.storage.waking import Waking
from tests.contract.breakage import Careless, Lonely
from tests.contract.samples import (
    LEDGER,
    NOTES,
    SUBJECTS,
    Answer,
    adding,
    change,
    person,
    renewing,
)
from tests.contract.store import Store

FUTURE = token.encode(Timestamp(0xFFFFFFF0, 1))


async def renewed_person(store: Store) -> tuple[Subject, str]:
    """Return a subject at version 1 that is at version 2, and the token of that change."""
    ada = person(store.tenant)
    await store.committer.commit(change(store.tenant, Insert(SUBJECTS, ada)), Answer)
    committed = await store.committer.commit(renewing(ada), Answer)
    return ada, committed.token


async def test_a_read_with_the_token_sees_the_change(store: Store) -> None:
    """Whoever passes the token of a change on never reads what was before it."""
    ada, committed = await renewed_person(store)

    for fresh in (Freshness(token=committed), Freshness(token=committed, linearizable=True)):
        found = await store.reader.get(SUBJECTS, store.tenant, ada.id, Subject, freshness=fresh)
        assert found is not None
        assert 2 == found.version


async def passes_the_token_on(store: Store) -> None:
    """Show that the database was asked for at least the time in the token."""
    ada, committed = await renewed_person(store)
    fresh = Freshness(token=committed)

    await store.reader.get(SUBJECTS, store.tenant, ada.id, Subject, freshness=fresh)

    asked = store.commands.named("find")[-1]["readConcern"]
    assert "majority" == asked["level"]
    assert token.decode(committed) <= asked.get("afterClusterTime", Timestamp(0, 0))


async def test_a_token_is_passed_on_to_the_database(store: Store) -> None:
    """On a replica that lags, the read waits."""
    await passes_the_token_on(store)


@pytest.mark.parametrize("store", ["pymongo"], indirect=True)
async def test_that_ignoring_tokens_would_be_noticed(store: Store) -> None:
    """A reader that takes whatever is there breaks the promise above."""
    store.use(reader=Careless)

    with pytest.raises(AssertionError):
        await passes_the_token_on(store)


@pytest.mark.parametrize("given", ["x", "AAAA", FUTURE, FUTURE[:-1] + "é", "A" * 18])
async def test_a_token_that_is_none_of_ours_is_refused(store: Store, given: str) -> None:
    """Garbage, and a time that has not come, are the caller's error and not ours."""
    ada, _ = await renewed_person(store)
    fresh = Freshness(token=given)

    with pytest.raises(ConsistencyTokenInvalidError):
        await store.reader.get(SUBJECTS, store.tenant, ada.id, Subject, freshness=fresh)


async def test_linearizable_reads_say_so_to_the_database(store: Store) -> None:
    """A linearizable read is one for the database too, and doesn't wait for ever."""
    ada, _ = await renewed_person(store)
    fresh = Freshness(linearizable=True)

    await store.reader.get(SUBJECTS, store.tenant, ada.id, Subject, freshness=fresh)

    sent = store.commands.named("find")[-1]
    assert {"level": "linearizable"} == sent["readConcern"]
    assert 0 < sent["maxTimeMS"]


async def test_reads_are_majority_committed(store: Store) -> None:
    """Nothing is read that could be rolled back."""
    ada, _ = await renewed_person(store)
    await store.reader.get(SUBJECTS, store.tenant, ada.id, Subject)

    assert {"level": "majority"} == store.commands.named("find")[-1]["readConcern"]


async def test_point_reads_are_routed_by_tenant(store: Store) -> None:
    """A point read tells a sharded cluster which tenants it is about."""
    await store.reader.get(SUBJECTS, store.tenant, f"{store.tenant}/ada", Subject)

    assert {"$in": [store.tenant]} == store.commands.named("find")[-1]["filter"]["tenant"]


async def shares_finds(store: Store) -> None:
    """Show that many concurrent reads are few commands."""
    ids = [f"{store.tenant}/{number}" for number in range(64)]
    await asyncio.gather(*(store.reader.get(SUBJECTS, store.tenant, id, Subject) for id in ids))

    assert 3 >= len(store.commands.named("find"))


async def test_point_reads_of_concurrent_callers_share_finds(store: Store) -> None:
    """Reads that arrive together go out together."""
    await shares_finds(store)


@pytest.mark.parametrize("store", ["pymongo"], indirect=True)
async def test_that_a_find_for_each_caller_would_be_noticed(store: Store) -> None:
    """A reader that joins nothing breaks the promise above."""
    store.use(reader=Lonely)

    with pytest.raises(AssertionError):
        await shares_finds(store)


async def test_a_change_of_this_server_wakes_at_once(store: Store) -> None:
    """Who waits for a table is woken by a commit to it."""
    store.waking = Waking(store.driver, poll_seconds=60)
    store.use()
    waiting = asyncio.create_task(store.reader.wait_for_change(LEDGER, at_most_seconds=60))
    await asyncio.sleep(0)

    await store.committer.commit(adding(store.tenant, "n"), Answer)

    await asyncio.wait_for(waiting, 5)
    await store.waking.close()


async def hears_of_others(store: Store) -> None:
    """Show that a commit of another server wakes long before the next poll."""
    waking = Waking(store.driver, poll_seconds=60)
    try:
        place = store.layout.place(NOTES)
        # The first wait returns when the stream is open: from then on nothing is missed.
        await asyncio.wait_for(waking.wait(place, at_most_seconds=60), 3)
        waiting = asyncio.create_task(waking.wait(place, at_most_seconds=60))
        await asyncio.sleep(0)
        assert not waiting.done()
        await store.committer.commit(adding(store.tenant, "n"), Answer)
        await asyncio.wait_for(waiting, 5)
    finally:
        await waking.close()


async def test_what_another_server_writes_wakes(store: Store) -> None:
    """Servers hear of each other's changes through the database."""
    await hears_of_others(store)


@pytest.mark.parametrize("store", ["pymongo"], indirect=True)
async def test_that_polling_alone_would_be_noticed(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a stream, the promise above takes as long as a poll."""
    monkeypatch.setattr(Driver, "has_change_streams", False)

    with pytest.raises(TimeoutError):
        await hears_of_others(store)


async def test_without_a_stream_waits_are_short(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no stream can be had, those who wait look for themselves, often."""
    monkeypatch.setattr(type(store.driver), "has_change_streams", False)
    store.waking = Waking(store.driver, poll_seconds=0.01)
    store.use()

    await asyncio.wait_for(store.reader.wait_for_change(NOTES, at_most_seconds=60), 5)
