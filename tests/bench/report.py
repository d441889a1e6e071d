"""What the runs come to: medians of pairs, and how far apart equal runs are."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.bench.runs import Run


@dataclass(frozen=True, slots=True)
class Ratio:
    """One promise: how many times as fast, by the median of pairs, and what is aimed at."""

    name: str
    ratio: float
    goal: float
    better: str = "higher"

    @property
    def line(self) -> str:
        """The line that machines read."""
        return f"bench {self.name} ratio={self.ratio:.2f} goal={self.goal:g}"


def ratio(name: str, goal: float, ours: Sequence[Run], theirs: Sequence[Run]) -> Ratio:
    """Return the median of how many times as fast *ours* was as its neighbour in *theirs*."""
    pairs = zip(ours, theirs, strict=True)
    return Ratio(name, statistics.median(a.per_second / b.per_second for a, b in pairs), goal)


def table(runs: Mapping[str, Sequence[Run]]) -> str:
    """Return a table for people: medians and spread of calls per second, latency, CPU."""
    head = ("", "calls/s", "lowest", "highest", "p50 ms", "p99 ms", "CPU µs per call")
    rows = [head, *(_row(name, each) for name, each in runs.items())]
    wide = [max(len(row[column]) for row in rows) for column in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column in {0, len(head) - 1} else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, wide, strict=True))
        ).rstrip()
        for row in rows
    )


def spread(runs: Sequence[Run]) -> str:
    """Return how far apart runs of the same thing were that came directly one after the other."""
    # In the order R I T, T I R, R I T …, the last of every second round meets the next one's first.
    pairs = zip(runs[1::2], runs[2::2], strict=False)
    ratios = [first.per_second / second.per_second for first, second in pairs]
    return ", ".join(f"{each:.2f}" for each in ratios) or "too few runs"


def write(file: Path, ratios: Sequence[Ratio]) -> None:
    """Write *ratios* to *file* as JSON."""
    file.write_text(json.dumps([asdict(each) for each in ratios], indent=2) + "\n")


def _row(name: str, runs: Sequence[Run]) -> tuple[str, ...]:
    speeds = [run.per_second for run in runs]
    cpu = {
        process: statistics.median(run.cpu_us[process] for run in runs)
        for process in runs[0].cpu_us
    }
    return (
        name,
        f"{statistics.median(speeds):.0f}",
        f"{min(speeds):.0f}",
        f"{max(speeds):.0f}",
        f"{statistics.median(run.measured.median_ms for run in runs):.1f}",
        f"{statistics.median(run.measured.p99_ms for run in runs):.1f}",
        ", ".join(f"{process} {microseconds:.0f}" for process, microseconds in cpu.items()),
    )
