"""Assisting tenants: their inquiries are kept, answered and closed (S13, Art. 28(3)(h))."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from server.domain.assistance.inquiry import (
    INQUIRIES,
    INQUIRY_MESSAGES,
    Inquiry,
    InquiryChanged,
    InquiryMessage,
    InquiryState,
    NewInquiry,
    NewMessage,
    Side,
    Thread,
    Written,
    closed,
    due_time,
    replied,
)
from server.domain.change import Insert, Replace
from server.domain.commands import Commands, Decision
from server.domain.errors import InquiryNotFoundError
from server.domain.ledger import new_entry
from server.domain.ledger.commitment import committing
from server.domain.ports import Query

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from server.domain.call import Call
    from server.domain.change import Committed, Write
    from server.domain.ledger import Entry
    from server.domain.ports import Ports
    from server.domain.tenants import Tenants


class Inquiries:
    """Keeps the inquiries of tenants."""

    def __init__(self, ports: Ports, tenants: Tenants) -> None:
        """Work on *ports*, for *tenants*."""
        self._ports = ports
        self._tenants = tenants
        self._commands = Commands(ports)

    async def open(self, call: Call, new: NewInquiry) -> Committed[InquiryChanged]:
        """Open an inquiry.

        Raises:
            TenantNotFoundError: there is no such tenant.
        """

        async def decide() -> Decision[InquiryChanged]:
            tenant = await self._tenants.get(new.tenant)
            call.notes["tenant"] = tenant.id
            now = self._ports.clock.now()
            id = f"{tenant.id}/{self._ports.ids.new()}"
            opened = Inquiry(
                id=id,
                tenant=tenant.id,
                version=1,
                state=InquiryState.OPEN,
                sealed_title=await self._sealed(tenant.id, new.title.encode(), _title_place(id)),
                messages=1,
                thread_bytes=new.first.size,
                create_time=now,
                due_time=due_time(now, tenant.time_zone),
                about=new.about,
            )
            message = await self._message(opened, new.first, now)
            entry = self._entry(call, opened, "inquiry.opened", now)
            return Decision(
                writes=(Insert(INQUIRIES, opened), Insert(INQUIRY_MESSAGES, message)),
                entries=(await committing(self._ports.keyring, entry, new, new.first),),
                outcome=InquiryChanged(opened),
            )

        return await self._commands.run(call, new.tenant, InquiryChanged, decide)

    async def reply(
        self, call: Call, *, tenant: str, inquiry: str, message: NewMessage
    ) -> Committed[InquiryChanged]:
        """Add *message* to the thread.

        Raises:
            InquiryNotFoundError: the tenant has none with this id.
            IllegalTransitionError: it is closed.
            LimitExceededError: the thread is full.
        """

        async def step(found: Inquiry, now: datetime) -> tuple[Inquiry, Sequence[Write], str]:
            zone = (await self._tenants.get(tenant)).time_zone
            after = replied(found, message, due_time(now, zone))
            written = await self._message(after, message, now)
            event = "inquiry.answered" if message.side is Side.PLATFORM else "inquiry.continued"
            return after, (Insert(INQUIRY_MESSAGES, written),), event

        return await self._change(call, tenant, inquiry, step, said=message)

    async def close(self, call: Call, *, tenant: str, inquiry: str) -> Committed[InquiryChanged]:
        """Close an inquiry.

        Raises:
            InquiryNotFoundError: the tenant has none with this id.
            IllegalTransitionError: it is closed.
        """

        async def step(found: Inquiry, _now: datetime) -> tuple[Inquiry, Sequence[Write], str]:
            return closed(found), (), "inquiry.closed"

        return await self._change(call, tenant, inquiry, step)

    async def read(self, call: Call, *, tenant: str, inquiry: str, reason: str) -> Thread:
        """Return an inquiry with its thread; the ledger says why it was read.

        Raises:
            InquiryNotFoundError: the tenant has none with this id.
        """
        found = await self._find(call, tenant, inquiry)
        now = self._ports.clock.now()
        await self._commands.note(self._entry(call, found, "inquiry.read", now, reason=reason))
        return await self.thread(found)

    async def list(
        self,
        call: Call,
        *,
        tenant: str,
        state: InquiryState | None,
        reason: str,
        after: tuple[object, str] | None,
        limit: int,
    ) -> Sequence[Thread]:
        """Return one page of a tenant's inquiries without their messages, first due first.

        Raises:
            TenantNotFoundError: there is no such tenant.
        """
        await self._tenants.get(tenant)
        call.notes["tenant"] = tenant
        query = Query(
            INQUIRIES,
            tenant=tenant,
            equals={} if state is None else {"state": state},
            order="due_time",
            after=after,
            limit=limit,
        )
        found = await self._ports.reader.find(query, Inquiry)
        now = self._ports.clock.now()
        await self._commands.note(
            new_entry(
                call,
                self._ports.ids,
                tenant=tenant,
                type="inquiry.listed",
                time=now,
                reason=reason,
            )
        )
        return [Thread(inquiry, await self._title(inquiry)) for inquiry in found]

    async def thread(self, inquiry: Inquiry) -> Thread:
        """Return the state *inquiry* with what had been written by then.

        For the answer to whoever changed it, and has just given or asked for these words.
        """
        query = Query(
            INQUIRY_MESSAGES,
            tenant=inquiry.tenant,
            equals={"inquiry": inquiry.id},
            limit=inquiry.messages,
        )
        found = await self._ports.reader.find(query, InquiryMessage)
        messages = [await self._written(message) for message in found]
        return Thread(inquiry, await self._title(inquiry), messages)

    async def _change(
        self,
        call: Call,
        tenant: str,
        id: str,
        step: Callable[[Inquiry, datetime], Awaitable[tuple[Inquiry, Sequence[Write], str]]],
        *,
        said: NewMessage | None = None,
    ) -> Committed[InquiryChanged]:
        """Take *step*: it returns the next state, what else to write, and what that is called."""

        async def decide() -> Decision[InquiryChanged]:
            found = await self._find(call, tenant, id)
            now = self._ports.clock.now()
            after, writes, event = await step(found, now)
            entry = self._entry(call, after, event, now)
            if said is not None:
                entry = await committing(self._ports.keyring, entry, said)
            return Decision(
                writes=(Replace(INQUIRIES, after), *writes),
                entries=(entry,),
                outcome=InquiryChanged(after),
            )

        return await self._commands.run(call, tenant, InquiryChanged, decide)

    async def _find(self, call: Call, tenant: str, id: str) -> Inquiry:
        found = await self._ports.reader.get(INQUIRIES, tenant, f"{tenant}/{id}", Inquiry)
        if found is None:
            raise InquiryNotFoundError
        call.notes["tenant"] = tenant
        return found

    async def _message(
        self, inquiry: Inquiry, message: NewMessage, now: datetime
    ) -> InquiryMessage:
        id = f"{inquiry.id}/{inquiry.messages:03d}"
        content = json.dumps({"author": message.author, "text": message.text}).encode()
        return InquiryMessage(
            id=id,
            tenant=inquiry.tenant,
            inquiry=inquiry.id,
            side=message.side,
            create_time=now,
            sealed=await self._sealed(inquiry.tenant, content, _message_place(id)),
        )

    async def _written(self, message: InquiryMessage) -> Written:
        content = await self._ports.keyring.unseal_for_tenant(
            message.tenant, message.sealed, _message_place(message.id)
        )
        return Written(NewMessage(message.side, **json.loads(content)), message.create_time)

    async def _title(self, inquiry: Inquiry) -> str:
        title = await self._ports.keyring.unseal_for_tenant(
            inquiry.tenant, inquiry.sealed_title, _title_place(inquiry.id)
        )
        return title.decode()

    async def _sealed(self, tenant: str, content: bytes, place: str) -> bytes:
        return await self._ports.keyring.seal_for_tenant(tenant, content, place)

    def _entry(
        self, call: Call, inquiry: Inquiry, type: str, now: datetime, *, reason: str = ""
    ) -> Entry:
        return new_entry(
            call,
            self._ports.ids,
            tenant=inquiry.tenant,
            type=type,
            time=now,
            reason=reason,
            target=inquiry.name,
        )


def _title_place(inquiry: str) -> str:
    return f"inquiry/{inquiry}/title"


def _message_place(message: str) -> str:
    return f"inquiry-message/{message}"
