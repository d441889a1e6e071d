"""How often faults come: once or twice in `make test`, many times in `make test-long`."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

LONG_ROUNDS = 20


@pytest.fixture
def rounds() -> Callable[[int], int]:
    """Return what tells after how many faults a promise is believed: given how few in a hurry."""
    is_long = os.environ.get("PRIVACYRIGHTS_TEST_LONG") == "1"
    return lambda few: LONG_ROUNDS if is_long else few
