"""The tenants and their chatbots."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from server.domain.change import Insert, Kind, Replace, Table
from server.domain.commands import Commands, Decision
from server.domain.errors import ChatbotNotFoundError, ResourceExistsError, TenantNotFoundError
from server.domain.ledger import new_entry
from server.domain.ledger.commitment import committing
from server.domain.ports import Query

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.domain.call import Call
    from server.domain.change import Committed, Write
    from server.domain.ledger import Entry
    from server.domain.ports import Ports

TENANTS = Table(Kind.TENANTS)
CHATBOTS = Table(Kind.CHATBOTS)
ROSTERS = Table(Kind.ROSTERS)


@dataclass(frozen=True, slots=True)
class Tenant:
    """A customer of the platform. `key` is the tenant key, wrapped by the key service."""

    id: str
    tenant: str
    version: int
    key: bytes
    display_name: str
    time_zone: str
    create_time: datetime
    update_time: datetime


@dataclass(frozen=True, slots=True)
class Chatbot:
    """A chatbot; `last_interaction_date` is `YYYY-MM-DD` in the tenant's zone, or ""."""

    id: str
    tenant: str
    version: int
    chatbot: str
    display_name: str
    create_time: datetime
    last_interaction_date: str = ""
    delete_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Roster:
    """Counts how often a tenant was given a chatbot; the id is the tenant's.

    Whoever decides on all chatbots of a tenant changes it together with what was decided, and so
    fails if one has been added since.
    """

    id: str
    tenant: str
    version: int

    def changed(self) -> Write:
        """Return the write that fails if it isn't any more what was read."""
        after = replace(self, version=self.version + 1)
        return Replace(ROSTERS, after) if self.version else Insert(ROSTERS, after)


@dataclass(frozen=True, slots=True)
class TenantCreated:
    """What the caller of `create` is told, now and at a repeat."""

    tenant: str
    display_name: str
    time_zone: str
    create_time: datetime


@dataclass(frozen=True, slots=True)
class ChatbotCreated:
    """What the caller of `create_chatbot` is told, now and at a repeat."""

    tenant: str
    chatbot: str
    display_name: str
    create_time: datetime


class Tenants:
    """Creates and finds tenants and their chatbots."""

    def __init__(self, ports: Ports) -> None:
        """Work on *ports*."""
        self._ports = ports
        self._commands = Commands(ports)

    async def create(
        self, call: Call, *, tenant: str, display_name: str, time_zone: str
    ) -> Committed[TenantCreated]:
        """Create *tenant* with a key of its own.

        Raises:
            ResourceExistsError: there is one with this id.
        """

        async def decide() -> Decision[TenantCreated]:
            if await self._ports.reader.get(TENANTS, tenant, tenant, Tenant):
                raise ResourceExistsError(thing="tenant")
            now = self._ports.clock.now()
            created = Tenant(
                id=tenant,
                tenant=tenant,
                version=1,
                key=await self._ports.keyring.new_tenant_key(tenant),
                display_name=display_name,
                time_zone=time_zone,
                create_time=now,
                update_time=now,
            )
            entry = new_entry(
                call,
                self._ports.ids,
                tenant=tenant,
                type="tenant.created",
                time=now,
                target=f"tenants/{tenant}",
            )
            entry = await committing(self._ports.keyring, entry, created, key=created.key)
            return Decision(
                writes=(Insert(TENANTS, created),),
                entries=(entry,),
                outcome=TenantCreated(tenant, display_name, time_zone, now),
            )

        return await self._commands.run(call, tenant, TenantCreated, decide)

    async def get(self, tenant: str) -> Tenant:
        """Return *tenant*.

        Raises:
            TenantNotFoundError: there is none.
        """
        found = await self._ports.reader.get(TENANTS, tenant, tenant, Tenant)
        if found is None:
            raise TenantNotFoundError
        return found

    async def list(self, *, after: tuple[object, str] | None, limit: int) -> Sequence[Tenant]:
        """Return one page of all tenants, by id."""
        query = Query(TENANTS, tenant=None, after=after, limit=limit)
        return await self._ports.reader.find(query, Tenant)

    async def create_chatbot(
        self, call: Call, *, tenant: str, chatbot: str, display_name: str
    ) -> Committed[ChatbotCreated]:
        """Register *chatbot* of *tenant*; a deleted one comes back with its last interaction.

        Raises:
            TenantNotFoundError: there is no such tenant.
            ResourceExistsError: the tenant has one with this id.
        """

        async def decide() -> Decision[ChatbotCreated]:
            await self.get(tenant)
            now = self._ports.clock.now()
            known = await self._ports.reader.get(CHATBOTS, tenant, f"{tenant}/{chatbot}", Chatbot)
            if known is not None and known.delete_time is None:
                raise ResourceExistsError(thing="chatbot")
            created = Chatbot(
                id=f"{tenant}/{chatbot}",
                tenant=tenant,
                version=1 if known is None else known.version + 1,
                chatbot=chatbot,
                display_name=display_name,
                create_time=now,
                last_interaction_date="" if known is None else known.last_interaction_date,
            )
            roster = await self.roster(tenant)
            entry = self._entry(call, "chatbot.created", tenant, chatbot, now)
            entry = await committing(self._ports.keyring, entry, created)
            write = Insert(CHATBOTS, created) if known is None else Replace(CHATBOTS, created)
            return Decision(
                writes=(write, roster.changed()),
                entries=(entry,),
                outcome=ChatbotCreated(tenant, chatbot, display_name, now),
            )

        return await self._commands.run(call, tenant, ChatbotCreated, decide)

    async def roster(self, tenant: str) -> Roster:
        """Return what changes with every chatbot that is added to *tenant*; version 0: none was."""
        found = await self._ports.reader.get(ROSTERS, tenant, tenant, Roster)
        return found or Roster(tenant, tenant, 0)

    async def chatbot(self, tenant: str, chatbot: str) -> Chatbot:
        """Return *chatbot* of *tenant*.

        Raises:
            ChatbotNotFoundError: the tenant has none with this id.
        """
        known = await self._ports.reader.get(CHATBOTS, tenant, f"{tenant}/{chatbot}", Chatbot)
        if known is None or known.delete_time is not None:
            raise ChatbotNotFoundError
        return known

    async def list_chatbots(
        self, tenant: str, *, after: tuple[object, str] | None, limit: int
    ) -> Sequence[Chatbot]:
        """Return one page of a tenant's chatbots, by id.

        Raises:
            TenantNotFoundError: there is no such tenant.
        """
        await self.get(tenant)
        query = Query(
            CHATBOTS, tenant=tenant, equals={"delete_time": None}, after=after, limit=limit
        )
        return await self._ports.reader.find(query, Chatbot)

    async def delete_chatbot(self, call: Call, *, tenant: str, chatbot: str) -> Committed[None]:
        """Take *chatbot* away; its last interaction keeps counting for the tenant's people (S11).

        Raises:
            ChatbotNotFoundError: the tenant has none with this id.
        """

        async def decide() -> Decision[None]:
            known = await self.chatbot(tenant, chatbot)
            now = self._ports.clock.now()
            deleted = replace(known, version=known.version + 1, delete_time=now)
            entry = self._entry(call, "chatbot.deleted", tenant, chatbot, now)
            return Decision(writes=(Replace(CHATBOTS, deleted),), entries=(entry,), outcome=None)

        return await self._commands.run(call, tenant, type(None), decide)

    def _entry(self, call: Call, type: str, tenant: str, chatbot: str, now: datetime) -> Entry:
        target = f"tenants/{tenant}/chatbots/{chatbot}"
        return new_entry(call, self._ports.ids, tenant=tenant, type=type, time=now, target=target)
