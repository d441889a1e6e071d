"""Releases unanswered messages, crowd by crowd, so that nobody can tell who wrote which (S5)."""

from __future__ import annotations

from datetime import timedelta
from random import SystemRandom
from typing import TYPE_CHECKING

from server.domain.call import Call
from server.domain.change import Change, Delete, Insert
from server.domain.errors import ConflictError
from server.domain.identifiers import random_id
from server.domain.ledger import new_entry
from server.domain.ports import Query
from server.domain.unanswered.message import (
    CROWD,
    HELD,
    MESSAGES,
    Held,
    UnansweredMessage,
    held_context,
    released_context,
    taken_out,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from server.domain.change import Write
    from server.domain.ports import Ports

BATCH = 500
"""Most messages released by one change: neither memory nor the calls of others feel it."""

_CALL = Call(caller="worker:release", rpc="")

_BEHIND_ALL = "~"
"""Behind every id in the database's order."""


class Release:
    """Releases what waits, once its crowd is large enough.

    Only what came on an earlier day is released, so that all of a day is mixed, however large
    a crowd grew within an hour. A crowd that is too small waits; it isn't lost.
    """

    def __init__(self, ports: Ports) -> None:
        """Work on *ports*."""
        self._ports = ports

    async def release(self, today: date) -> int:
        """Release all that came before *today* in large enough crowds, and return how many."""
        count = 0
        after: tuple[object, str] | None = None
        while first := await self._next_crowd(today, after):
            while released := await self._crowd(first, today):
                count += released
            after = (first.crowd, _BEHIND_ALL)
        return count

    async def _next_crowd(self, today: date, after: tuple[object, str] | None) -> Held | None:
        query = Query(
            HELD,
            tenant=None,
            at_most={"day": _before(today)},
            order="crowd",
            after=after,
            limit=1,
        )
        found = await self._ports.reader.find(query, Held)
        return found[0] if found else None

    async def _crowd(self, one: Held, today: date) -> int:
        """Release some of the crowd of *one*, and return how many; 0: they are too few."""
        # By id: what is left for later, where they are many, is chance as well.
        query = Query(
            HELD,
            tenant=one.tenant,
            equals={"crowd": one.crowd},
            at_most={"day": _before(today)},
            limit=BATCH,
        )
        held = await self._ports.reader.find(query, Held)
        if len(held) < CROWD:
            return 0
        entry = new_entry(
            _CALL,
            self._ports.ids,
            tenant=one.tenant,
            type="unanswered_messages.released",
            time=self._ports.clock.now(),
            target=f"tenants/{one.tenant}/chatbots/{one.chatbot}",
        )
        released = [await self._released(each, today) for each in self._mixed(held)]
        writes: tuple[Write, ...] = (
            *(Delete(HELD, each) for each in held),
            *(Insert(MESSAGES, each) for each in released),
        )
        try:
            await self._ports.committer.commit(Change(writes, (entry,)), type(None))
        except ConflictError:
            return 0  # Another server released them.
        return len(released)

    def _mixed(self, held: Sequence[Held]) -> Sequence[Held]:
        return SystemRandom().sample(held, len(held))

    def _new_id(self) -> str:
        return random_id()

    async def _released(self, held: Held, today: date) -> UnansweredMessage:
        keyring, tenant = self._ports.keyring, held.tenant
        content = await keyring.unseal_for_tenant(tenant, held.sealed, held_context(held.crowd))
        id = f"{tenant}/{self._new_id()}"
        return UnansweredMessage(
            id=id,
            tenant=tenant,
            version=1,
            chatbot=held.chatbot,
            locale=held.locale,
            release_date=today.isoformat(),
            sealed=await keyring.seal_for_tenant(
                tenant, taken_out(content).encode(), released_context(id)
            ),
        )


def _before(today: date) -> str:
    return (today - timedelta(days=1)).isoformat()
