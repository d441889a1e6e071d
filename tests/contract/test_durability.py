"""What is acknowledged is on disk on a majority of members: the database is asked for no less."""

from __future__ import annotations

import asyncio

import pytest
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from server.storage.committer import CommitLimits
from server.storage.driver import Driver
from tests.contract.samples import Answer, adding, once
from tests.contract.store import Store, new_driver


class OneMember(Driver):
    """Broken: takes the word of one member, which may not have written it to disk."""

    write_concern = WriteConcern(1)


class Local(Driver):
    """Broken: decides on what may be rolled back."""

    read_concern = ReadConcern("local")


async def is_durable(store: Store) -> None:
    """Show what the database was asked for."""
    await store.committer.commit(adding(store.tenant, "n"), Answer)

    committed = store.commands.named("commitTransaction")
    (first,) = [command for _, command in store.commands.sent if command.get("startTransaction")]
    assert [{"w": "majority", "j": True}] == [command["writeConcern"] for command in committed]
    assert {"level": "snapshot"} == first["readConcern"]


async def test_transactions_are_majority_journaled_snapshots(store: Store) -> None:
    """Concerns are set on the transaction, where alone they count."""
    await is_durable(store)


@pytest.mark.parametrize("store", ["pymongo"], indirect=True)
@pytest.mark.parametrize("broken", [OneMember, Local])
async def test_that_less_would_be_noticed(
    store: Store, mongo_uri: str, broken: type[Driver]
) -> None:
    """Weaker concerns break the promise above."""
    await store.driver.close()
    store.driver = broken(mongo_uri, event_listeners=[store.commands])
    store.use()

    with pytest.raises(AssertionError):
        await is_durable(store)


@pytest.mark.parametrize("store", ["pymongo", "motor"], indirect=True)
async def test_no_uri_weakens_what_is_asked(store: Store, mongo_uri: str) -> None:
    """A deployment's URI may tune connections, and nothing that makes an answer true."""
    await store.driver.close()
    weaker = f"{mongo_uri}&w=1&journal=false&readConcernLevel=local&maxPoolSize=3"
    store.driver = new_driver(store.name, weaker, store.commands)
    store.use()

    await is_durable(store)

    await store.driver.count(store.layout.idempotency, {})
    assert {"level": "majority"} == store.commands.sent[-1][1]["readConcern"]


async def shares_transactions(store: Store) -> None:
    """Show that many concurrent changes are few transactions."""
    changes = [adding(store.tenant, f"n{number}") for number in range(64)]
    await asyncio.gather(*(store.committer.commit(change, Answer) for change in changes))

    assert 4 >= len(store.commands.named("commitTransaction"))


async def test_concurrent_changes_share_transactions(store: Store) -> None:
    """Changes that arrive together are made durable together."""
    await shares_transactions(store)


@pytest.mark.parametrize("store", ["pymongo"], indirect=True)
async def test_that_a_transaction_for_each_would_be_noticed(store: Store) -> None:
    """A committer that gathers nothing breaks the promise above."""
    store.use(limits=CommitLimits(batch_max=1))

    with pytest.raises(AssertionError):
        await shares_transactions(store)


@pytest.mark.parametrize("store", ["pymongo", "motor"], indirect=True)
async def test_all_writes_are_in_transactions(store: Store) -> None:
    """Documents, ledger entries and idempotency records are written in one transaction."""
    call = adding(store.tenant, "n")
    await store.committer.commit(
        type(call)(call.writes, call.entries, once(store.tenant, "r")), Answer
    )

    writes = store.commands.named("insert")
    assert {"idempotency", "ledger", "records_processor"} == {each["insert"] for each in writes}
    assert 1 == len({(each["lsid"]["id"], each["txnNumber"]) for each in writes})
    assert all(each["autocommit"] is False for each in writes)
