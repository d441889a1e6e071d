"""Runs of load processes, one at a time, with the CPU time that each process spent on them."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.load import Measured
from tests.served import ROOT

ANSWER_SECONDS = 60.0
"""Beyond the time that a run is told to take."""

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Run:
    """One run, with the microseconds of CPU per call of each process that took part."""

    measured: Measured
    cpu_us: Mapping[str, float]

    @property
    def per_second(self) -> float:
        """Calls per second."""
        return self.measured.calls / self.measured.seconds


class Load:
    """A load process, told when to run."""

    def __init__(self, process: asyncio.subprocess.Process, others: Mapping[str, int]) -> None:
        """Tell *process* to run, and watch it and *others*: name → process id."""
        self._process = process
        self._watched = {"client": process.pid, **others}

    async def run(self, seconds: float) -> Run:
        """Return how it does for so many *seconds*."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        before = {name: cpu_seconds(pid) for name, pid in self._watched.items()}
        self._process.stdin.write(f"{seconds}\n".encode())
        async with asyncio.timeout(seconds + ANSWER_SECONDS):
            line = await self._process.stdout.readline()
        measured = Measured(**json.loads(line))
        cpu = {
            name: (cpu_seconds(pid) - before[name]) * 1e6 / measured.calls
            for name, pid in self._watched.items()
        }
        return Run(measured, cpu)


@asynccontextmanager
async def load(*arguments: str, **others: int) -> AsyncGenerator[Load]:
    """Start the load process `python -m` *arguments*, for the length of a block."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *arguments),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield Load(process, others)
    finally:
        process.kill()
        await process.wait()


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that process *pid* has spent, in user and system mode (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS
