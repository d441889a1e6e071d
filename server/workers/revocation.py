"""Erases what was kept under instructions that a tenant has taken back (S6, Art. 28(3)(a)).

It has not been read since: whoever asks is refused from the moment of the revocation on.
Any number of servers may work at the same time: each batch is committed together with how
far the walk through the records has come.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from server.domain.call import Call
from server.domain.catalogue.mandate import Revocation, revocations
from server.domain.change import Change, Delete, Replace
from server.domain.errors import ConflictError
from server.domain.ledger import Entry, new_entry
from server.domain.ports import Ports, Query
from server.domain.records.record import records
from server.domain.rights.erasure import SETTLING
from server.domain.subject import Subject
from server.domain.subjects import subjects
from server.domain.values import Role
from server.workers.rounds import rounds

BATCH = 200
"""Records looked at, and deleted, by one change: neither memory nor the calls of others feel it."""

IDLE_SECONDS = 15.0
"""How long nothing happens at most before it is looked for what has become due."""

_CALL = Call(caller="worker:revocation", rpc="")


@dataclass(frozen=True, slots=True)
class Kept:
    """What is needed of a record to delete it, and to tell of it."""

    id: str
    tenant: str
    version: int
    subject: str
    generation: int
    category: str
    purpose: str
    mandate: int = 0


class RevocationWorker:
    """Erases records of the people of one role.

    Whoever had the processing restricted may need the data: it is spared, and looked at again
    (Art. 18(1)(b), (c)).
    """

    def __init__(self, ports: Ports, role: Role, *, idle_seconds: float = IDLE_SECONDS) -> None:
        """Erase through *ports*."""
        self._ports = ports
        self._role = role
        self._idle_seconds = idle_seconds
        self.name = f"revocation-{role}"

    async def run(self) -> None:
        """Erase until cancelled, woken by revocations."""
        table = revocations(self._role)
        await rounds(self._ports.reader, table, self.step, idle_seconds=self._idle_seconds)

    async def step(self) -> bool:
        """Work through one batch, and tell whether there may be more."""
        due = Query(
            revocations(self._role),
            tenant=None,
            at_most={"due_time": self._ports.clock.now()},
            order="due_time",
            limit=1,
        )
        for revocation in await self._ports.reader.find(due, Revocation):
            # Another server took the same step, or a record was just written: it is looked again.
            with suppress(ConflictError):
                await self._walk(revocation)
            return True
        return False

    async def _walk(self, revocation: Revocation) -> None:
        """Delete what of the next batch of the category's records is to go."""
        position = revocation.position
        query = Query(
            records(self._role),
            tenant=revocation.tenant,
            equals={"category": revocation.category},
            after=(position, position) if position else None,
            limit=BATCH,
        )
        batch = await self._ports.reader.find(query, Kept)
        ended = [record for record in batch if record.mandate <= revocation.period]
        spared = await self._restricted(revocation.tenant, {record.subject for record in ended})
        doomed = [record for record in ended if record.subject not in spared]
        after = (
            revocation.walked(batch[-1].id, spared=bool(spared))
            if len(batch) == BATCH
            else revocation.finished(
                spared=bool(spared), now=self._ports.clock.now(), settling=SETTLING
            )
        )
        change = Change(
            [
                Replace(revocations(self._role), after),
                *(Delete(records(self._role), record) for record in doomed),
            ],
            [
                self._entry(revocation, "instruction.data_erased"),
                *(self._entry(revocation, "record.deleted", record) for record in doomed),
            ],
        )
        await self._ports.committer.commit(change, type(None))

    async def _restricted(self, tenant: str, of: set[str]) -> set[str]:
        if not of:
            return set()
        query = Query(
            subjects(self._role), tenant=tenant, equals={"id": tuple(sorted(of))}, limit=len(of)
        )
        found = await self._ports.reader.find(query, Subject)
        return {subject.id for subject in found if subject.restriction}

    def _entry(self, revocation: Revocation, type: str, record: Kept | None = None) -> Entry:
        return new_entry(
            _CALL,
            self._ports.ids,
            tenant=revocation.tenant,
            type=type,
            time=self._ports.clock.now(),
            role=self._role,
            subject=record.subject.rpartition("/")[2] if record else "",
            purpose=record.purpose if record else "",
            reason="the instruction that it was kept under was revoked" if record else "",
            target=f"categories/{record.category}" if record else revocation.name,
        )
