"""The embedded MongoDB keeps its data, its folder and its life in step with the server's."""

import asyncio
import os
import signal
import stat
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from pymongo import AsyncMongoClient, WriteConcern

from server.storage import tether
from server.storage.data_folder import (
    DataFolderInUseError,
    DataFolderUnwritableError,
    DiskFullError,
)
from server.storage.embedded import EmbeddedMongo
from server.storage.mongod_failures import MongodExitedError

_TETHER = Path(tether.__file__)
_SERVER = """
import asyncio, sys
from pathlib import Path
from server.storage import embedded

embedded._TETHER = Path(sys.argv[2])

async def serve(folder):
    mongo = embedded.EmbeddedMongo(folder)
    await mongo.start()
    print(mongo.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(serve(Path(sys.argv[1])))
"""
_START_ON_SMALL_DISK = """
import asyncio, sys
from pathlib import Path
from server.startup import StartupError
from server.storage.embedded import EmbeddedMongo

async def start(folder):
    mongo = EmbeddedMongo(folder)
    try:
        await mongo.start()
    except StartupError as error:
        print(type(error).__name__)
    else:
        await mongo.stop()

asyncio.run(start(Path(sys.argv[1])))
"""


@asynccontextmanager
async def connected(uri: str) -> AsyncGenerator[AsyncMongoClient[dict[str, Any]]]:
    """Connect to *uri* for the length of a block."""
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(uri, serverSelectionTimeoutMS=5000)
    async with client:
        yield client


@asynccontextmanager
async def running(folder: Path) -> AsyncGenerator[EmbeddedMongo]:
    """Run a database on *folder*, and end it in the quick way: orderly takes a second."""
    mongo = EmbeddedMongo(folder)
    await mongo.start()
    try:
        yield mongo
    finally:
        if mongo.pid is not None:
            os.kill(mongo.pid, signal.SIGKILL)
        await mongo.stop()


async def write(uri: str, what: str) -> None:
    """Write *what*, acknowledged by the majority's journal."""
    async with connected(uri) as client:
        durable = client.kept.get_collection(
            "things", write_concern=WriteConcern("majority", j=True)
        )
        await durable.insert_one({"_id": what})


async def read(uri: str) -> list[object]:
    """Return everything that was written."""
    async with connected(uri) as client:
        return [thing["_id"] async for thing in client.kept.things.find().sort("_id")]


async def database_of_killed_server(folder: Path, tie: Path = _TETHER) -> int:
    """Return the process id of the database of a server that was killed with kill -9."""
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _SERVER, folder, tie), stdout=asyncio.subprocess.PIPE
    )
    assert server.stdout is not None
    database = int(await server.stdout.readline())
    server.kill()
    await server.wait()
    return database


async def ended(pid: int, *, seconds: float = 20) -> None:
    """Return once process *pid*, which needs not be a child, has ended."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    gone = asyncio.Event()
    asyncio.get_running_loop().add_reader(handle, gone.set)
    try:
        await asyncio.wait_for(gone.wait(), seconds)
    finally:
        asyncio.get_running_loop().remove_reader(handle)
        os.close(handle)


def sockets_of(pid: int) -> set[str]:
    """Return the inodes of the sockets that process *pid* holds."""
    held: set[str] = set()
    for file in Path(f"/proc/{pid}/fd").iterdir():
        # It opens and closes files while it is looked at.
        with suppress(FileNotFoundError):
            held.add(str(file.readlink()))
    return {target.strip("socket:[]") for target in held if target.startswith("socket:")}


def tcp_sockets() -> set[str]:
    """Return the inodes of all TCP sockets of the machine, listening or connected."""
    tables = (Path(f"/proc/net/{name}") for name in ("tcp", "tcp6"))
    lines = (line for table in tables if table.exists() for line in table.read_text().splitlines())
    return {line.split()[9] for line in lines if ":" in line}


async def test_keeps_data_across_restarts(tmp_path: Path) -> None:
    """What was written before a stop is there after the next start."""
    async with EmbeddedMongo(tmp_path) as uri:
        await write(uri, "kept")
    async with EmbeddedMongo(tmp_path) as uri:
        found = await read(uri)

    assert ["kept"] == found


async def test_keeps_data_in_a_moved_folder(tmp_path: Path) -> None:
    """A folder that was moved still becomes a primary, though its set names another place."""
    async with EmbeddedMongo(tmp_path / "before") as uri:
        await write(uri, "kept")
    (tmp_path / "before").rename(tmp_path / "after")
    async with EmbeddedMongo(tmp_path / "after") as uri:
        found = await read(uri)

    assert ["kept"] == found


async def test_commits_transactions_and_streams_changes(tmp_path: Path) -> None:
    """It has what the commit path needs: majority transactions and change streams."""
    async with (
        running(tmp_path) as mongo,
        connected(mongo.uri) as client,
        await client.kept.things.watch() as changes,
        client.start_session() as session,
    ):
        async with await session.start_transaction(write_concern=WriteConcern("majority", j=True)):
            await client.kept.things.insert_one({"_id": "one"}, session=session)
            await client.kept.things.insert_one({"_id": "two"}, session=session)
        seen = [(await changes.next())["documentKey"]["_id"] for _ in range(2)]

    assert ["one", "two"] == seen


async def test_works_where_a_socket_has_no_room(tmp_path: Path) -> None:
    """A folder whose path is too long for a socket, or reads as several hosts, is served too."""
    folder = tmp_path / ("long, with spaces: " * 6)
    async with running(folder) as mongo:
        await write(mongo.uri, "kept")

        assert ["kept"] == await read(mongo.uri)
    assert (folder / "mongo" / "WiredTiger").exists()


async def test_only_its_user_reaches_it(tmp_path: Path) -> None:
    """The folder is private, and no port is open: others on the machine can't connect."""
    mongo = EmbeddedMongo(tmp_path)
    await mongo.start()
    try:
        assert mongo.pid is not None
        assert 0o700 == stat.S_IMODE((tmp_path / "mongo").stat().st_mode)
        assert set() == sockets_of(mongo.pid) & tcp_sockets()
    finally:
        await mongo.stop()


async def test_second_server_is_refused(tmp_path: Path) -> None:
    """Two servers on one folder: the second is told, and the first is not disturbed."""
    async with running(tmp_path) as mongo:
        with pytest.raises(DataFolderInUseError, match=rf"in use by .*{os.getpid()}.* – mend: "):
            await EmbeddedMongo(tmp_path).start()
        await write(mongo.uri, "undisturbed")

        assert ["undisturbed"] == await read(mongo.uri)


async def test_does_not_outlive_a_killed_server(tmp_path: Path) -> None:
    """After kill -9 of the server its database ends by itself."""
    await ended(await database_of_killed_server(tmp_path))


async def test_ends_an_orphan(tmp_path: Path) -> None:
    """A database that outlived its server, as untied it does, is ended before the next starts."""
    loose = tmp_path / "loose.py"
    loose.write_text("import os, sys; os.execv(sys.argv[2], sys.argv[2:])")
    database = await database_of_killed_server(tmp_path, loose)

    # More than an orderly end takes: this one will not end.
    with pytest.raises(TimeoutError):
        await ended(database, seconds=2)
    async with running(tmp_path) as mongo:
        await ended(database, seconds=1)
        await write(mongo.uri, "served")


async def test_ctrl_c_does_not_reach_it(tmp_path: Path) -> None:
    """It has a session of its own: a terminal's signals go to the server, which drains first."""
    async with running(tmp_path) as mongo:
        assert mongo.pid is not None
        assert os.getsid(mongo.pid) != os.getsid(0)
        assert os.getpgid(mongo.pid) != os.getpgid(0)


async def test_says_when_it_was_killed_and_starts_again(tmp_path: Path) -> None:
    """A kill -9 of the database is told, and loses nothing that was acknowledged."""
    async with running(tmp_path) as mongo:
        await write(mongo.uri, "acknowledged")
        assert mongo.pid is not None
        os.kill(mongo.pid, signal.SIGKILL)

        assert -signal.SIGKILL == await mongo.wait_exit()
        await mongo.stop()
        assert ["acknowledged"] == await read(await mongo.start())


async def test_quotes_why_it_ended(tmp_path: Path) -> None:
    """An exit at start is told with the database's own reason, and the folder is free again."""
    with pytest.raises(
        MongodExitedError, match=r"unrecognised option .*noSuchOption.* – mend: see "
    ):
        await EmbeddedMongo(tmp_path, extra_args=["--noSuchOption"]).start()
    async with running(tmp_path) as mongo:
        await write(mongo.uri, "served")


async def test_unwritable_folder_is_told(tmp_path: Path) -> None:
    """A folder that can't be made is named, with the reason and the setting to change."""
    (tmp_path / "file").touch()

    with pytest.raises(DataFolderUnwritableError, match=r"file/mongo .* PRIVACYRIGHTS_DATA_DIR"):
        await EmbeddedMongo(tmp_path / "file").start()


@pytest.mark.parametrize("kilobytes", [4, 256])
async def test_full_disk_is_told(tmp_path: Path, kilobytes: int) -> None:
    """No room – for the lock, or for the first collections – is told as that."""
    mount = f'mount -t tmpfs -o size={kilobytes}k tmpfs "$1"'
    unshared = ("unshare", "--map-root-user", "--mount", "sh", "-c")
    probe = await asyncio.create_subprocess_exec(
        *unshared, mount, "sh", tmp_path, stderr=asyncio.subprocess.DEVNULL
    )
    if await probe.wait() != 0:
        pytest.skip("this machine lets nobody mount a small disk of their own")
    start = await asyncio.create_subprocess_exec(
        *(*unshared, f'{mount} && exec "$2" -c "$3" "$1"', "sh"),
        *(tmp_path, sys.executable, _START_ON_SMALL_DISK),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await start.communicate()

    assert DiskFullError.__name__ == output.decode().strip()
