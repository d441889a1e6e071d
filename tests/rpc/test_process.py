"""The server as a process: it starts or says why not, and stops without losing anything."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import stat
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from importlib.metadata import version
from pathlib import Path
from urllib.parse import quote

import grpc
import pytest

from privacyrights.v1 import tenant_service_pb2 as pb
from privacyrights.v1 import tenant_service_pb2_grpc
from server.storage.key_file import open_key_file
from server.storage.mongod_binary import find_mongod
from tests.rpc.refusal import refusal
from tests.served import ServerProcess

pytestmark = pytest.mark.xdist_group("processes")

END_SECONDS = 60
CREATION = pb.CreateTenantRequest(
    tenant_id="acme",
    request_id="first-call",
    tenant=pb.Tenant(display_name="Acme", time_zone="Europe/Paris"),
)


@asynccontextmanager
async def started(*arguments: str, **settings: str) -> AsyncGenerator[asyncio.subprocess.Process]:
    """Run `python -m server` with *arguments* and *settings*; kill what is left of it."""
    own = {name: value for name, value in os.environ.items() if "PRIVACYRIGHTS_" not in name}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "server", *arguments),
        env=own | {f"PRIVACYRIGHTS_{name.upper()}": value for name, value in settings.items()},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def outcome(*arguments: str, **settings: str) -> tuple[int | None, str, str]:
    """Return exit code, standard output and standard error of a run that ends by itself."""
    async with started(*arguments, **settings) as process:
        told, errors = await asyncio.wait_for(process.communicate(), END_SECONDS)
    return process.returncode, told.decode(), errors.decode()


def assert_refused(found: tuple[int | None, str, str], *phrases: str) -> None:
    """Hold that a start was refused in one line with its mend, and with *phrases* in it."""
    code, told, errors = found
    lines = [line for line in errors.splitlines() if not line.startswith("{")]
    assert (2, "") == (code, told), errors
    assert 1 == len(lines), errors
    assert lines[0].startswith("error: ")
    assert [] == [phrase for phrase in (*phrases, " – mend: ") if phrase not in lines[0]], lines


@contextmanager
def frozen(pid: int) -> Generator[None]:
    """Stop process *pid* in its tracks during the block."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def begun_creation(
    channel: grpc.aio.Channel,
) -> grpc.aio.UnaryUnaryCall[pb.CreateTenantRequest, pb.CreateTenantResponse]:
    """Return a call that has reached the server: a later one on the connection was answered."""
    create: grpc.aio.UnaryUnaryMultiCallable[pb.CreateTenantRequest, pb.CreateTenantResponse] = (
        channel.unary_unary(
            "/privacyrights.v1.TenantService/CreateTenant",
            pb.CreateTenantRequest.SerializeToString,
            pb.CreateTenantResponse.FromString,
        )
    )
    check: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
        "/grpc.health.v1.Health/Check"
    )
    call = create(CREATION)
    await check(b"")
    return call


async def told_to_stop(server: ServerProcess) -> None:
    """Send SIGTERM, and return when the server has begun to stop."""
    os.kill(server.pid, signal.SIGTERM)
    async with asyncio.timeout(END_SECONDS):
        # Nothing but its log tells: it takes no more calls.
        while "told to stop" not in server.log.read_text():  # noqa: ASYNC110 – another process
            await asyncio.sleep(0.01)


async def tenant_of(server: ServerProcess) -> str:
    """Return the tenant that `creating` makes, or the reason why it isn't there."""
    async with grpc.aio.insecure_channel(server.address) as channel:
        stub = tenant_service_pb2_grpc.TenantServiceStub(channel)
        try:
            found = await stub.GetTenant(pb.GetTenantRequest(name="tenants/acme"))
        except grpc.aio.AioRpcError as error:
            return refusal(error).reason
        return found.tenant.name


async def test_call_under_way_is_answered(tmp_path: Path) -> None:
    """A change that is being committed at SIGTERM is committed, answered, and kept."""

    async with ServerProcess(tmp_path) as server:
        database = server.database_pid
        async with grpc.aio.insecure_channel(server.address) as channel:
            with frozen(database):
                call = await begun_creation(channel)
                await told_to_stop(server)
            assert "tenants/acme" == (await call).tenant.name
        assert 0 == await server.wait()

        await server.start()
        assert "tenants/acme" == await tenant_of(server)


async def test_second_signal_ends_at_once(tmp_path: Path) -> None:
    """The second signal ends the process though a call is under way; a repeat tells its outcome."""

    async with ServerProcess(tmp_path) as server:
        async with grpc.aio.insecure_channel(server.address) as channel:
            with frozen(server.database_pid):
                call = await begun_creation(channel)
                await told_to_stop(server)
                os.kill(server.pid, signal.SIGINT)
                assert 1 == await server.wait()
            with pytest.raises(grpc.aio.AioRpcError):
                await call

        await server.start()
        async with grpc.aio.insecure_channel(server.address) as channel:
            assert "tenants/acme" == (await (await begun_creation(channel))).tenant.name


async def test_lost_database_ends_the_server(tmp_path: Path) -> None:
    """When the embedded database is killed, the server says so and fails, to be started anew."""

    async with ServerProcess(tmp_path) as server:
        async with grpc.aio.insecure_channel(server.address) as channel:
            await (await begun_creation(channel))
        os.kill(server.database_pid, signal.SIGKILL)
        assert 1 == await server.wait()
        assert "embedded database ended by itself" in server.log.read_text()

        await server.start()
        assert "tenants/acme" == await tenant_of(server)


async def test_signal_during_the_start(tmp_path: Path) -> None:
    """A server that is still starting when it is told to stop ends in order, and says nothing."""

    address = tmp_path / "silent.sock"
    with socket.socket(socket.AF_UNIX) as silent:
        # A database that takes connections, and never says a word.
        silent.bind(str(address))
        silent.listen()
        silent.setblocking(False)  # noqa: FBT003 – its one argument
        async with started(mongo_uri=f"mongodb://{quote(str(address), safe='')}") as process:
            accepting = asyncio.get_running_loop().sock_accept(silent)
            connection, _ = await asyncio.wait_for(accepting, END_SECONDS)
            with connection:
                process.terminate()
                told, errors = await asyncio.wait_for(process.communicate(), END_SECONDS)

    assert (0, b"") == (process.returncode, told)
    assert ["told to stop"] == [json.loads(line)["event"] for line in errors.splitlines()]


async def test_occupied_port(mongo_uri: str, tmp_path: Path) -> None:
    """A port that is taken is told with its number and the mend; nothing shares it."""

    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        found = await outcome(listen=address, mongo_uri=mongo_uri, data_dir=str(tmp_path))

    assert_refused(found, f"can't listen on {address}: address already in use", "port 0")


async def test_data_folder_in_use(tmp_path: Path) -> None:
    """A data folder that another server works on is told with who has it."""

    async with ServerProcess(tmp_path) as server:
        found = await outcome(listen="127.0.0.1:0", data_dir=str(server.data))

    assert_refused(found, f"in use by another server (process {server.pid})")


async def test_standalone(tmp_path: Path) -> None:
    """A MongoDB without transactions is refused with the reason."""

    mongod, address = await find_mongod(None, tmp_path), tmp_path / "mongod.sock"
    process = await asyncio.create_subprocess_exec(
        *(mongod.path, "--dbpath", tmp_path, "--bind_ip", address, "--logpath", tmp_path / "log"),
        env={**os.environ, **mongod.environment},
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        found = await outcome(mongo_uri=f"mongodb://{quote(str(address), safe='')}")
    finally:
        process.kill()
        await process.wait()

    assert_refused(found, "standalone", "no transactions", "--replSet")


async def test_uri_that_is_none() -> None:
    """A connection string that can't be read is told without repeating it."""

    found = await outcome(mongo_uri="mongodb://canary:pass/word@host:port/")

    assert_refused(found, "PRIVACYRIGHTS_MONGO_URI", "percent-encoded")
    assert "canary" not in found[2]
    assert "pass" not in found[2].replace("password", "")


async def test_uri_that_names_a_missing_file() -> None:
    """A certificate file that isn't there is told on one line, with the mend."""

    found = await outcome(mongo_uri="mongodb://localhost:1/?tls=true&tlsCAFile=/nowhere/ca.pem")

    assert_refused(found, "PRIVACYRIGHTS_MONGO_URI", "tlsCAFile")


@pytest.mark.parametrize("text", ["[" * 100_000, "{", '{"contents": {}}', '{"content": {}}'])
async def test_catalogue_that_is_none(mongo_uri: str, tmp_path: Path, text: str) -> None:
    """A catalogue file that can't be put into effect is told on one line, with the mend."""
    file = tmp_path / "catalogue.json"
    file.write_text(text, encoding="utf-8")

    found = await outcome(
        mongo_uri=mongo_uri, database="no_catalogue", data_dir=str(tmp_path), catalogue=str(file)
    )

    assert_refused(found, "catalogue.json", "PRIVACYRIGHTS_CATALOGUE")


async def test_commands_to_try(mongo_uri: str, tmp_path: Path) -> None:
    """What a newcomer is told to try works as it is printed."""

    settings = {"listen": "127.0.0.1:0", "mongo_uri": mongo_uri, "database": "to_try"}
    async with started(**settings, data_dir=str(tmp_path)) as process:
        assert process.stdout is not None
        told = (await process.stdout.readuntil(b"Stop with")).decode()
        script = told.partition("Try, in another terminal:\n")[2].partition("Stop with")[0]
        trying = await asyncio.create_subprocess_shell(
            f"set -e\n{script}", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        answers, errors = await asyncio.wait_for(trying.communicate(), END_SECONDS)

    assert (0, b"") == (trying.returncode, errors)
    assert b"privacyrights.v1.ConsentService" in answers
    assert b"SERVING" in answers
    assert b"tenants/acme" in answers


async def test_show_config() -> None:
    """--show-config prints what would be served with, secrets masked, and starts nothing."""

    code, told, errors = await outcome(
        "--show-config", mongo_uri="mongodb://user:canary@db/?replicaSet=rs0"
    )

    assert (0, "") == (code, errors)
    assert "canary" not in told
    assert "PRIVACYRIGHTS_MONGO_URI" in told
    assert "mongodb://***@db/" in told


async def test_rotating_the_signing_key(tmp_path: Path) -> None:
    """--rotate-signing-key adds a key and starts nothing; what it can't do is one clear line."""

    path = tmp_path / "master.key"
    assert_refused(
        await outcome("--rotate-signing-key", data_dir=str(tmp_path)),
        "there is no key file",
        "start the server once",
    )
    before = open_key_file(path)

    code, told, errors = await outcome("--rotate-signing-key", data_dir=str(tmp_path))

    *earlier, newest = open_key_file(path).signing_keys
    assert (0, "") == (code, errors)
    assert f"added signing key {newest.id}" in told
    assert list(before.signing_keys) == earlier


async def test_version() -> None:
    """--version prints the name and version of the distribution."""

    expected = f"privacyrights-server {version('privacyrights-server')}\n"
    assert (0, expected, "") == await outcome("--version")


async def test_unknown_setting() -> None:
    """A setting that doesn't exist is told before anything starts."""

    assert_refused(await outcome(listn="127.0.0.1:0"), "PRIVACYRIGHTS_LISTN", "did you mean")


async def test_unix_socket(mongo_uri: str, tmp_path: Path) -> None:
    """A server on a socket file replaces one that a killed server left, and no other."""

    path = tmp_path / "server.sock"
    listen = f"unix:{path}"
    own = ServerProcess(tmp_path, listen=listen, mongo_uri=mongo_uri, database="unix_socket")
    async with own as server:
        assert 0o600 == stat.S_IMODE(path.stat().st_mode)
        second = await outcome(
            listen=listen, mongo_uri=mongo_uri, database="unix_socket", data_dir=str(tmp_path)
        )
        await server.kill()
        assert path.exists()

        await server.start()
        assert 0 == await server.terminate()
    assert_refused(second, f"can't listen on {listen}: address already in use")


async def test_socket_over_a_file(mongo_uri: str, tmp_path: Path) -> None:
    """A file that is no socket is left alone."""

    path = tmp_path / "precious"
    path.write_text("kept")
    found = await outcome(
        listen=f"unix:{path}", mongo_uri=mongo_uri, data_dir=str(tmp_path), database="unix_socket"
    )

    assert_refused(found, "is no socket")
    assert "kept" == path.read_text()
