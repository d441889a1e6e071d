"""Reads who shares a subscription and how far it is, for many subscriptions at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Generic, TypeVar

from server.domain.change import Table
from server.domain.feed.subscription import CURSORS, MEMBERS, PLATFORM, Cursor, Member
from server.domain.ledger import PARTITIONS
from server.domain.ports import Query, Reader

MAX_MEMBERS = 32
"""Members of one subscription; those beyond the 16 partitions stand by."""

JOIN_SECONDS = 0.005
"""How long a read waits for others to go along."""

KeptT = TypeVar("KeptT", Cursor, Member)


class _Joined(Generic[KeptT]):
    """Joins the reads of one table that are asked for at about the same time into one find."""

    def __init__(self, reader: Reader, table: Table, kept: type[KeptT], each: int) -> None:
        self._reader = reader
        self._table = table
        self._kept: type[KeptT] = kept
        self._each = each
        self._waiting: dict[str, asyncio.Future[list[KeptT]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def of(self, life: str) -> Sequence[KeptT]:
        """Return the documents of one subscription, read after this was called."""
        future = self._waiting.get(life)
        if future is None:
            future = self._waiting[life] = asyncio.get_running_loop().create_future()
            if len(self._waiting) == 1:
                task = asyncio.create_task(self._find())
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        # One that gives up must not take the others' answer along.
        return await asyncio.shield(future)

    async def _find(self) -> None:
        await asyncio.sleep(JOIN_SECONDS)
        asked, self._waiting = self._waiting, {}
        query = Query(
            self._table,
            PLATFORM,
            equals={"life": tuple(asked)},
            limit=self._each * len(asked),
        )
        found: dict[str, list[KeptT]] = {life: [] for life in asked}
        try:
            for document in await self._reader.find(query, self._kept):
                found[document.life].append(document)
        except Exception as error:  # noqa: BLE001 – whatever it is belongs to those who asked
            for future in asked.values():
                future.set_exception(error)
                future.exception()  # Whoever asked may have gone.
            return
        for life, future in asked.items():
            future.set_result(found[life])


class Roster:
    """The members and cursors of subscriptions, as they are when they are asked for.

    Streams take their passes in step, so that two finds serve many of them.
    """

    def __init__(self, reader: Reader) -> None:
        """Read with *reader*."""
        self._members = _Joined(reader, MEMBERS, Member, 2 * MAX_MEMBERS)
        self._cursors = _Joined(reader, CURSORS, Cursor, PARTITIONS)

    async def members(self, life: str) -> dict[str, Member]:
        """Return the members of a subscription's *life*, also those that may be gone."""
        return {each.member: each for each in await self._members.of(life)}

    async def cursors(self, life: str) -> dict[int, Cursor]:
        """Return the cursors of a subscription's *life*, by partition."""
        return {each.partition: each for each in await self._cursors.of(life)}
