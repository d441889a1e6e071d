"""CheckProcessing beside a bare echo server of the same stack: `python -m tests.bench.checks`.

With all callers at once, calls a second; with one, how long a call takes beside an echo and
one and a half times a read of the document that it has to look at.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import grpc
import uvloop

from privacyrights.v1 import (
    consent_service_pb2_grpc,
    tenant_service_pb2,
    tenant_service_pb2_grpc,
)
from tests.bench import report
from tests.bench.asking import PEOPLE
from tests.bench.load import CALLERS
from tests.bench.record_consent import TENANT, request
from tests.bench.report import Ratio
from tests.bench.runs import Load, Run, load
from tests.served import ROOT, ServerProcess

CHECK, ECHO = "CheckProcessing", "echo"
CHECK_ALONE, ECHO_ALONE, READ_ALONE = "CheckProcessing alone", "echo alone", "find_one alone"

ROUNDS, SECONDS = 6, 3.0
QUICK_ROUNDS, QUICK_SECONDS = 1, 0.5
WARM_SECONDS = 2.0
AT_ONCE = 64
READS = 1.5
"""How many reads a check may take beyond an echo."""


async def ratios(*, is_quick: bool) -> list[Ratio]:
    """Return how fast checks are, and how long one takes, beside what can't be done without."""
    rounds, seconds = (QUICK_ROUNDS, QUICK_SECONDS) if is_quick else (ROUNDS, SECONDS)
    runs = await measured(rounds, seconds)
    print(report.table(runs), end="\n\n")
    median = {name: [run.measured.median_ms for run in each] for name, each in runs.items()}
    alone = zip(median[CHECK_ALONE], median[ECHO_ALONE], median[READ_ALONE], strict=True)
    latency = statistics.median(check / (echo + READS * read) for check, echo, read in alone)
    return [
        report.ratio("check_processing_vs_echo", 0.6, runs[CHECK], runs[ECHO]),
        Ratio("check_latency", latency, 1.0, better="lower"),
    ]


async def measured(rounds: int, seconds: float) -> dict[str, list[Run]]:
    """Return the runs of each contestant, taken in turns, every second time backwards."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = await stack.enter_async_context(ServerProcess(folder))
        echo, echo_pid = await stack.enter_async_context(echo_server())
        await _prepare(server.address)
        ours: Mapping[str, int] = {"server": server.pid, "mongod": server.database_pid}
        bare: Mapping[str, int] = {"server": echo_pid}
        read: Mapping[str, int] = {"mongod": server.database_pid}
        contestants = {
            CHECK: ("check", server.address, CALLERS, ours),
            ECHO: ("echo", echo, CALLERS, bare),
            CHECK_ALONE: ("check", server.address, 1, ours),
            ECHO_ALONE: ("echo", echo, 1, bare),
            READ_ALONE: ("find_one", server.database_uri, 1, read),
        }
        loads: dict[str, Load] = {}
        for name, (kind, where, callers, others) in contestants.items():
            loads[name] = await stack.enter_async_context(
                load("tests.bench.asking", kind, where, str(callers), **others)
            )
        for each in loads.values():
            await each.run(min(seconds, WARM_SECONDS))
        runs: dict[str, list[Run]] = {name: [] for name in loads}
        for number in range(rounds):
            for name in list(loads) if number % 2 == 0 else reversed(list(loads)):
                runs[name].append(await loads[name].run(seconds))
        return runs


@asynccontextmanager
async def echo_server() -> AsyncGenerator[tuple[str, int]]:
    """Start the bare server for the length of a block; return its address and process id."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.echo_server"),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        yield (await process.stdout.readline()).decode().strip(), process.pid
    finally:
        process.kill()
        await process.wait()


async def _prepare(address: str) -> None:
    """Have the people agree whom checks are about."""
    async with grpc.aio.insecure_channel(address) as channel:
        await tenant_service_pb2_grpc.TenantServiceStub(channel).CreateTenant(
            tenant_service_pb2.CreateTenantRequest(
                tenant_id=TENANT,
                tenant=tenant_service_pb2.Tenant(display_name="Bench", time_zone="UTC"),
                request_id=TENANT,
            )
        )
        stub = consent_service_pb2_grpc.ConsentServiceStub(channel)
        people: Sequence[int] = range(PEOPLE)
        for first in people[::AT_ONCE]:
            some = people[first : first + AT_ONCE]
            await asyncio.gather(*(stub.RecordConsent(request(number, 0)) for number in some))


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for each in runner.run(ratios(is_quick="--quick" in sys.argv)):
            print(each.line)
