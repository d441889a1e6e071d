"""Leases: what only one server at a time may do, for as long as it says that it lives.

Times are the database's ($$NOW), so that the clocks of servers may differ. Each holder
gets a higher fencing number than the one before; who writes outside a transaction
writes only where no higher number has been.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from server.domain.leases import Lease, LeaseLostError
from server.storage.collections import Layout
from server.storage.driver import Driver
from server.storage.failures import DUPLICATE_KEY, DatabaseRefusedError
from server.storage.place import Document

MAJORITY_JOURNALED = {"w": "majority", "j": True}
"""The write concern of what is written outside the committer."""

RENEWALS = 3
"""How often a lease is renewed before it would end."""


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

    async def renew_all(self, leases: Sequence[Lease]) -> list[Lease]:
        """Hold *leases* for their seconds from now on; return those that hadn't ended before."""
        renewed = [(_held(lease), {"expire_time": _from_now(lease.seconds)}) for lease in leases]
        if await self._set_all(renewed) == len(leases):
            return list(leases)
        names = {"_id": {"$in": [lease.name for lease in leases]}}
        found = await self._driver.find(self._place, {**names, "$expr": _LIVES})
        holders = {document["_id"]: document["holder"] for document in found}
        return [lease for lease in leases if holders.get(lease.name) == lease.holder]

    async def release_all(self, leases: Sequence[Lease]) -> None:
        """End *leases* now; none is harmed if one has ended by itself."""
        await self._set_all([(_held(lease), {"expire_time": "$$NOW"}) for lease in leases])

    async def live(self, prefix: str) -> set[str]:
        """Return the names of all leases, anybody's, that begin with *prefix* and haven't ended."""
        names = {"_id": {"$gte": prefix, "$lt": f"{prefix}\uffff"}}
        found = await self._driver.find(self._place, {**names, "$expr": _LIVES})
        return {document["_id"] for document in found}

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

    async def _set_all(self, changes: Sequence[tuple[Document, Document]]) -> int:
        """Set the fields of what each filter matches; return how many were matched."""
        if not changes:
            return 0
        reply = await self._driver.command(
            self._place.database,
            {
                "update": self._place.collection,
                "updates": [{"q": filter, "u": [{"$set": fields}]} for filter, fields in changes],
                "ordered": False,
                "writeConcern": MAJORITY_JOURNALED,
            },
        )
        matched: int = reply["n"]
        return matched

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


_LIVES: Document = {"$gt": ["$expire_time", "$$NOW"]}


def _from_now(seconds: float) -> Document:
    return {"$add": ["$$NOW", int(seconds * 1000)]}


def _held(lease: Lease) -> Document:
    return {
        "_id": lease.name,
        "holder": lease.holder,
        "$expr": _LIVES,
    }
