"""Deletes ciphertext that nobody can read any more, and exports that were kept long enough.

Any number of servers may purge at the same time: each step is committed together with how far
it has come, so that one of two loses and looks again, and one that was killed is taken up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

from server.domain.call import Call
from server.domain.change import Change, Delete, Purge, Replace, Table, Write
from server.domain.consent.standing import acts
from server.domain.directives.directive import history
from server.domain.errors import ConflictError
from server.domain.ledger import new_entry
from server.domain.ports import Ports, Query
from server.domain.records.record import records
from server.domain.retention.activity import interactions
from server.domain.rights.erasure import Erasure, Purged, erasures, watermark
from server.domain.rights.exports import exports
from server.domain.rights.request import RightsRequest
from server.domain.rights.requests import id_in, requests
from server.domain.values import Role
from server.workers.rounds import rounds

BATCH = 200
"""Records deleted by one change: neither memory nor the calls of others feel it."""

EXPORT_BATCH = 32
"""Parts of exports deleted by one change; each has a quarter of a megabyte."""

IDLE_SECONDS = 15.0
"""How long nothing happens at most before it is looked for expired exports and settled lives."""

_CALL = Call(caller="worker:purge", rpc="")


@dataclass(frozen=True, slots=True)
class Ciphertext:
    """What is needed of a document to delete it."""

    id: str
    tenant: str
    version: int
    subject: str
    generation: int


_CIPHERTEXT = tuple(field.name for field in fields(Ciphertext))


class PurgeWorker:
    """Purges what belongs to the subjects of one role.

    What an erasure leaves, and why: the tombstone, the erasure and its certificate prove it and
    keep late writes out; requests show that they were answered; consent decisions show that
    what was done was allowed, which the controller must be able to show also afterwards (Art.
    5(2), 7(1); 17(3)(e)); disclosures tell whom to inform of the erasure (Art. 19); directives
    show that they were carried out, without the history of their words. All of them
    name the person by reference only, and what is personal in them went with the key.
    """

    def __init__(self, ports: Ports, role: Role, *, idle_seconds: float = IDLE_SECONDS) -> None:
        """Purge through *ports*."""
        self._ports = ports
        self._role = role
        self._idle_seconds = idle_seconds
        self.name = f"purge-{role}"

    async def run(self) -> None:
        """Purge until cancelled, woken by erasures."""
        table = erasures(self._role)
        await rounds(self._ports.reader, table, self.step, idle_seconds=self._idle_seconds)

    async def step(self) -> bool:
        """Delete one batch, and tell whether there may be more."""
        try:
            return await self._ended() or await self._settled() or await self._expired()
        except ConflictError:
            return True  # Another server took the same step.

    async def _ended(self) -> bool:
        """Purge the life that ended first of those not purged yet."""
        for erasure in await self._erasures(Purged.NOT_YET):
            await self._purge(erasure, Purged.ONCE)
            return True
        return False

    async def _settled(self) -> bool:
        """Purge a life again, when all that was decided before its end has been committed."""
        settled = watermark(self._ports.clock.now())
        for erasure in await self._erasures(Purged.ONCE):
            if erasure.time < settled:
                await self._purge(erasure, Purged.FOR_GOOD)
                return True
        return False

    async def _erasures(self, purged: Purged) -> list[Erasure]:
        oldest = Query(
            erasures(self._role), tenant=None, equals={"purged": purged}, order="time", limit=1
        )
        return list(await self._ports.reader.find(oldest, Erasure))

    async def _purge(self, erasure: Erasure, purged: Purged) -> None:
        """Delete one batch of what is left of a life, or the rest if that is less."""
        following = replace(erasure, version=erasure.version + 1)
        parts = await self._batch(exports(self._role), erasure, EXPORT_BATCH)
        if len(parts) == EXPORT_BATCH:
            await self._commit(following, [Delete(exports(self._role), each) for each in parts])
            return
        batch = await self._batch(records(self._role), erasure, BATCH)
        counted = replace(following, record_count=erasure.record_count + len(batch))
        if len(batch) == BATCH:
            await self._commit(counted, [Delete(records(self._role), each) for each in batch])
            return
        role = self._role
        tables = (records(role), exports(role), interactions(role), history(role), acts(role))
        life = (erasure.tenant, erasure.subject, erasure.generation)
        await self._commit(
            replace(counted, purged=purged),
            [*(Purge(table, *life) for table in tables), *await self._told(counted)],
        )

    async def _batch(self, table: Table, erasure: Erasure, limit: int) -> list[Ciphertext]:
        query = Query(
            table,
            tenant=erasure.tenant,
            equals={"subject": erasure.subject},
            at_most={"generation": erasure.generation},
            limit=limit,
            only=_CIPHERTEXT,
        )
        return list(await self._ports.reader.find(query, Ciphertext))

    async def _told(self, erasure: Erasure) -> list[Write]:
        """Return the write that tells the request how many records there were, if there is one."""
        table, id = requests(self._role), id_in(erasure.cause)
        request = await self._ports.reader.get(table, erasure.tenant, id, RightsRequest)
        return [Replace(table, request.counted(erasure.record_count))] if request else []

    async def _commit(self, erasure: Erasure, writes: Sequence[Write]) -> None:
        entry = new_entry(
            _CALL,
            self._ports.ids,
            tenant=erasure.tenant,
            type="subject.purged",
            time=self._ports.clock.now(),
            role=self._role,
            subject=erasure.reference,
            target=erasure.cause,
        )
        whole = (Replace(erasures(self._role), erasure), *writes)
        await self._ports.committer.commit(Change(whole, (entry,)), type(None))

    async def _expired(self) -> bool:
        """Delete a batch of one tenant's exports whose time is over."""
        now = self._ports.clock.now()
        query = Query(
            exports(self._role),
            tenant=None,
            at_most={"expire_time": now},
            order="expire_time",
            limit=EXPORT_BATCH,
            only=_CIPHERTEXT,
        )
        found = await self._ports.reader.find(query, Ciphertext)
        if not found:
            return False
        tenant = found[0].tenant
        entry = new_entry(
            _CALL,
            self._ports.ids,
            tenant=tenant,
            type="rights.exports_expired",
            time=now,
            role=self._role,
        )
        deletes = [Delete(exports(self._role), each) for each in found if each.tenant == tenant]
        await self._ports.committer.commit(Change(deletes, (entry,)), type(None))
        return True
