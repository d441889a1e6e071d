"""Leases: what only one server at a time may do, for as long as it says that it lives.

Times are the database's ($$NOW), so that the clocks of servers may differ. Each holder
gets a higher fencing number than the one before; who writes outside a transaction
writes only where no higher number has been.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from server.storage.collections import Layout
from server.storage.driver import Driver
from server.storage.failures import DUPLICATE_KEY, DatabaseRefusedError
from server.storage.place import Document

MAJORITY_JOURNALED = {"w": "majority", "j": True}
"""The write concern of what is written outside the committer."""

RENEWALS = 3
"""How often a lease is renewed before it would end."""


class LeaseLostError(Exception):
    """The lease ended, and may be another's by now."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to do what *name* stands for; `fence` grows with every holder."""

    name: str
    holder: str
    fence: int
    seconds: float


class Leases:
    """Hands out leases that are kept in the database."""

    def __init__(self, driver: Driver, layout: Layout) -> None:
        self._driver = driver
        self._place = layout.leases

    async def acquire(self, name: str, *, seconds: float) -> Lease | None:
        """Return the lease of *name* for *seconds*, or None while another holds it."""
        holder = secrets.token_hex(8)
        taken = {
            "_id": name,
            "holder": holder,
            "fence": {"$add": [{"$ifNull": ["$fence", 0]}, 1]},
            "expire_time": _from_now(seconds),
        }
        # A lease that nobody has had lacks an end, which compares lower than every time.
        free = {"$lte": ["$expire_time", "$$NOW"]}
        try:
            lease = await self._modify(
                {"_id": name}, {"$replaceWith": {"$cond": [free, taken, "$$ROOT"]}}, upsert=True
            )
        except DatabaseRefusedError as error:
            if error.number == DUPLICATE_KEY:  # Another was the first ever in this moment.
                return None
            raise
        if lease is None or lease["holder"] != holder:
            return None
        return Lease(name, holder, lease["fence"], seconds)

    async def renew(self, lease: Lease) -> None:
        """Hold *lease* for its seconds from now on.

        Raises:
            LeaseLostError: it ended before.
        """
        renewed = {"$set": {"expire_time": _from_now(lease.seconds)}}
        if await self._modify(_held(lease), renewed) is None:
            raise LeaseLostError(lease.name)

    async def release(self, lease: Lease) -> None:
        """End *lease* now; none is harmed if it has ended by itself."""
        await self._modify(_held(lease), {"$set": {"expire_time": "$$NOW"}})

    @asynccontextmanager
    async def keeping(self, lease: Lease) -> AsyncGenerator[None]:
        """Renew *lease* during the block, and release it at the end.

        Raises:
            LeaseLostError: the lease was lost; the block was cancelled where it waited.
        """
        task = asyncio.current_task()
        assert task is not None, "leases are kept by tasks"  # noqa: S101 – narrows a type
        renewing = asyncio.create_task(self._renew_until_lost(lease, task))
        try:
            yield
        except asyncio.CancelledError:
            if renewing.done() and not renewing.cancelled() and task.uncancel() == 0:
                raise LeaseLostError(lease.name) from None
            raise
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
            await self.release(lease)

    async def _renew_until_lost(self, lease: Lease, task: asyncio.Task[object]) -> None:
        """Renew *lease*; cancel *task*, which relies on it, when that fails."""
        try:
            while True:
                await asyncio.sleep(lease.seconds / RENEWALS)
                async with asyncio.timeout(lease.seconds / RENEWALS):
                    await self.renew(lease)
        except asyncio.CancelledError:
            raise
        except Exception:
            task.cancel()
            raise

    async def _modify(
        self, filter: Document, stage: Document, *, upsert: bool = False
    ) -> Document | None:
        reply = await self._driver.command(
            self._place.database,
            {
                "findAndModify": self._place.collection,
                "query": filter,
                "update": [stage],
                "new": True,
                "upsert": upsert,
                "writeConcern": MAJORITY_JOURNALED,
            },
        )
        value: Document | None = reply["value"]
        return value


def _from_now(seconds: float) -> Document:
    return {"$add": ["$$NOW", int(seconds * 1000)]}


def _held(lease: Lease) -> Document:
    return {
        "_id": lease.name,
        "holder": lease.holder,
        "$expr": {"$gt": ["$expire_time", "$$NOW"]},
    }
