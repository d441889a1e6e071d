"""A commit is neither answered early nor cut off, whoever goes away."""

from __future__ import annotations

import asyncio

import pytest

from server.domain.errors import StorageUnavailableError
from tests.contract.breakage import Cuttable, Early, Gate, Hurried, Tampered, gate
from tests.contract.samples import NOTES, Answer, adding
from tests.contract.store import Store


def gated(store: Store) -> type[Gate]:
    """Hold the commits of *store* at a gate; return the gate, still closed."""
    held = gate()
    store.driver = Tampered(store.driver, held)  # type: ignore[assignment]  # in the driver's place
    store.use(committer=type(store.committer))
    return held


async def survives_its_caller(store: Store) -> None:
    """Show that a change is durable although its caller went during the commit."""
    held = gated(store)
    task = asyncio.create_task(store.committer.commit(adding(store.tenant, "n"), Answer))
    await held.entered.wait()

    task.cancel()
    await asyncio.wait((task,))
    held.opened.set()
    await store.committer.drain(5)

    assert 1 == await store.count(NOTES)


async def test_a_caller_that_hangs_up_does_not_cut_a_commit(store: Store) -> None:
    """What has begun is finished, whether or not anybody waits for it."""
    await survives_its_caller(store)


async def test_that_committing_in_the_callers_task_would_be_noticed(store: Store) -> None:
    """A commit that shares its caller's fate breaks the promise above."""
    store.use(committer=Cuttable)

    with pytest.raises(AssertionError):
        await survives_its_caller(store)


async def finishes(store: Store) -> None:
    """Show that a drained committer takes nothing, and has answered what it had taken."""
    held = gated(store)
    tasks = [
        asyncio.create_task(store.committer.commit(adding(store.tenant, f"n{n}"), Answer))
        for n in range(5)
    ]
    await held.entered.wait()
    draining = asyncio.create_task(store.committer.drain(5))
    await asyncio.sleep(0)

    with pytest.raises(StorageUnavailableError):
        await store.committer.commit(adding(store.tenant, "late"), Answer)
    assert not draining.done()
    held.opened.set()

    assert await draining
    assert 5 == await store.count(NOTES)
    await asyncio.gather(*tasks)


async def test_draining_finishes_what_was_taken(store: Store) -> None:
    """A server that stops refuses new changes and completes the others."""
    await finishes(store)


async def test_that_draining_in_a_hurry_would_be_noticed(store: Store) -> None:
    """A committer that only closes breaks the promise above."""
    store.use(committer=Hurried)

    with pytest.raises(AssertionError):
        await finishes(store)
    await store.use().committer.drain(5)


async def test_draining_tells_when_time_was_too_short(store: Store) -> None:
    """A stop within a deadline knows whether anything was left."""
    held = gated(store)
    task = asyncio.create_task(store.committer.commit(adding(store.tenant, "n"), Answer))
    await held.entered.wait()

    assert not await store.committer.drain(0.01)

    held.opened.set()
    await task


async def is_answered_after_the_commit(store: Store) -> None:
    """Show that the database had confirmed the commit when the caller was answered."""
    await store.committer.commit(adding(store.tenant, "n"), Answer)

    assert "commitTransaction" in store.commands.events


async def test_nobody_is_answered_before_the_commit_is_confirmed(store: Store) -> None:
    """An answer means that the change is durable."""
    await is_answered_after_the_commit(store)


@pytest.mark.parametrize("store", ["pymongo"], indirect=True)
async def test_that_answering_early_would_be_noticed(store: Store) -> None:
    """An answer before the commit breaks the promise above."""
    store.driver = Tampered(store.driver, Early)  # type: ignore[assignment]  # in the driver's place
    store.use()

    with pytest.raises(AssertionError):
        await is_answered_after_the_commit(store)
