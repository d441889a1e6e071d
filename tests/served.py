"""The server as it is run: a process of its own, on a data folder of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import grpc
from grpc_health.v1 import health, health_pb2

ROOT = Path(__file__).parents[1]
CATALOGUE = ROOT / "deploy/catalogue/chatbot-platform.json"

_SERVES = " serves on "
_START_SECONDS = 60.0
_END_SECONDS = 60.0
_HEALTHY_SECONDS = 20.0


class ServerEndedError(AssertionError):
    """The server ended before it served; with what it said last."""


class StillRunningError(AssertionError):
    """The server didn't end; with what it said last."""


class ServerProcess:
    """A server that is started, killed and started again on the same data.

        async with ServerProcess(folder) as server:
            channel = grpc.aio.insecure_channel(server.address)

    The block's end kills what still runs: whoever wants an orderly stop asks for it. Only
    processes that this one has started are ever killed.
    """

    def __init__(
        self,
        folder: Path,
        *,
        command: tuple[str, ...] = ("-m", "server"),
        **settings: str,
    ) -> None:
        """Describe a server with its data and log in *folder*, and *settings* by name.

        Shapes:
            command: arguments of Python.
            settings: `mongod_args="--quiet"` is PRIVACYRIGHTS_MONGOD_ARGS=--quiet.
        """
        self.log = folder / "server.log"
        self.output = folder / "server.out"
        self.data = folder / "data"
        self.address = ""
        self._command = command
        self._settings = {
            "data_dir": str(self.data),
            "listen": "127.0.0.1:0",
            "catalogue": str(CATALOGUE),
            "log_format": "json",
            **settings,
        }
        self._process: asyncio.subprocess.Process | None = None
        self._handles: list[int] = []

    async def __aenter__(self) -> Self:
        """Start."""
        try:
            return await self.start()
        except BaseException:
            await self._end()
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Kill what still runs."""
        await self._end()

    @property
    def pid(self) -> int:
        """Process id of the server."""
        assert self._process is not None, "not started"
        return self._process.pid

    @property
    def database_pid(self) -> int:
        """Process id of the embedded database: the server's one child that is a mongod."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        databases = [int(pid) for pid in children if "mongod" in _arguments(int(pid))[0]]
        assert 1 == len(databases), "the server runs one database"
        return databases[0]

    @property
    def database_uri(self) -> str:
        """Where the embedded database is reached."""
        arguments = _arguments(self.database_pid)
        socket = arguments[arguments.index("--bind_ip") + 1]
        return f"mongodb://{quote(socket, safe='')}/?directConnection=true"

    async def start(self) -> Self:
        """Start on what earlier starts left behind, and return once all is healthy.

        Raises:
            ServerEndedError: it didn't come to serve.
        """
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, *self._command),
                env=_environment(self._settings),
                cwd=ROOT,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        assert self._process.stdout is not None
        async with asyncio.timeout(_START_SECONDS):
            line = (await self._process.stdout.readline()).decode()
        if _SERVES not in line:
            raise ServerEndedError(self.log.read_text()[-1000:])
        self.address = line.partition(_SERVES)[2].strip()
        if "mongo_uri" not in self._settings:
            # Still known when the server, whose child it is, has ended.
            self._handles.append(os.pidfd_open(self.database_pid))
        await self._healthy()
        return self

    async def wait(self) -> int:
        """Return the exit code of the server once it has ended.

        Raises:
            StillRunningError: it doesn't end.
        """
        assert self._process is not None, "not started"
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(_END_SECONDS):
                said = await self._process.stdout.read()
                code = await self._process.wait()
        except TimeoutError:
            raise StillRunningError(self.log.read_text()[-1000:]) from None
        with self.output.open("ab") as output:
            output.write(said)
        return code

    async def kill(self) -> None:
        """Kill -9 the server."""
        os.kill(self.pid, signal.SIGKILL)
        await self.wait()

    async def kill_database(self) -> None:
        """Kill -9 the database, and return once the server, which can't go on, has ended."""
        os.kill(self.database_pid, signal.SIGKILL)
        await self.wait()

    async def kill_all(self) -> None:
        """Kill -9 both, as when the machine loses its power."""
        os.kill(self.database_pid, signal.SIGKILL)
        await self.kill()

    async def terminate(self) -> int:
        """Ask the server to stop in order, and return its exit code."""
        os.kill(self.pid, signal.SIGTERM)
        return await self.wait()

    async def _healthy(self) -> None:
        async with grpc.aio.insecure_channel(self.address) as channel:
            check: grpc.aio.UnaryUnaryMultiCallable[
                health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse
            ] = channel.unary_unary(
                f"/{health.SERVICE_NAME}/Check",
                health_pb2.HealthCheckRequest.SerializeToString,
                health_pb2.HealthCheckResponse.FromString,
            )
            answer = await check(
                health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=_HEALTHY_SECONDS
            )
        assert health_pb2.HealthCheckResponse.SERVING == answer.status

    async def _end(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        for handle in self._handles:
            # Lost already, unless the server was killed just now: then it is still ending.
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
            await _over(handle)
            os.close(handle)
        self._handles.clear()


async def _over(handle: int) -> None:
    """Return when the process of *handle*, which needs not be a child, has ended."""
    loop = asyncio.get_running_loop()
    gone = asyncio.Event()
    loop.add_reader(handle, gone.set)
    try:
        await asyncio.wait_for(gone.wait(), _END_SECONDS)
    finally:
        loop.remove_reader(handle)


def _arguments(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")


def _environment(settings: Mapping[str, str]) -> dict[str, str]:
    # What the person who runs the tests has set for servers of their own is not for this one.
    own = {name: value for name, value in os.environ.items() if "PRIVACYRIGHTS_" not in name}
    return own | {f"PRIVACYRIGHTS_{name.upper()}": value for name, value in settings.items()}
