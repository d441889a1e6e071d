"""One storage under test, put together as the server does."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from server.domain.change import Table
from server.domain.clock import SystemClock
from server.domain.ports import Query
from server.storage.collections import Layout
from server.storage.committer import CommitLimits, MongoCommitter
from server.storage.driver import Driver, MotorDriver
from server.storage.memory import MemoryDriver
from server.storage.reader import MongoReader
from server.storage.waking import Waking
from tests.contract.exemptions import MEMORY, MOTOR, PYMONGO
from tests.contract.samples import LEDGER, NOTES, SUBJECTS
from tests.writes import Commands

_LIMITS = CommitLimits()
DRIVERS = {PYMONGO: Driver, MOTOR: MotorDriver}


@dataclass
class Store:
    """A driver with all that stands on it, and a tenant that no other test has.

    The parts can be replaced by broken ones, to show that a test would notice.
    """

    name: str
    driver: Driver
    layout: Layout
    tenant: str
    commands: Commands
    waking: Waking = field(init=False)
    committer: MongoCommitter = field(init=False)
    reader: MongoReader = field(init=False)

    def __post_init__(self) -> None:
        self.waking = Waking(self.driver)
        self.use()

    def use(
        self,
        committer: type[MongoCommitter] = MongoCommitter,
        reader: type[MongoReader] = MongoReader,
        limits: CommitLimits = _LIMITS,
    ) -> Store:
        """Put these parts in; return the store itself."""
        self.committer = committer(
            self.driver, self.layout, SystemClock(), limits=limits, wake=self.waking.wake
        )
        self.reader = reader(self.driver, self.layout, self.waking)
        return self

    async def count(self, table: Table) -> int:
        """Return how many documents the tenant has."""
        return await self.reader.count(Query(table, self.tenant))

    async def counts(self) -> tuple[int, int, int]:
        """Return how many subjects, notes and ledger entries the tenant has."""
        return (await self.count(SUBJECTS), await self.count(NOTES), await self.count(LEDGER))


def new_driver(name: str, uri: str, commands: Commands, **options: Any) -> Driver:
    """Return the driver *name* with *commands* listening."""
    if name == MEMORY:
        return MemoryDriver()
    return DRIVERS[name](uri, event_listeners=[commands], **options)
