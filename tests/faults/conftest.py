"""How often faults come: a few times in `make test`, many in `make test-long`."""

from __future__ import annotations

import os

import pytest

IS_LONG = os.environ.get("PRIVACYRIGHTS_TEST_LONG") == "1"


@pytest.fixture
def rounds() -> int:
    """Return after how many faults of a kind the promise is believed."""
    return 20 if IS_LONG else 2
