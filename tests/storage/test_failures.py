"""When the database fails for a moment, callers notice at most a delay; never a wrong answer."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from pymongo import AsyncMongoClient

from server.domain.change import Insert, Once
from server.domain.clock import SystemClock
from server.domain.errors import StorageUnavailableError
from server.domain.ports import Query
from server.storage.collections import Layout
from server.storage.committer import CommitLimits, MongoCommitter
from server.storage.driver import Driver
from server.storage.failures import DatabaseRefusedError
from server.storage.place import Place
from server.storage.reader import MongoReader
from server.storage.waking import Waking
from tests.contract.samples import LEDGER, SUBJECTS, Answer, change, once, person
from tests.writes import Commands

Fail = Callable[..., Awaitable[None]]

NO_SUCH_TRANSACTION = 251
NOT_PRIMARY = 10107
WRITE_CONFLICT = 112
SHUTDOWN = 91

_numbers = itertools.count(1)


@pytest.fixture
def commands() -> Commands:
    """Return what listens to the driver."""
    return Commands()


@pytest.fixture
def appname() -> str:
    """Return a name by which the database can tell one test's client from others."""
    return f"failing{next(_numbers)}"


@pytest.fixture
async def driver(mongo_uri: str, commands: Commands, appname: str) -> AsyncIterator[Driver]:
    """Return a driver of that name."""
    driver = Driver(
        mongo_uri,
        appname=appname,
        event_listeners=[commands],
        # The database tells of an election by itself, but not of one that is feigned.
        heartbeatFrequencyMS=500,
    )
    yield driver
    await driver.close()


@pytest.fixture
async def fail(mongo_uri: str, appname: str) -> AsyncIterator[Fail]:
    """Return what makes the database fail commands of the driver."""
    async with AsyncMongoClient[dict[str, Any]](mongo_uri) as client:

        async def fail(*commands: str, times: int = 1, **data: Any) -> None:
            await client.admin.command(
                {
                    "configureFailPoint": "failCommand",
                    "mode": {"times": times},
                    "data": {"failCommands": list(commands), "appName": appname, **data},
                }
            )

        yield fail
        await client.admin.command({"configureFailPoint": "failCommand", "mode": "off"})


@pytest.fixture
async def parts(driver: Driver, prefix: str) -> tuple[MongoCommitter, MongoReader]:
    """Return committer and reader over *driver*."""
    layout = Layout(prefix)
    committer = MongoCommitter(driver, layout, SystemClock(), limits=CommitLimits(seconds=5))
    return committer, MongoReader(driver, layout, Waking(driver))


Parts = tuple[MongoCommitter, MongoReader]


async def is_committed(parts: Parts) -> Once:
    """Show that a change holds, and was answered as the first; return which call it was."""
    call = once("t", "r")
    committed = await parts[0].commit(change("t", Insert(SUBJECTS, person("t")), once=call), Answer)

    assert call.outcome == committed.outcome
    return call


async def is_not_repeated(parts: Parts, call: Once) -> None:
    """Show that a repeat of *call* changes nothing."""
    committer, reader = parts
    repeated = await committer.commit(change("t", once=call), Answer)

    assert repeated.repeated
    assert await reader.get(SUBJECTS, "t", "t/ada", type(person("t"))) == person("t")


@pytest.mark.parametrize(
    ("commands_failing", "data"),
    [
        (("insert",), {"errorCode": WRITE_CONFLICT, "errorLabels": ["TransientTransactionError"]}),
        (("insert",), {"closeConnection": True}),
        (("find",), {"errorCode": NOT_PRIMARY}),
        (("commitTransaction",), {"errorCode": NO_SUCH_TRANSACTION}),
        (("commitTransaction",), {"errorCode": SHUTDOWN}),
        (("commitTransaction",), {"closeConnection": True}),
    ],
)
async def test_what_passes_is_waited_out(
    parts: Parts, fail: Fail, commands_failing: tuple[str, ...], data: dict[str, Any]
) -> None:
    """A conflict, an election or a lost connection delays a change, at any command of it."""
    await fail(*commands_failing, times=3, **data)

    await is_not_repeated(parts, await is_committed(parts))


async def test_a_commit_whose_answer_was_lost_is_not_done_twice(
    parts: Parts, fail: Fail, commands: Commands
) -> None:
    """The commit is confirmed, not repeated: the database is asked what became of it."""
    lost = {"code": 91, "errmsg": "shutting down"}
    await fail("commitTransaction", times=1, writeConcernError=lost)

    call = await is_committed(parts)

    assert 1 == len({each["txnNumber"] for each in commands.named("insert")})
    await is_not_repeated(parts, call)


async def test_a_commit_that_nobody_can_confirm_is_said_so(
    parts: Parts, driver: Driver, prefix: str, fail: Fail
) -> None:
    """The caller is told to repeat; the repeat tells the truth, whichever it is."""
    committer = MongoCommitter(
        driver, Layout(prefix), SystemClock(), limits=CommitLimits(seconds=0.2)
    )
    lost = {"code": 91, "errmsg": "shutting down"}
    await fail("commitTransaction", times=1000, writeConcernError=lost)
    call = once("t", "r")
    with pytest.raises(StorageUnavailableError):
        await committer.commit(change("t", once=call), Answer)
    await fail("ping", times=1, errorCode=SHUTDOWN)

    repeated = await parts[0].commit(change("t", once=call), Answer)

    assert repeated.repeated
    assert call.outcome == repeated.outcome


async def test_a_conflict_that_never_passes_ends(
    parts: Parts, fail: Fail, driver: Driver, prefix: str
) -> None:
    """Attempts are bounded in time; afterwards nothing has changed."""
    committer = MongoCommitter(
        driver, Layout(prefix), SystemClock(), limits=CommitLimits(seconds=0.2)
    )
    labels = ["TransientTransactionError"]
    await fail("insert", times=100_000, errorCode=WRITE_CONFLICT, errorLabels=labels)

    with pytest.raises(StorageUnavailableError):
        await committer.commit(change("t", once=once("t", "r")), Answer)

    await fail("ping", times=1, errorCode=SHUTDOWN)
    assert 0 == await parts[1].count(Query(LEDGER, "t"))


async def test_no_text_of_the_driver_leaves(driver: Driver, prefix: str, fail: Fail) -> None:
    """Errors and their causes say a number at most: a driver's text may quote a document."""
    await fail("find", errorCode=13)

    with pytest.raises(DatabaseRefusedError) as refused:
        await driver.find(Place(prefix, "c"), {"_id": "ada@example.org"})

    assert 13 == refused.value.number
    assert str(StorageUnavailableError()) == str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__


async def test_an_unreachable_database_is_unavailable(tmp_path: Path) -> None:
    """Nobody waits for ever for a database that isn't there."""
    nowhere = quote(str(tmp_path / "mongod.sock"), safe="")
    driver = Driver(f"mongodb://{nowhere}/?directConnection=true", serverSelectionTimeoutMS=50)

    with pytest.raises(StorageUnavailableError):
        await driver.count(Place("a", "b"), {})
    await driver.close()
