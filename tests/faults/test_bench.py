"""That the measurements still run: nobody looks at them until a figure is wanted."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.bench import consent_cache


async def test_the_cache_is_measured() -> None:
    """The smallest form of one measurement, on a server of its own, ends with a ratio."""
    async with asyncio.timeout(60):
        (ratio,) = await consent_cache.ratios(is_quick=True)

    assert ratio.ratio > 0


def test_every_measurement_is_run() -> None:
    """What has `ratios` is among what `python -m tests.bench` runs."""
    folder = Path(consent_cache.__file__).parent
    main = (folder / "__main__.py").read_text()
    measuring = [
        each.stem for each in folder.glob("*.py") if "async def ratios(" in each.read_text()
    ]

    assert measuring
    assert all(f"{name}.ratios(" in main for name in measuring)
