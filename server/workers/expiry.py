"""Deletes records whose `expire_time` has come; nobody has read them since (Art. 5(1)(e)).

Any number of servers may work at the same time: what is deleted must still have the version
that was read, so that one of two loses and looks again. A record that was put anew or whose
time was moved meanwhile stays.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from datetime import datetime

from server.domain.call import Call
from server.domain.change import Change, Delete
from server.domain.errors import ConflictError
from server.domain.ledger import Entry, new_entry
from server.domain.ports import Ports, Query
from server.domain.records.record import records
from server.domain.subject import Subject
from server.domain.subjects import subjects
from server.domain.values import Role

BATCH = 200
"""Records looked at, and deleted, by one change: neither memory nor the calls of others feel it."""

IDLE_SECONDS = 15.0
"""How long after its time a record is deleted, at most, if nothing else is due."""

_CALL = Call(caller="worker:expiry", rpc="")


@dataclass(frozen=True, slots=True)
class Expired:
    """What is needed of a record to delete it, and to tell of it."""

    id: str
    tenant: str
    version: int
    subject: str
    generation: int
    category: str
    purpose: str
    expire_time: datetime


_EXPIRED = tuple(field.name for field in fields(Expired))


class ExpiryWorker:
    """Deletes records of the people of one role.

    Whoever had the processing restricted may need the data: it is spared, though nobody reads
    it, and looked at again (Art. 18(1)(b), (c)).
    """

    def __init__(self, ports: Ports, role: Role, *, idle_seconds: float = IDLE_SECONDS) -> None:
        """Delete through *ports*."""
        self._ports = ports
        self._role = role
        self._idle_seconds = idle_seconds
        self._after: tuple[object, str] | None = None
        self.name = f"expiry-{role}"

    async def run(self) -> None:
        """Delete until cancelled."""
        while True:
            while await self.step():
                pass
            await asyncio.sleep(self._idle_seconds)

    async def step(self) -> bool:
        """Delete one batch, and tell whether there may be more."""
        query = Query(
            records(self._role),
            tenant=None,
            at_most={"expire_time": self._ports.clock.now()},
            order="expire_time",
            after=self._after,
            limit=BATCH,
            only=_EXPIRED,
        )
        found = await self._ports.reader.find(query, Expired)
        if not found:
            self._after = None  # The next walk begins with those that were spared.
            return False
        try:
            await self._delete(found)
        except ConflictError:
            return True  # Another server took the same step, or one was just written.
        self._after = (found[-1].expire_time, found[-1].id)
        return True

    async def _delete(self, found: Sequence[Expired]) -> None:
        for tenant in sorted({record.tenant for record in found}):
            mine = [record for record in found if record.tenant == tenant]
            spared = await self._spared(tenant, {record.subject for record in mine})
            doomed = [record for record in mine if record.subject not in spared]
            if doomed:
                change = Change(
                    [Delete(records(self._role), record) for record in doomed],
                    [self._entry(record) for record in doomed],
                )
                await self._ports.committer.commit(change, type(None))

    async def _spared(self, tenant: str, people: Collection[str]) -> set[str]:
        query = Query(
            subjects(self._role),
            tenant=tenant,
            equals={"id": tuple(sorted(people))},
            limit=len(people),
        )
        found = await self._ports.reader.find(query, Subject)
        return {subject.id for subject in found if subject.restriction}

    def _entry(self, record: Expired) -> Entry:
        return new_entry(
            _CALL,
            self._ports.ids,
            tenant=record.tenant,
            type="record.deleted",
            time=self._ports.clock.now(),
            role=self._role,
            subject=record.subject.rpartition("/")[2],
            purpose=record.purpose,
            reason="its expire_time has come",
            target=f"categories/{record.category}",
        )
