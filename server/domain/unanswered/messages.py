"""Taking unanswered messages in, and giving the tenant those that were released (S5).

Taking one in leaves no line in the ledger, which would tell when; and what recognises a repeat
has the request id as a keyed digest only, since callers may make request ids out of
conversations. What is answered is durable: it waits, sealed, from the answer on.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field, replace
from random import SystemRandom
from typing import TYPE_CHECKING

from server.domain.change import Delete, Insert
from server.domain.commands import Commands, Decision
from server.domain.errors import ChatbotNotFoundError
from server.domain.identifiers import random_id
from server.domain.ledger import new_entry
from server.domain.ports import Query
from server.domain.tenants import CHATBOTS, Chatbot
from server.domain.unanswered.masking import masked
from server.domain.unanswered.message import (
    HELD,
    MESSAGES,
    Held,
    UnansweredMessage,
    filled_up,
    held_context,
    released_context,
    size_of,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from server.domain.call import Call
    from server.domain.change import Committed
    from server.domain.ports import Ports
    from server.domain.tenants import Tenants

PAGE_BYTES = 512 * 1024
"""Most ciphertext in one page, so that what is returned stays a message that clients accept."""

_YIELD_EVERY = 20
"""Messages that are masked before others have their turn."""


@dataclass(frozen=True, slots=True)
class Submission:
    """What is handed in at once: messages to one chatbot in one language."""

    tenant: str
    chatbot: str
    locale: str
    texts: Sequence[str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Opened:
    """A released message with its text in clear."""

    message: UnansweredMessage
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Deleted:
    """What the caller of `delete` is told, now and at a repeat."""

    count: int


class UnansweredMessages:
    """Takes unanswered messages in, lists those that were released, and deletes them."""

    def __init__(self, ports: Ports, tenants: Tenants) -> None:
        """Work on *ports*, for *tenants*."""
        self._ports = ports
        self._tenants = tenants
        self._commands = Commands(ports)

    async def submit(self, call: Call, new: Submission) -> None:
        """Have the messages of *new* wait for their release.

        Raises:
            TenantNotFoundError: there is no such tenant.
            ChatbotNotFoundError: the tenant has no such chatbot.
            RequestIdReusedError: the request id belongs to another submission.
        """

        async def decide() -> Decision[None]:
            await self._tenants.get(new.tenant)
            id = f"{new.tenant}/{new.chatbot}"
            chatbot = await self._ports.reader.get(CHATBOTS, new.tenant, id, Chatbot)
            if chatbot is None or chatbot.delete_time is not None:
                raise ChatbotNotFoundError
            return Decision([Insert(HELD, each) for each in await self._held(new)], (), None)

        await self._commands.run(self._unlinked(call, new.tenant), new.tenant, type(None), decide)

    async def released(
        self,
        tenant: str,
        *,
        chatbot: str,
        day: str,
        after: tuple[object, str] | None,
        size: int,
    ) -> tuple[Sequence[Opened], bool]:
        """Return one page of a tenant's released messages, and whether there are more.

        They come by day, and within a day by their ids, which are random. *chatbot* and *day*
        restrict the list if they aren't empty.

        Raises:
            TenantNotFoundError: there is no such tenant.
        """
        await self._tenants.get(tenant)
        asked = {"chatbot": chatbot, "release_date": day}
        query = Query(
            MESSAGES,
            tenant=tenant,
            equals={name: value for name, value in asked.items() if value},
            order="release_date",
            after=after,
            limit=size + 1,
        )
        found = await self._ports.reader.find(query, UnansweredMessage)
        page: list[UnansweredMessage] = []
        room = PAGE_BYTES
        for message in found:
            room -= len(message.sealed)
            if page and (room < 0 or len(page) == size):
                break
            page.append(message)
        opened = await asyncio.gather(*(self._opened(each) for each in page))
        return opened, len(page) < len(found)

    async def delete(self, call: Call, tenant: str, ids: Collection[str]) -> Committed[Deleted]:
        """Delete those of a tenant's released messages that have one of *ids*.

        Raises:
            TenantNotFoundError: there is no such tenant.
        """

        async def decide() -> Decision[Deleted]:
            await self._tenants.get(tenant)
            call.notes["tenant"] = tenant
            query = Query(MESSAGES, tenant=tenant, equals={"id": tuple(ids)}, limit=len(ids))
            found = await self._ports.reader.find(query, UnansweredMessage)
            entry = new_entry(
                call,
                self._ports.ids,
                tenant=tenant,
                type="unanswered_messages.deleted",
                time=self._ports.clock.now(),
                target=f"tenants/{tenant}",
            )
            return Decision(
                writes=[Delete(MESSAGES, each) for each in found],
                entries=(entry,) if found else (),
                outcome=Deleted(len(found)),
            )

        return await self._commands.run(call, tenant, Deleted, decide)

    def _unlinked(self, call: Call, tenant: str) -> Call:
        """Return *call* with its request id as a digest that only the service can make."""
        id = f"{call.rpc}\0{tenant}\0{call.request_id}"
        return replace(call, request_id=self._ports.keyring.fingerprint(id.encode()).hex())

    def _new_id(self) -> str:
        return random_id()

    async def _held(self, new: Submission) -> list[Held]:
        turns = Counter[int]()
        day = self._ports.clock.now().date().isoformat()
        held: list[Held] = []
        # Which of them takes which turn must tell nothing of their order either.
        for number, text in enumerate(_shuffled(new.texts)):
            if number % _YIELD_EVERY == 0:
                await asyncio.sleep(0)
            kept = masked(text)
            size = size_of(kept)
            crowd = f"{new.tenant}/{new.chatbot}/{new.locale}/{size}/{turns[size]}"
            turns[size] += 1
            held.append(
                Held(
                    id=f"{new.tenant}/{self._new_id()}",
                    tenant=new.tenant,
                    version=1,
                    chatbot=new.chatbot,
                    locale=new.locale,
                    crowd=crowd,
                    day=day,
                    sealed=await self._ports.keyring.seal_for_tenant(
                        new.tenant, filled_up(kept, size), held_context(crowd)
                    ),
                )
            )
        return held

    async def _opened(self, message: UnansweredMessage) -> Opened:
        content = await self._ports.keyring.unseal_for_tenant(
            message.tenant, message.sealed, released_context(message.id)
        )
        return Opened(message, content.decode())


def _shuffled(texts: Sequence[str]) -> list[str]:
    return SystemRandom().sample(texts, len(texts))
