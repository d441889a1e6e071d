"""What faults need: how often they come, and a database that forgives."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest
from pymongo import AsyncMongoClient

LONG_ROUNDS = 20


@pytest.fixture
def rounds() -> Callable[[int], int]:
    """Return what tells after how many faults a promise is believed: given how few in a hurry."""
    is_long = os.environ.get("PRIVACYRIGHTS_TEST_LONG") == "1"
    return lambda few: LONG_ROUNDS if is_long else few


@pytest.fixture
async def forgiving_uri(mongo_uri: str) -> AsyncGenerator[str]:
    """Return a MongoDB that soon ends the transactions of a server that is gone.

    It keeps them for a minute by default, and with them the locks on what they wrote: calls
    about the same people are told to come back until then.
    """
    name = "transactionLifetimeLimitSeconds"
    async with AsyncMongoClient[dict[str, Any]](mongo_uri) as client:
        before = (await client.admin.command({"getParameter": 1, name: 1}))[name]
        await client.admin.command({"setParameter": 1, name: 2})
        yield mongo_uri
        await client.admin.command({"setParameter": 1, name: before})
