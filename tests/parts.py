"""The parts of a server over a database, without a server and without its workers."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from server.domain.clock import SystemClock
from server.domain.identifiers import TimeOrderedIds
from server.domain.ports import Clock, Ports
from server.storage.collections import Layout
from server.storage.committer import MongoCommitter
from server.storage.driver import Driver
from server.storage.key_service import LocalFileKeyService
from server.storage.keyring import EnvelopeKeyring
from server.storage.leases import Leases
from server.storage.reader import MongoReader
from server.storage.schema import Schema
from server.storage.waking import Waking


@asynccontextmanager
async def parts(
    uri: str, prefix: str, keys: Path, clock: Clock, **options: Any
) -> AsyncGenerator[Ports]:
    """Return the real parts; whoever opens them twice has two servers over one database.

    *options* are the driver's.
    """
    driver = Driver(uri, **options)
    layout = Layout(prefix)
    await Schema(driver, layout, Leases(driver, layout)).prepare()
    waking = Waking(driver)
    reader = MongoReader(driver, layout, waking)
    committer = MongoCommitter(driver, layout, SystemClock(), wake=waking.wake)
    keyring = EnvelopeKeyring(reader, LocalFileKeyService.open(keys))
    try:
        yield Ports(reader, committer, keyring, clock, TimeOrderedIds(clock))
    finally:
        await committer.drain(5)
        await waking.close()
        await driver.close()
