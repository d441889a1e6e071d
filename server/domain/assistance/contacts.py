"""Contacts: who is to be reached for a function, on a tenant's side and on ours (S13)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from server.domain.assistance.inquiry import Side
from server.domain.change import Delete, Insert, Kind, Replace, Table
from server.domain.commands import Commands, Decision
from server.domain.errors import ContactNotFoundError
from server.domain.ledger import new_entry
from server.domain.ledger.commitment import committing
from server.domain.ports import Query
from server.domain.values import InvalidValueError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.domain.call import Call
    from server.domain.change import Committed
    from server.domain.ports import Ports
    from server.domain.tenants import Tenants

CONTACTS = Table(Kind.CONTACTS)
MAX_ADDRESS = 200

_EMAIL = re.compile(r"[^\s@]+@[^\s@.]+(\.[^\s@.]+)*")
_PHONE = re.compile(r"\+?[0-9][0-9 ()./-]{2,}")


class Function(StrEnum):
    """What a contact is for."""

    DATA_PROTECTION_OFFICER = "data-protection-officer"
    COMPLIANCE = "compliance"
    BREACH = "breach"
    REPRESENTATIVE = "representative"


@dataclass(frozen=True, slots=True)
class Post:
    """A function on one side: what there is one contact for."""

    side: Side
    function: Function

    @property
    def id(self) -> str:
        """The last part of the contact's name, such as `tenant-breach`."""
        return f"{self.side}-{self.function}"

    def name(self, tenant: str) -> str:
        """Return the name of the contact that *tenant* has for it, or should have."""
        return f"tenants/{tenant}/contacts/{self.id}"


@dataclass(frozen=True, slots=True)
class Reach:
    """Who it is, and an e-mail address or phone number: personal data of a professional."""

    display_name: str = field(repr=False)
    address: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Contact:
    """A contact as it is kept.

    Shapes:
        id: `tenant/side-function`.
        sealed: a `Reach` as JSON, under the tenant's key.
    """

    id: str
    tenant: str
    version: int
    side: Side
    function: Function
    sealed: bytes
    update_time: datetime

    @property
    def post(self) -> Post:
        """What it is for."""
        return Post(self.side, self.function)


@dataclass(frozen=True, slots=True)
class Reachable:
    """A contact with who it is."""

    contact: Contact
    reach: Reach


@dataclass(frozen=True, slots=True)
class ContactSet:
    """What the caller of `set` is told, now and at a repeat: the contact's name."""

    contact: str


@dataclass(frozen=True, slots=True)
class ContactDeleted:
    """What is kept of a call of `delete`: the name of the contact that there was."""

    contact: str


def address(text: str) -> str:
    """Return *text* as an e-mail address or a phone number."""
    if len(text) > MAX_ADDRESS:
        raise InvalidValueError(f"must not be longer than {MAX_ADDRESS} characters")
    if not text.isprintable() or not (_EMAIL.fullmatch(text) or _PHONE.fullmatch(text)):
        raise InvalidValueError("must be an e-mail address or a phone number")
    return text


class Contacts:
    """Keeps one contact for each function on each side of a tenant's account."""

    def __init__(self, ports: Ports, tenants: Tenants) -> None:
        """Work on *ports*, for *tenants*."""
        self._ports = ports
        self._tenants = tenants
        self._commands = Commands(ports)

    async def set(
        self, call: Call, *, tenant: str, post: Post, reach: Reach
    ) -> Committed[ContactSet]:
        """Make *reach* the contact for *post*, in the place of whoever it was.

        Raises:
            TenantNotFoundError: there is no such tenant.
        """

        async def decide() -> Decision[ContactSet]:
            await self._tenants.get(tenant)
            call.notes["tenant"] = tenant
            now = self._ports.clock.now()
            id = f"{tenant}/{post.id}"
            before = await self._ports.reader.get(CONTACTS, tenant, id, Contact)
            content = json.dumps({"display_name": reach.display_name, "address": reach.address})
            contact = Contact(
                id=id,
                tenant=tenant,
                version=1 if before is None else before.version + 1,
                side=post.side,
                function=post.function,
                sealed=await self._ports.keyring.seal_for_tenant(
                    tenant, content.encode(), _place(id)
                ),
                update_time=now,
            )
            entry = new_entry(
                call,
                self._ports.ids,
                tenant=tenant,
                type="contact.set",
                time=now,
                target=post.name(tenant),
            )
            entry = await committing(self._ports.keyring, entry, reach)
            write = Insert(CONTACTS, contact) if before is None else Replace(CONTACTS, contact)
            return Decision(
                writes=(write,), entries=(entry,), outcome=ContactSet(post.name(tenant))
            )

        return await self._commands.run(call, tenant, ContactSet, decide)

    async def read(self, call: Call, tenant: str, contact: str, *, reason: str) -> Reachable:
        """Return *contact* (the last part of its name), once the ledger says why it was read.

        Raises:
            ContactNotFoundError: the tenant has none with this id.
        """
        found = await self._find(tenant, contact)
        call.notes["tenant"] = tenant
        now = self._ports.clock.now()
        target = found.post.name(tenant)
        await self._commands.note(
            new_entry(
                call,
                self._ports.ids,
                tenant=tenant,
                type="contact.read",
                time=now,
                reason=reason,
                target=target,
            )
        )
        return Reachable(found, await self.reach(found))

    async def delete(self, call: Call, tenant: str, contact: str) -> Committed[ContactDeleted]:
        """Delete *contact* (the last part of its name), with the name and address in it.

        Raises:
            ContactNotFoundError: the tenant has none with this id.
        """

        async def decide() -> Decision[ContactDeleted]:
            found = await self._find(tenant, contact)
            call.notes["tenant"] = tenant
            target = found.post.name(tenant)
            entry = new_entry(
                call,
                self._ports.ids,
                tenant=tenant,
                type="contact.deleted",
                time=self._ports.clock.now(),
                target=target,
            )
            return Decision((Delete(CONTACTS, found),), (entry,), ContactDeleted(target))

        return await self._commands.run(call, tenant, ContactDeleted, decide)

    async def list(
        self,
        call: Call,
        tenant: str,
        *,
        reason: str,
        after: tuple[object, str] | None,
        limit: int,
    ) -> Sequence[Reachable]:
        """Return one page of a tenant's contacts, by id; the ledger says why they were read.

        Raises:
            TenantNotFoundError: there is no such tenant.
        """
        await self._tenants.get(tenant)
        call.notes["tenant"] = tenant
        query = Query(CONTACTS, tenant=tenant, after=after, limit=limit)
        found = await self._ports.reader.find(query, Contact)
        now = self._ports.clock.now()
        await self._commands.note(
            new_entry(
                call,
                self._ports.ids,
                tenant=tenant,
                type="contact.listed",
                time=now,
                reason=reason,
            )
        )
        return [Reachable(contact, await self.reach(contact)) for contact in found]

    async def all(self, tenant: str) -> Sequence[Reachable]:
        """Return all contacts of *tenant*; the ledger is the caller's to tell."""
        query = Query(CONTACTS, tenant=tenant, limit=len(Side) * len(Function))
        found = await self._ports.reader.find(query, Contact)
        return [Reachable(contact, await self.reach(contact)) for contact in found]

    async def posts(self, tenant: str) -> frozenset[Post]:
        """Return what *tenant* has a contact for, without telling who it is."""
        query = Query(CONTACTS, tenant=tenant, limit=len(Side) * len(Function))
        found = await self._ports.reader.find(query, Contact)
        return frozenset(contact.post for contact in found)

    async def _find(self, tenant: str, contact: str) -> Contact:
        found = await self._ports.reader.get(CONTACTS, tenant, f"{tenant}/{contact}", Contact)
        if found is None:
            raise ContactNotFoundError
        return found

    async def reach(self, contact: Contact) -> Reach:
        """Return who *contact* is; the ledger is the caller's to tell."""
        content = await self._ports.keyring.unseal_for_tenant(
            contact.tenant, contact.sealed, _place(contact.id)
        )
        return Reach(**json.loads(content))


def _place(id: str) -> str:
    return f"contact/{id}"
