"""What the ledger costs, and what one busy tenant does to it: `python -m tests.bench.ledger`.

RecordConsent with all its callers, on a server as it is and on one without a ledger, in turns;
and on the server as it is, with one tenant and with thirty-two, whose logs are in all partitions.
"""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

import uvloop

from tests.bench import report
from tests.bench.report import Ratio
from tests.bench.runs import Load, Run, load
from tests.served import ServerProcess

ON, OFF, MANY = "with the ledger", "without", "32 tenants"
TENANTS = 32

ROUNDS, SECONDS = 6, 4.0
QUICK_ROUNDS, QUICK_SECONDS = 1, 0.5
WARM_SECONDS = 3.0


async def ratios(*, is_quick: bool) -> list[Ratio]:
    """Return how fast calls are with the ledger, and with one tenant, for each one otherwise."""
    rounds, seconds = (QUICK_ROUNDS, QUICK_SECONDS) if is_quick else (ROUNDS, SECONDS)
    runs = await measured(rounds, seconds)
    print(report.table(runs), end="\n\n")
    return [
        report.ratio("ledger_on_vs_off", 0.85, runs[ON], runs[OFF]),
        report.ratio("one_tenant_vs_thirty_two", 0.8, runs[ON], runs[MANY]),
    ]


async def measured(rounds: int, seconds: float) -> dict[str, list[Run]]:
    """Return the runs of each contestant, taken in turns, every second time backwards."""
    async with AsyncExitStack() as stack:
        servers = {
            OFF: ("-m", "tests.bench.ledgerless_server"),
            ON: ("-m", "server"),
        }
        loads: dict[str, Load] = {}
        for name, command in servers.items():
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            server = await stack.enter_async_context(ServerProcess(folder, command=command))
            others = {"server": server.pid, "mongod": server.database_pid}
            called = ("tests.bench.record_consent", server.address)
            loads[name] = await stack.enter_async_context(load(*called, **others))
            if name == ON:
                loads[MANY] = await stack.enter_async_context(load(*called, str(TENANTS), **others))
        for each in loads.values():
            await each.run(min(seconds, WARM_SECONDS))
        runs: dict[str, list[Run]] = {name: [] for name in loads}
        for number in range(rounds):
            for name in list(loads) if number % 2 == 0 else reversed(list(loads)):
                runs[name].append(await loads[name].run(seconds))
        return runs


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for each in runner.run(ratios(is_quick=False)):
            print(each.line)
