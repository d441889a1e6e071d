"""The notices of breaches, as the tenants read, watch and acknowledge them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from server.domain.breach.breach import BREACHES, Breach, Facts, Notice, notices, snapshot_id
from server.domain.catalogue.change_states import PLATFORM
from server.domain.change import Replace
from server.domain.commands import Commands, Decision
from server.domain.errors import BreachNotFoundError, NoticeNotFoundError
from server.domain.identifiers import role_of
from server.domain.ledger import new_entry
from server.domain.ledger.commitment import committing
from server.domain.ports import Query
from server.domain.values import InvalidValueError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Sequence

    from server.domain.call import Call
    from server.domain.change import Committed, Table
    from server.domain.ledger import Entry
    from server.domain.ports import Ports, Scalar
    from server.domain.tenants import Tenants
    from server.domain.values import Role

LATENESS = timedelta(hours=1)
"""How much older than a notice that was seen another may be that is seen only later.

Servers' clocks differ, and a change may be tried for a while after its time was taken.
"""

WAIT_SECONDS = 30.0
"""How long a stream waits at most for a hint that there is something new."""

PAUSE_SECONDS = 0.05
"""How far the passes of one stream are apart at least, while others' notices are written."""

BATCH = 100
"""Notices that a stream holds in memory at most, however slowly they are taken from it."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A notice with the facts that it tells of, and who acknowledged it, if somebody did."""

    notice: Notice
    facts: Facts
    acknowledged_by: str = ""


@dataclass(frozen=True, slots=True)
class NoticeAcknowledged:
    """What the caller of `acknowledge` is told, now and at a repeat: which notice it was."""

    notice: str


@dataclass(slots=True)
class Told:
    """What one stream has told of the notices made since a time; older ones are not asked for."""

    since: datetime
    _times: dict[str, datetime] = field(default_factory=dict[str, datetime])

    def is_new(self, notice: Notice) -> bool:
        """Tell whether *notice* wasn't told before, and remember it."""
        if notice.id in self._times:
            return False
        if notice.create_time >= self.since:
            self._times[notice.id] = notice.create_time
        return True

    def advance(self, since: datetime) -> None:
        """Begin at *since*, if that is later, and forget what is older."""
        if since > self.since:
            self.since = since
            self._times = {id: time for id, time in self._times.items() if time >= since}


class Notices:
    """Lists, streams and acknowledges the notices of tenants."""

    def __init__(self, ports: Ports, tenants: Tenants) -> None:
        """Work on *ports*, for *tenants*."""
        self._ports = ports
        self._tenants = tenants
        self._commands = Commands(ports)

    async def list(
        self,
        call: Call,
        tenant: str,
        role: Role,
        *,
        unacknowledged_only: bool,
        breach: str,
        after: tuple[object, str] | None,
        limit: int,
    ) -> Sequence[Letter]:
        """Return one page of a tenant's notices, newest first; *breach* "" means of all breaches.

        Raises:
            TenantNotFoundError: there is no such tenant.
        """
        await self._require(call, tenant)
        wanted: dict[str, Scalar | tuple[Scalar, ...]] = {"breach": breach} if breach else {}
        if unacknowledged_only:
            wanted["is_acknowledged"] = False
        query = Query(
            notices(role),
            tenant,
            equals=wanted,
            order="-id",
            after=after,
            limit=limit,
        )
        return await self._read(call, *await self._ports.reader.find(query, Notice))

    async def watch(
        self, call: Call, tenants: Sequence[str], roles: Sequence[Role]
    ) -> AsyncGenerator[Letter]:
        """Yield what nobody has acknowledged, oldest first, then what is new, and never end.

        Of several tenants, one after the other. Every notice comes at least once, whoever
        acknowledges it meanwhile.

        Raises:
            TenantNotFoundError: one of *tenants* doesn't exist.
        """
        for tenant in tenants:
            await self._require(call, tenant)
        if len(tenants) > 1:
            # The log line must not name the one that was looked up last.
            call.notes.pop("tenant", None)
        begun = self._ports.clock.now() - LATENESS
        watched = [(tenant, role, Told(begun)) for tenant in tenants for role in roles]
        for tenant, role, told in watched:
            async for notice in self._standing(tenant, role, told):
                yield (await self._read(call, notice))[0]
        while True:
            earliest = asyncio.get_running_loop().time() + PAUSE_SECONDS
            # Waiting begins before reading: what is written in between is not waited for in vain.
            changes = self._changes(roles)
            try:
                # What becomes visible after this pass was made after this time, less the lateness –
                # also if the clock is set forward before the next one.
                since = self._ports.clock.now() - LATENESS
                for tenant, role, told in watched:
                    async for notice in self._new(tenant, role, told):
                        yield (await self._read(call, notice))[0]
                    told.advance(since)
                done, _ = await asyncio.wait(changes, return_when=asyncio.FIRST_COMPLETED)
                for change in done:
                    change.result()
            finally:
                for change in changes:
                    change.cancel()
            await asyncio.sleep(earliest - asyncio.get_running_loop().time())

    async def _standing(self, tenant: str, role: Role, told: Told) -> AsyncIterator[Notice]:
        """Yield what nobody has acknowledged, oldest first, as *told*."""
        # What was acknowledged before this began is known to the tenant.
        async for notice in self._recent(tenant, role, told.since):
            if notice.is_acknowledged:
                told.is_new(notice)
        async for notice in self._unacknowledged(tenant, role):
            if told.is_new(notice):
                yield notice

    async def _new(self, tenant: str, role: Role, told: Told) -> AsyncIterator[Notice]:
        """Yield what was made lately and isn't told yet, as *told*."""
        async for notice in self._recent(tenant, role, told.since):
            if told.is_new(notice):
                yield notice

    def _changes(self, roles: Sequence[Role]) -> Sequence[asyncio.Task[None]]:
        """Begin to wait for notices of each of *roles*."""
        return [
            asyncio.create_task(
                self._ports.reader.wait_for_change(notices(role), at_most_seconds=WAIT_SECONDS)
            )
            for role in roles
        ]

    async def read(self, call: Call, tenant: str, id: str) -> Letter:
        """Return the notice *id* of *tenant*, once the ledger tells of it, if it names somebody.

        Raises:
            NoticeNotFoundError: the tenant has none with this id.
        """
        found = await self._find(tenant, id)
        call.notes["tenant"] = tenant
        (letter,) = await self._read(call, found)
        return letter

    async def get(self, tenant: str, id: str) -> Letter:
        """Return the notice *id* of *tenant*.

        Raises:
            NoticeNotFoundError: the tenant has none with this id.
        """
        return await self._letter(await self._find(tenant, id))

    async def acknowledge(
        self, call: Call, tenant: str, id: str, *, acknowledged_by: str
    ) -> Committed[NoticeAcknowledged]:
        """Record that *acknowledged_by* has taken note; who was first stays.

        Raises:
            NoticeNotFoundError: the tenant has none with this id.
        """

        async def decide() -> Decision[NoticeAcknowledged]:
            found = await self._find(tenant, id)
            call.notes["tenant"] = tenant
            outcome = NoticeAcknowledged(id)
            if found.is_acknowledged:
                return Decision(writes=(), entries=(), outcome=outcome)
            now = self._ports.clock.now()
            acknowledged = replace(
                found,
                version=found.version + 1,
                is_acknowledged=True,
                acknowledge_time=now,
                sealed_acknowledger=await self._ports.keyring.seal_for_tenant(
                    tenant, acknowledged_by.encode(), _place(found)
                ),
            )
            entry = self._entry(call, found, "breach.notice_acknowledged", now)
            said = {"acknowledged_by": acknowledged_by}
            entry = await committing(self._ports.keyring, entry, said)
            return Decision(
                writes=(Replace(notices(found.role), acknowledged),),
                entries=(entry,),
                outcome=outcome,
            )

        return await self._commands.run(call, tenant, NoticeAcknowledged, decide)

    async def _require(self, call: Call, tenant: str) -> None:
        await self._tenants.get(tenant)
        call.notes["tenant"] = tenant

    def _unacknowledged(self, tenant: str, role: Role) -> AsyncIterator[Notice]:
        query = Query(notices(role), tenant, equals={"is_acknowledged": False}, limit=BATCH)
        return self._ports.reader.scan(query, Notice)

    def _recent(self, tenant: str, role: Role, since: datetime) -> AsyncIterator[Notice]:
        query = Query(notices(role), tenant, order="create_time", after=(since, ""), limit=BATCH)
        return self._ports.reader.scan(query, Notice)

    async def _find(self, tenant: str, id: str) -> Notice:
        found = await self._ports.reader.get(_table(id), tenant, f"{tenant}/{id}", Notice)
        if found is None:
            raise NoticeNotFoundError
        return found

    async def _read(self, call: Call, *found: Notice) -> Sequence[Letter]:
        """Return *found* as letters, once the ledger tells which of them name somebody."""
        letters = await asyncio.gather(*(self._letter(notice) for notice in found))
        await self._commands.note(
            *(
                self._entry(call, letter.notice, "breach.notice_read", self._ports.clock.now())
                for letter in letters
                if letter.acknowledged_by
            )
        )
        return letters

    def _entry(self, call: Call, notice: Notice, type: str, now: datetime) -> Entry:
        return new_entry(
            call,
            self._ports.ids,
            tenant=notice.tenant,
            type=type,
            time=now,
            role=notice.role,
            target=notice.name,
        )

    async def _letter(self, notice: Notice) -> Letter:
        version = snapshot_id(notice.breach, notice.breach_version)
        breach = await self._ports.reader.get(BREACHES, PLATFORM, version, Breach)
        if breach is None:
            raise BreachNotFoundError
        return Letter(notice, breach.facts, await self._acknowledger(notice))

    async def _acknowledger(self, notice: Notice) -> str:
        if not notice.is_acknowledged:
            return ""
        sealed = notice.sealed_acknowledger
        unsealed = await self._ports.keyring.unseal_for_tenant(
            notice.tenant, sealed, _place(notice)
        )
        return unsealed.decode()


def _table(id: str) -> Table:
    try:
        return notices(role_of(id))
    except InvalidValueError:
        # No notice can have this id: the same answer as for one that there isn't.
        raise NoticeNotFoundError from None


def _place(notice: Notice) -> str:
    return f"notices/{notice.id}/acknowledger"
