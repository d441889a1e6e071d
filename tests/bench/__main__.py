"""`python -m tests.bench`: one run of everything, interleaved, on a server and data of its own.

Rounds of all three contestants in turn, every second one backwards (ABBA), so that what the
machine does besides hits all alike; a ratio is the median over neighbours in the same round.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

from tests.bench import bulk_records, checks, consent_cache, feed, ledger, report
from tests.bench.load import CALLERS
from tests.bench.runs import Load, Run, load
from tests.served import ROOT, ServerProcess

OURS, INSERT, TRANSACTION = "RecordConsent", "insert_one", "transaction per call"

GOALS = (
    ("record_consent_vs_insert_one", 1.0, INSERT),
    ("record_consent_vs_transaction_per_call", 3.0, TRANSACTION),
)

WARM_SECONDS = 3.0
"""Time in which the server gets to know all people, and each driver its connections."""


def main() -> None:
    """Measure, print and write bench.json."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="show that it runs; prove nothing")
    parser.add_argument("--rounds", type=int, default=8, help="of all contestants (default 8)")
    parser.add_argument("--seconds", type=float, default=5, help="of each run (default 5)")
    parser.add_argument("--output", type=Path, default=ROOT / "bench.json", help="what is written")
    given = parser.parse_args()
    rounds, seconds = (2, 0.5) if given.quick else (given.rounds, given.seconds)
    print(
        f"{rounds} rounds of 3 runs of {seconds:g} s, {CALLERS} concurrent callers,"
        f" {os.cpu_count()} CPUs, load average {_busy()} before"
    )
    runs = asyncio.run(measured(rounds, seconds))
    print(f"load average {_busy()} after, with our own", end="\n\n")
    print(report.table(runs), end="\n\n")
    print(f"equal runs, one after the other: {OURS} {report.spread(runs[OURS])}", end="\n\n")
    ratios = [report.ratio(name, goal, runs[OURS], runs[other]) for name, goal, other in GOALS]
    ratios += asyncio.run(ledger.ratios(is_quick=given.quick))
    ratios += asyncio.run(feed.ratios(is_quick=given.quick))
    ratios += asyncio.run(checks.ratios(is_quick=given.quick))
    ratios += asyncio.run(consent_cache.ratios(is_quick=given.quick))
    ratios += asyncio.run(bulk_records.ratios(is_quick=given.quick))
    for each in ratios:
        print(each.line)
    report.write(given.output, ratios)


async def measured(rounds: int, seconds: float) -> dict[str, list[Run]]:
    """Return the runs of each contestant."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = await stack.enter_async_context(ServerProcess(folder))
        uri, database = server.database_uri, server.database_pid
        loads: dict[str, Load] = {}

        async def add(name: str, *arguments: str, **others: int) -> None:
            loads[name] = await stack.enter_async_context(
                load(*arguments, **others, mongod=database)
            )
            # Also so that the next contestants find the documents that they copy.
            await loads[name].run(WARM_SECONDS)

        await add(OURS, "tests.bench.record_consent", server.address, server=server.pid)
        await add(INSERT, "tests.bench.raw", "insert_one", uri)
        await add(TRANSACTION, "tests.bench.raw", "transaction", uri)
        runs: dict[str, list[Run]] = {name: [] for name in loads}
        for number in range(rounds):
            for name in list(loads) if number % 2 == 0 else reversed(list(loads)):
                runs[name].append(await loads[name].run(seconds))
        return runs


def _busy() -> str:
    return f"{os.getloadavg()[0]:.1f}"


if __name__ == "__main__":
    main()
