"""A MongoDB that can't keep the storage's promises is refused before anything is written."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest
from pymongo import AsyncMongoClient

from server.startup import StartupError
from server.storage.deployment import (
    MongoRefusedError,
    MongoTooOldError,
    MongoUnreachableError,
    StandaloneError,
    require_replica_set,
)
from server.storage.mongod_binary import find_mongod

_SECRETS = ("canary-user", "canary-password", "canary-option")


@pytest.fixture
async def standalone(tmp_path: Path) -> AsyncIterator[str]:
    """Give the URI of a MongoDB without replica set."""
    mongod, address = await find_mongod(None, tmp_path), tmp_path / "mongod.sock"
    process = await asyncio.create_subprocess_exec(
        *(mongod.path, "--dbpath", tmp_path, "--bind_ip", address),
        *("--logpath", tmp_path / "log"),
        env={**os.environ, **mongod.environment},
        stdout=asyncio.subprocess.DEVNULL,
    )
    yield f"mongodb://{quote(str(address), safe='')}"
    process.kill()
    await process.wait()


async def check(uri: str, *, wait_ms: int = 10_000) -> None:
    """Check the MongoDB at *uri* as the server does."""
    client: AsyncMongoClient[dict[str, object]] = AsyncMongoClient(
        uri, serverSelectionTimeoutMS=wait_ms
    )
    async with client:
        await require_replica_set(client)


async def test_replica_set_is_accepted(mongo_uri: str) -> None:
    """A replica set of a release that is served passes."""
    await check(mongo_uri)


async def test_standalone_is_refused(standalone: str) -> None:
    """A standalone is refused with the reason and the mend."""
    with pytest.raises(StandaloneError, match=r"no transactions.* – mend: .*--replSet"):
        await check(standalone)


async def test_unreachable_is_told_without_secrets(tmp_path: Path) -> None:
    """Nobody there: the hosts are named, and nothing of the URI's secrets."""
    user, password, option = _SECRETS
    host = quote(str(tmp_path / "nobody.sock"), safe="")

    with pytest.raises(MongoUnreachableError, match=r"nobody\.sock") as raised:
        await check(f"mongodb://{user}:{password}@{host}/?appName={option}", wait_ms=200)
    assert_no_secrets(raised.value)


async def test_refused_credentials_are_told_without_secrets(mongo_uri: str) -> None:
    """A wrong password is told as one, and neither user nor password repeated."""
    user, password, option = _SECRETS
    uri = mongo_uri.replace("mongodb://", f"mongodb://{user}:{password}@")

    with pytest.raises(MongoRefusedError, match="user or password") as raised:
        await check(f"{uri}&appName={option}")
    assert_no_secrets(raised.value)


async def test_old_release_is_refused(mongo_uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A release before the oldest served is refused; here the oldest served is set too high."""
    monkeypatch.setattr("server.storage.deployment._WIRE_6_0", 1000)

    with pytest.raises(MongoTooOldError, match=r"MongoDB \d+\.\d+\.\d+ – mend: "):
        await check(mongo_uri)


def assert_no_secrets(error: StartupError) -> None:
    """Fail if *error*, or what it came from and shows, holds one of the URI's secrets."""
    shown = f"{error.rendered()} {error!r} {error.__cause__!r}"

    assert error.__suppress_context__
    assert [] == [secret for secret in _SECRETS if secret in shown]
