"""Brings collections, validators, indexes and data to the version that the code expects.

Every server does so at start. One of them holds the lease and works; the others wait
and find it done. Each step can be repeated, so that a start that was killed is taken
up by the next.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass

import structlog

from server.domain.leases import Lease, LeaseLostError
from server.startup import StartupError
from server.storage.collections import Declaration, Layout
from server.storage.declarations import DECLARATIONS, IDEMPOTENCY
from server.storage.driver import Driver
from server.storage.failures import DUPLICATE_KEY, NAMESPACE_EXISTS, DatabaseRefusedError
from server.storage.leases import MAJORITY_JOURNALED, Leases
from server.storage.migrations import let_entries_wait
from server.storage.place import Document, Place

LEASE = "schema"
LEASE_SECONDS = 30
POLL_SECONDS = 0.1

_STATE = "schema"

_log = structlog.get_logger("server.storage")


class SchemaTooNewError(StartupError):
    """A newer release has prepared the database; an older one would undo what it relies on."""

    def __init__(self, found: int, known: int) -> None:
        super().__init__(
            f"the database has schema version {found}, and this release knows {known}",
            "run the release that prepared it, or a newer one",
        )


class SchemaBusyError(StartupError):
    """Another server has been preparing the database for too long."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"another server has been preparing the database for more than {seconds:.0f} s",
            "wait for it to finish, or stop it, and start again",
        )


@dataclass(frozen=True, slots=True)
class Migration:
    """A change of what is stored; `apply` may be cut off at any point and run again."""

    title: str
    apply: Callable[[Driver, Layout], Awaitable[None]]


MIGRATIONS: tuple[Migration, ...] = (
    Migration("let ledger entries wait for the sequencer", let_entries_wait),
)
"""In order, for ever: the schema's version is one more than how many have been applied."""


class Schema:
    """The schema of one database, as this release declares it."""

    def __init__(
        self,
        driver: Driver,
        layout: Layout,
        leases: Leases,
        *,
        migrations: Sequence[Migration] = MIGRATIONS,
    ) -> None:
        self._driver = driver
        self._layout = layout
        self._leases = leases
        self._migrations = migrations
        self._version = len(migrations) + 1
        self._digest = _digest(self._declared())

    async def prepare(self, *, wait_seconds: float = 120) -> None:
        """Return once the database is as this release needs it.

        Raises:
            SchemaTooNewError: a newer release has prepared it.
            SchemaBusyError: another server didn't finish within *wait_seconds*.
        """
        until = time.monotonic() + wait_seconds
        while not await self._is_current():
            lease = await self._leases.acquire(LEASE, seconds=LEASE_SECONDS)
            if lease is not None:
                try:
                    async with self._leases.keeping(lease):
                        await self._apply(lease)
                except LeaseLostError:
                    _log.warning("schema lease lost")
            elif time.monotonic() > until:
                raise SchemaBusyError(wait_seconds)
            else:
                await asyncio.sleep(POLL_SECONDS)

    async def _is_current(self) -> bool:
        state = await self._state()
        if state["version"] > self._version:
            raise SchemaTooNewError(state["version"], self._version)
        return bool(state["version"] == self._version and state["digest"] == self._digest)

    async def _state(self) -> Document:
        found = await self._driver.find(self._layout.schema, {"_id": _STATE})
        return found[0] if found else {"version": 0, "digest": ""}

    async def _apply(self, lease: Lease) -> None:
        if await self._is_current():
            return
        # Collections first: a migration may write into one that is new.
        await self._declare()
        version = max(1, (await self._state())["version"])
        await self.record(lease, version, self._digest if version == self._version else "")
        for migration in self._migrations[version - 1 :]:
            _log.info("migrating", migration=migration.title)
            await migration.apply(self._driver, self._layout)
            version += 1
            await self.record(lease, version, self._digest if version == self._version else "")

    def _declared(self) -> Iterator[tuple[Place, Declaration]]:
        for table, place in self._layout.places():
            yield place, DECLARATIONS[table.kind]
        yield self._layout.idempotency, IDEMPOTENCY

    async def _declare(self) -> None:
        for place, declaration in self._declared():
            await self._declare_one(place, declaration)

    async def _declare_one(self, place: Place, declaration: Declaration) -> None:
        validation = {
            "validator": declaration.validator(),
            "validationLevel": "strict",
            "validationAction": "error",
            "writeConcern": MAJORITY_JOURNALED,
        }
        try:
            await self._driver.command(place.database, {"create": place.collection, **validation})
        except DatabaseRefusedError as error:
            if error.number != NAMESPACE_EXISTS:
                raise
            await self._driver.command(place.database, {"collMod": place.collection, **validation})
        if declaration.indexes:
            await self._driver.command(
                place.database,
                {
                    "createIndexes": place.collection,
                    "indexes": [index.specification() for index in declaration.indexes],
                    "writeConcern": MAJORITY_JOURNALED,
                },
            )

    async def record(self, lease: Lease, version: int, digest: str) -> None:
        """Record what holds, unless a later holder of the lease has recorded anything."""
        place = self._layout.schema
        try:
            await self._driver.command(
                place.database,
                {
                    "findAndModify": place.collection,
                    "query": {"_id": _STATE, "fence": {"$lte": lease.fence}},
                    "update": {
                        "$set": {"version": version, "digest": digest, "fence": lease.fence}
                    },
                    "upsert": True,
                    "writeConcern": MAJORITY_JOURNALED,
                },
            )
        except DatabaseRefusedError as error:
            if error.number == DUPLICATE_KEY:
                raise LeaseLostError(lease.name) from None
            raise


def _digest(declared: Iterator[tuple[Place, Declaration]]) -> str:
    written = [
        [
            place.collection,
            declaration.validator(),
            [index.specification() for index in declaration.indexes],
        ]
        for place, declaration in declared
    ]
    return hashlib.sha256(json.dumps(written, sort_keys=True).encode()).hexdigest()
