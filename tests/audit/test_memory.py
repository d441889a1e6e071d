"""A log may be longer than memory: what a verifier needs doesn't grow with it."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path
from random import Random

import pytest

from privacyrights.audit import Finding, verify_log
from privacyrights.audit.leaf import MAX_BYTES
from tests.audit.stories import OUR_KEY
from tests.audit.verifying import NAMED
from tests.audit.writer import log_of, make_entries

IS_LONG = os.environ.get("PRIVACYRIGHTS_TEST_LONG") == "1"


def peak(path: Path) -> tuple[int, set[Finding]]:
    """Return the most bytes that it takes to verify *path*, and what was found."""
    with path.open("rb") as file:
        tracemalloc.start()
        answer = verify_log(file, NAMED)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return most, {found.finding for found in answer.findings}


def test_length_costs_no_memory(tmp_path: Path) -> None:
    """A log thirty times as long takes the same memory, but for some hashes."""
    long = log_of(make_entries(Random(1), "acme", 60_000 if IS_LONG else 6_000), OUR_KEY)
    short = long.first(200)
    (tmp_path / "short").write_bytes(short.file)
    (tmp_path / "long").write_bytes(long.file)
    peak(tmp_path / "short")  # what is made once, such as patterns, counts for neither

    short_peak, nothing = peak(tmp_path / "short")
    long_peak, nothing_either = peak(tmp_path / "long")

    assert set() == nothing == nothing_either
    assert long_peak < short_peak + 10_000


@pytest.mark.parametrize("start", [b"", b'{"actor":"', b"\n"])
def test_endless_line_costs_no_memory(tmp_path: Path, start: bytes) -> None:
    """A line or a note of 200 MB is refused, and was never in memory."""
    path = tmp_path / "log"
    path.write_bytes(start)
    os.truncate(path, 200_000_000)

    most, findings = peak(path)

    assert findings
    assert most < 10 * MAX_BYTES
