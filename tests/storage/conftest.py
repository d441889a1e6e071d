"""Servers over a database that is made once, and has an empty ledger for each test."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from server.domain.ports import Ports
from tests.storage.servers import Servers

PREFIX = f"ledgers{os.getpid()}"
"""Of the names of databases."""


@pytest.fixture
async def servers(mongo_uri: str, tmp_path: Path) -> AsyncIterator[Servers]:
    """Return what opens servers."""
    async with AsyncMongoClient[dict[str, Any]](mongo_uri) as client:
        for name in await client[PREFIX].list_collection_names():
            if name.startswith("ledger"):
                await client[PREFIX][name].delete_many({})
    async with AsyncExitStack() as stack:
        yield Servers(mongo_uri, PREFIX, tmp_path / "keys.json", stack)


@pytest.fixture
async def ports(servers: Servers) -> Ports:
    """Return the parts of one server."""
    return await servers.one()
