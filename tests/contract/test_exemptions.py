"""The table of exemptions tells the truth."""

from __future__ import annotations

import importlib
from pathlib import Path

from tests.contract.exemptions import EXEMPTIONS


def test_every_exempt_test_exists() -> None:
    """An exemption names a test of this suite; one that is left behind would hide nothing."""
    modules = [
        importlib.import_module(f"tests.contract.{path.stem}")
        for path in Path(__file__).parent.glob("test_*.py")
    ]
    tests = {name for module in modules for name in vars(module) if name.startswith("test_")}

    assert set() == {test for _, test in EXEMPTIONS} - tests
