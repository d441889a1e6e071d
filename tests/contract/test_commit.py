"""A change holds entirely or not at all, and harms nobody else's."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

import pytest

from server.domain.change import Change, Delete, Insert, Purge, Replace
from server.domain.errors import ConflictError
from server.storage.committer import CommitLimits
from server.storage.failures import NotStorableError
from tests.contract.breakage import Apart, Fatal, OneForAll, Tampered, Unconditional
from tests.contract.samples import (
    LEDGER,
    NOTES,
    SUBJECTS,
    Answer,
    adding,
    change,
    entry,
    note,
    person,
    renewed,
    renewing,
)
from tests.contract.store import Store


@dataclass(frozen=True, slots=True)
class Plain:
    """A note that some bug left unsealed."""

    id: str
    tenant: str
    version: int
    subject: str
    generation: int
    sealed: str


def plain(tenant: str, key: str) -> Plain:
    """Return what the validator must refuse."""
    return Plain(f"{tenant}/ada/{key}", tenant, 1, f"{tenant}/ada", 1, "Ada Lovelace")


async def holds_together(store: Store) -> None:
    """Show that documents whose ledger entry is refused are not written."""
    taken = entry(store.tenant)
    await store.committer.commit(Change((), (taken,)), Answer)
    writes = (Insert(SUBJECTS, person(store.tenant)), Insert(NOTES, note(store.tenant, "a")))

    with pytest.raises(ConflictError):
        await store.committer.commit(Change(writes, (taken,)), Answer)

    assert (0, 0, 1) == await store.counts()


async def test_without_its_ledger_entry_nothing_is_written(store: Store) -> None:
    """If the ledger entry can't be written, nothing has changed."""
    await holds_together(store)


async def test_that_writes_apart_would_be_noticed(store: Store) -> None:
    """Writes that are durable one by one break the promise above."""
    store.driver = Tampered(store.driver, lambda _: Apart(store.driver._driver))  # type: ignore[assignment, attr-defined]  # in the driver's place
    store.use()

    with pytest.raises(AssertionError):
        await holds_together(store)


async def test_refused_by_the_validator_leaves_nothing(store: Store) -> None:
    """Plaintext where ciphertext belongs is refused by the database, with the whole change."""
    writes = (Insert(SUBJECTS, person(store.tenant)), Insert(NOTES, plain(store.tenant, "a")))

    with pytest.raises(NotStorableError) as refused:
        await store.committer.commit(change(store.tenant, *writes), Answer)

    assert (0, 0, 0) == await store.counts()
    assert "Ada" not in str(refused.value)


async def spares_neighbours(store: Store, bad: Change, error: type[Exception]) -> None:
    """Show that of many concurrent changes only *bad* is refused."""
    _, before, _ = await store.counts()
    changes = [adding(store.tenant, f"n{number}") for number in range(20)]
    changes.insert(10, bad)

    results = await asyncio.gather(
        *(store.committer.commit(change, Answer) for change in changes), return_exceptions=True
    )

    refused = [number for number, result in enumerate(results) if isinstance(result, Exception)]
    assert [10] == refused
    assert error is type(results[10])
    assert before + 20 == await store.count(NOTES)


async def test_a_stale_change_harms_no_neighbour(store: Store) -> None:
    """A change decided on an old version is refused alone."""
    ada = person(store.tenant)
    await store.committer.commit(change(store.tenant, Insert(SUBJECTS, ada)), Answer)
    await store.committer.commit(renewing(ada), Answer)

    await spares_neighbours(store, renewing(ada), ConflictError)


async def test_an_id_that_exists_harms_no_neighbour(store: Store) -> None:
    """A change that adds what exists is refused alone."""
    await store.committer.commit(adding(store.tenant, "taken"), Answer)

    await spares_neighbours(store, adding(store.tenant, "taken"), ConflictError)


async def test_a_ledger_entry_that_exists_harms_no_neighbour(store: Store) -> None:
    """A refusal that no version explains is attributed as well."""
    taken = entry(store.tenant)
    await store.committer.commit(Change((), (taken,)), Answer)

    await spares_neighbours(store, Change((), (taken,)), ConflictError)


async def test_a_document_that_breaks_the_validator_harms_no_neighbour(store: Store) -> None:
    """A bug in one call doesn't refuse the calls beside it."""
    bad = change(store.tenant, Insert(NOTES, plain(store.tenant, "plain")))

    await spares_neighbours(store, bad, NotStorableError)


async def test_that_refusing_a_whole_batch_would_be_noticed(store: Store) -> None:
    """A committer that lets neighbours down breaks the promise above."""
    await store.committer.commit(adding(store.tenant, "taken"), Answer)
    store.use(committer=OneForAll)

    with pytest.raises(AssertionError):
        await spares_neighbours(store, adding(store.tenant, "taken"), ConflictError)


async def refuses_stale(store: Store) -> None:
    """Show that a version can be replaced once."""
    ada = person(store.tenant)
    await store.committer.commit(change(store.tenant, Insert(SUBJECTS, ada)), Answer)
    await store.committer.commit(renewing(ada), Answer)

    assert isinstance(await refusal(store, renewing(ada)), ConflictError)
    assert 2 == await store.count(LEDGER)


async def refusal(store: Store, change: Change) -> Exception | None:
    """Return what *change* is refused with, if it is."""
    (result,) = await asyncio.gather(store.committer.commit(change, Answer), return_exceptions=True)
    return result if isinstance(result, Exception) else None


async def test_a_version_is_replaced_once(store: Store) -> None:
    """What was decided on a state that is gone is refused, to be decided again."""
    await refuses_stale(store)


async def test_that_replacing_blindly_would_be_noticed(store: Store) -> None:
    """Writes that ignore the version break the promise above."""
    store.driver = Tampered(store.driver, Unconditional)  # type: ignore[assignment]  # in the driver's place
    store.use()

    with pytest.raises(AssertionError):
        await refuses_stale(store)


async def test_of_two_at_once_one_wins(store: Store) -> None:
    """Two concurrent changes of one version never both hold."""
    ada = person(store.tenant)
    await store.committer.commit(change(store.tenant, Insert(SUBJECTS, ada)), Answer)

    refusals = await asyncio.gather(*(refusal(store, renewing(ada)) for _ in range(10)))

    assert 9 == sum(isinstance(refused, ConflictError) for refused in refusals)
    assert 2 == await store.count(LEDGER)


async def leaves_rivals_their_chance(store: Store) -> None:
    """Show that who waited for a change that failed can still succeed."""
    ada = person(store.tenant)
    taken = entry(store.tenant)
    await store.committer.commit(Change((Insert(SUBJECTS, ada),), (taken,)), Answer)
    doomed = Change((Replace(SUBJECTS, renewed(ada)),), (taken,))

    refusals = await asyncio.gather(refusal(store, doomed), refusal(store, renewing(ada)))

    assert isinstance(refusals[0], ConflictError)
    assert refusals[1] is None


async def test_a_change_that_fails_leaves_its_rival_the_chance(store: Store) -> None:
    """A change isn't refused because of another that was refused itself."""
    await leaves_rivals_their_chance(store)


async def test_that_refusing_rivals_would_be_noticed(store: Store) -> None:
    """A committer that refuses rivals unseen breaks the promise above."""
    store.use(committer=Fatal)

    with pytest.raises(AssertionError):
        await leaves_rivals_their_chance(store)


async def test_no_update_is_lost(store: Store) -> None:
    """Callers that read, decide and commit until they succeed all leave their mark."""
    ada = person(store.tenant)
    await store.committer.commit(change(store.tenant, Insert(SUBJECTS, ada)), Answer)

    async def renew() -> None:
        while True:
            found = await store.reader.get(SUBJECTS, store.tenant, ada.id, type(ada))
            assert found is not None
            if await refusal(store, renewing(found)) is None:
                return

    await asyncio.gather(*(renew() for _ in range(12)))

    last = await store.reader.get(SUBJECTS, store.tenant, ada.id, type(ada))
    assert last is not None
    assert 13 == last.version


async def test_what_is_deleted_must_be_what_was_read(store: Store) -> None:
    """A delete of another version is refused; the right one deletes."""
    first = note(store.tenant, "a")
    await store.committer.commit(change(store.tenant, Insert(NOTES, first)), Answer)
    stale = change(store.tenant, Delete(NOTES, replace(first, version=2)))

    assert isinstance(await refusal(store, stale), ConflictError)
    assert await refusal(store, change(store.tenant, Delete(NOTES, first))) is None
    assert 0 == await store.count(NOTES)


async def test_a_purge_ends_lives_up_to_a_generation(store: Store) -> None:
    """What belongs to a later life, or to another person, stays."""
    kept = (
        note(store.tenant, "new", generation=3),
        note(store.tenant, "a", reference="grace"),
    )
    gone = (note(store.tenant, "old"), note(store.tenant, "older", generation=2))
    writes = [Insert(NOTES, each) for each in (*kept, *gone)]
    await store.committer.commit(change(store.tenant, *writes), Answer)
    purge = Purge(NOTES, store.tenant, f"{store.tenant}/ada", generation=2)

    await store.committer.commit(change(store.tenant, purge, purge), Answer)

    assert 2 == await store.count(NOTES)


async def test_a_change_writes_a_document_once(store: Store) -> None:
    """A change that contradicts itself is refused before anything is sent."""
    twice = change(store.tenant, *[Insert(NOTES, note(store.tenant, "a"))] * 2)

    with pytest.raises(NotStorableError):
        await store.committer.commit(twice, Answer)


async def test_more_than_one_transaction_takes_is_committed_in_several(store: Store) -> None:
    """Limits of size delay changes, and refuse none."""
    store.use(limits=CommitLimits(in_flight=1, batch_max=3, batch_bytes=500))

    await asyncio.gather(
        *(store.committer.commit(adding(store.tenant, f"n{n}"), Answer) for n in range(20))
    )

    assert 20 == await store.count(NOTES)


async def test_a_change_of_nothing_has_a_token(store: Store) -> None:
    """A decision that changes nothing is answered like any other."""
    committed = await store.committer.commit(Change((), ()), Answer)

    assert committed.token
