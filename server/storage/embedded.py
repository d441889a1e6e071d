"""Runs a real MongoDB for a server that was given none: a replica set of one, on a private socket.

It listens on a Unix socket in its data folder, not on a port: no port can be taken, and no
other user of the machine can reach it, which on loopback anyone could. Clients must use the
URI as it is: `directConnection` keeps the driver from looking for other members.
"""

import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, TypeAlias
from urllib.parse import quote

from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure, PyMongoError

from server.storage.data_folder import REPLICA_SET, DataFolder
from server.storage.mongod_binary import Mongod, find_mongod
from server.storage.mongod_failures import MongodRefusedError, MongodSlowError, failure_of

_Client: TypeAlias = AsyncMongoClient[dict[str, Any]]

_TETHER = Path(__file__).with_name("tether.py")
# Recovery after a crash replays the journal, and may be long on a large folder.
_START_SECONDS = 180.0
_STOP_SECONDS = 60.0
_EXIT_SECONDS = 2.0
_NOT_YET_INITIALIZED = 94
_BEING_INITIALIZED = {23, _NOT_YET_INITIALIZED}


class EmbeddedMongo:
    """A `mongod` whose life is this process's: started, waited for, shut down in order.

    It has a session of its own, so that a terminal's Ctrl-C reaches the server alone, which
    drains before it stops its database; and it ends by itself when the server is killed
    (see `tether`). To be used from the thread that runs the event loop, and that thread must
    outlive it: for Linux the parent is the thread.

        async with EmbeddedMongo(Path(".privacyrights")) as uri:
            client = AsyncMongoClient(uri)
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        mongod: str | None = None,
        cache_gb: float = 0.25,
        extra_args: Sequence[str] = (),
        stop_seconds: Callable[[], float] = lambda: _STOP_SECONDS,
    ) -> None:
        """Describe a database under `data_dir/mongo`; nothing happens before `start`.

        Shapes:
            mongod: path or name of the program; None looks on PATH, then in the wheel.
            cache_gb: memory for WiredTiger's cache, in GB; MongoDB's least is 0.25.
            extra_args: added to the program's command line, last.
            stop_seconds: tells, when it is stopped, how long that may take.
        """
        self._folder = DataFolder(data_dir / "mongo")
        self._named = mongod
        self._cache_gb = cache_gb
        self._extra_args = tuple(extra_args)
        self._stop_seconds = stop_seconds
        self._process: asyncio.subprocess.Process | None = None

    @property
    def uri(self) -> str:
        """Where clients connect, once started."""
        return f"mongodb://{quote(str(self._folder.socket), safe='')}/?directConnection=true"

    @property
    def pid(self) -> int | None:
        """Process id of the running database, or None."""
        return self._process.pid if self._process else None

    @property
    def log(self) -> Path:
        """The database's own log; the one of the run before has `.1` appended."""
        return self._folder.log

    async def __aenter__(self) -> str:
        """Start, and return the URI."""
        return await self.start()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        await self.stop()

    async def start(self) -> str:
        """Start the database on its folder and return its URI once it takes writes.

        Data of earlier runs is kept, also when the folder was moved in between.

        Raises:
            StartupError: a subclass that says what is missing, in use, unwritable, full or
                broken, and its mend. Nothing is left running, and the folder is free.
        """
        await self._folder.claim()
        try:
            mongod = await find_mongod(self._named, self._folder.private)
            self._process = await self._launch(mongod)
            try:
                async with asyncio.timeout(_START_SECONDS):
                    await self._ready(self._process, mongod)
            except TimeoutError as error:
                raise MongodSlowError(self.log, _START_SECONDS) from error
        except BaseException:
            await self.stop()
            raise
        return self.uri

    async def stop(self) -> None:
        """Shut the database down in order, wait until it is gone, and free the folder.

        Safe to repeat. All of the server's writes must have been answered before.
        """
        if (process := self._process) is not None:
            with suppress(ProcessLookupError):
                process.terminate()
            try:
                await asyncio.wait_for(process.wait(), self._stop_seconds())
            except TimeoutError:
                # Nothing acknowledged is lost: it is in the journal.
                process.kill()
                await process.wait()
            self._process = None
        self._folder.release()

    async def wait_exit(self) -> int:
        """Return the exit code once the database has ended, whoever ended it.

        Raises:
            RuntimeError: it is not running.
        """
        if self._process is None:
            raise RuntimeError("not started")
        return await self._process.wait()

    async def _launch(self, mongod: Mongod) -> asyncio.subprocess.Process:
        with self._folder.fresh_log() as errors:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", str(_TETHER), str(os.getpid())),
                *(str(mongod.path), *self._arguments()),
                env={**os.environ, **mongod.environment},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,
            )

    def _arguments(self) -> list[str]:
        folder = self._folder
        return [
            *("--dbpath", str(folder.path), "--logpath", str(folder.log), "--quiet"),
            *("--replSet", REPLICA_SET, "--bind_ip", str(folder.socket)),
            *("--wiredTigerCacheSizeGB", str(self._cache_gb), "--oplogSize", "512"),
            # 100 MB of journal files instead of 300.
            *("--wiredTigerEngineConfigString", "log=(prealloc=false)"),
            *("--setParameter", "diagnosticDataCollectionEnabled=false"),
            # Slow operations would be logged with the ids they ask for.
            *("--slowOpSampleRate", "0"),
            "--noscripting",
            *self._extra_args,
        ]

    async def _ready(self, process: asyncio.subprocess.Process, mongod: Mongod) -> None:
        exited = asyncio.create_task(process.wait())
        electing = asyncio.create_task(self._elect())
        try:
            await asyncio.wait({exited, electing}, return_when=asyncio.FIRST_COMPLETED)
            if exited.done():
                raise failure_of(exited.result(), self._folder, mongod)
            await electing
        except PyMongoError as error:
            # If it ended while being asked, the exit says more than the broken connection.
            await asyncio.wait({exited}, timeout=_EXIT_SECONDS)
            if exited.done():
                raise failure_of(exited.result(), self._folder, mongod) from error
            raise MongodRefusedError(
                self.log, type(error).__name__, getattr(error, "code", None)
            ) from error
        finally:
            electing.cancel()
            exited.cancel()
            await asyncio.gather(electing, exited, return_exceptions=True)

    async def _elect(self) -> None:
        await self._listening()
        client: _Client = AsyncMongoClient(self.uri, serverSelectionTimeoutMS=5000)
        async with client:
            await _configure(client, str(self._folder.socket))
            await _primary(client)

    async def _listening(self) -> None:
        # The driver tries again every 500 ms; this costs some 0.1 ms a try.
        pause = 0.002
        while True:
            try:
                _, writer = await asyncio.open_unix_connection(str(self._folder.socket))
            except OSError:
                await asyncio.sleep(pause)
                pause = min(pause * 1.5, 0.05)
            else:
                writer.close()
                return


async def _configure(client: _Client, host: str) -> None:
    """Make the set's one member *host*, whether the set is new, moved, or right already."""
    while (config := await _config(client)) is None:
        # Either new, or its configuration is still being loaded: then a later try finds it.
        await _initiate(client, host)
    if config["members"][0]["host"] != host:
        # Only by force: a member that doesn't find itself in the set can't be primary.
        members = [{**config["members"][0], "host": host}]
        moved = {**config, "version": config["version"] + 1, "members": members}
        await client.admin.command("replSetReconfig", moved, force=True)


async def _config(client: _Client) -> dict[str, Any] | None:
    try:
        reply = await client.admin.command("replSetGetConfig")
    except OperationFailure as error:
        if error.code != _NOT_YET_INITIALIZED:
            raise
        return None
    config: dict[str, Any] = reply["config"]
    return config


async def _initiate(client: _Client, host: str) -> None:
    config = {"_id": REPLICA_SET, "members": [{"_id": 0, "host": host}]}
    try:
        await client.admin.command("replSetInitiate", config)
    except OperationFailure as error:
        if error.code not in _BEING_INITIALIZED:
            raise
        await asyncio.sleep(0.005)


async def _primary(client: _Client) -> None:
    """Return once the member takes writes; each question waits on the server for a change."""
    hello = await client.admin.command("hello")
    while not hello.get("isWritablePrimary"):
        hello = await client.admin.command(
            "hello", topologyVersion=hello["topologyVersion"], maxAwaitTimeMS=1000
        )
