"""The storage under test, once for each driver."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator

import pytest

from server.storage.collections import Layout
from server.storage.driver import Driver
from server.storage.leases import Leases
from server.storage.schema import Schema
from tests.contract.exemptions import EXEMPTIONS, MEMORY, MOTOR, PYMONGO
from tests.contract.store import Store, new_driver
from tests.writes import Commands

_tenants = itertools.count(1)


@pytest.fixture(scope="session")
async def prepared(mongo_uri: str) -> Layout:
    """Return collections with their validators; each test has a tenant of its own in them."""
    layout = Layout("contract")
    driver = Driver(mongo_uri)
    await Schema(driver, layout, Leases(driver, layout)).prepare()
    await driver.close()
    return layout


@pytest.fixture(params=[PYMONGO, MOTOR, MEMORY])
async def store(
    request: pytest.FixtureRequest, mongo_uri: str, prepared: Layout
) -> AsyncIterator[Store]:
    """Return the storage over one driver; skip what that driver is exempt from."""
    name: str = request.param
    reason = EXEMPTIONS.get((name, request.function.__name__))
    if reason is not None:
        pytest.skip(reason)
    commands = Commands()
    driver = new_driver(name, mongo_uri, commands)
    store = Store(name, driver, prepared, f"tenant{next(_tenants)}", commands)
    yield store
    await store.committer.drain(5)
    await store.waking.close()
    for each in {driver, store.driver}:
        await each.close()
