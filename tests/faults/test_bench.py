"""That the measurements still run: nobody looks at them until a figure is wanted."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

from tests.bench import consent_cache
from tests.served import ROOT

IS_LONG = os.environ.get("PRIVACYRIGHTS_TEST_LONG") == "1"


async def test_the_cache_is_measured() -> None:
    """The smallest form of one measurement, on a server of its own, ends with a ratio."""
    async with asyncio.timeout(60):
        (ratio,) = await consent_cache.ratios(is_quick=True)

    assert ratio.ratio > 0


@pytest.mark.skipif(not IS_LONG, reason="takes a minute: make test-long")
@pytest.mark.timeout(400)
async def test_the_command_runs(tmp_path: Path) -> None:
    """`python -m tests.bench --quick` itself ends well, with a ratio and a goal of each promise."""
    written = tmp_path / "bench.json"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench", "--quick", "--output", str(written)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        said, wrong = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

    assert 0 == process.returncode, wrong.decode()[-1000:]
    lines = re.findall(r"^bench (\w+) ratio=[0-9.]+ goal=[0-9.]+$", said.decode(), re.MULTILINE)
    assert {"record_consent_vs_insert_one", "check_processing_vs_echo", "check_latency"} <= set(
        lines
    )
    assert lines == re.findall(r'"name": "(\w+)"', written.read_text())


def test_every_measurement_is_run() -> None:
    """What has `ratios` is among what `python -m tests.bench` runs."""
    folder = Path(consent_cache.__file__).parent
    main = (folder / "__main__.py").read_text()
    measuring = [
        each.stem for each in folder.glob("*.py") if "async def ratios(" in each.read_text()
    ]

    assert measuring
    assert all(f"{name}.ratios(" in main for name in measuring)
