"""Many records at once, each kept or refused by itself.

Every record is a change of its own, with a request id derived from the batch's: `#` is in no
request id, so that no other call can have the same. A repeat of the batch therefore gives
each record its first outcome, and keeps what a crash left out; as with a single call, what
was refused is decided again. Before any of them, the batch's own id is taken for the whole
content, so that another batch under it is refused as a whole and keeps nothing.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

from server.domain.change import Change
from server.domain.commands import Commands, Decision
from server.domain.errors import DomainError
from server.domain.records.record import NewRecord, RecordPut

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.domain.call import Call
    from server.domain.ports import Ports
    from server.domain.records.records import Records
    from server.domain.tenants import Tenants

Outcome: TypeAlias = RecordPut | DomainError
"""What became of one record."""


@dataclass(frozen=True, slots=True)
class BatchBegun:
    """What the request id of a batch stands for."""

    time: datetime


@dataclass(frozen=True, slots=True)
class BatchPut:
    """What became of each record, in the order asked; `token` is as new as the newest of them."""

    outcomes: Sequence[Outcome]
    token: str


@dataclass(frozen=True, slots=True)
class _Item:
    """A record at its index in the batch, and the call that puts it."""

    call: Call
    index: int
    new: NewRecord


class RecordBatches:
    """Puts batches of records."""

    def __init__(self, ports: Ports, tenants: Tenants, records: Records) -> None:
        """Put through *records*, for *tenants*."""
        self._ports = ports
        self._tenants = tenants
        self._records = records
        self._commands = Commands(ports)

    async def put(
        self, call: Call, tenant: str, asked: Sequence[NewRecord | DomainError]
    ) -> BatchPut:
        """Keep what is *asked*, all of it of *tenant*; what is an error already stays one.

        Records are kept beside each other, those in one place in the order asked: the last
        stays. A person's first one goes ahead, so that the others find the person known.

        Raises:
            TenantNotFoundError: there is no such tenant.
            RequestIdReusedError: the request id belongs to a batch with another content.
        """
        await self._begin(call, tenant)
        content = self._ports.keyring.fingerprint(call.content)
        outcomes: dict[int, Outcome] = {}
        people: dict[str, deque[_Item]] = defaultdict(deque)
        for index, item in enumerate(asked):
            if isinstance(item, DomainError):
                outcomes[index] = item
            else:
                people[item.who.known_as].append(_Item(_part(call, content, index), index, item))
        async with asyncio.TaskGroup() as group:
            for items in people.values():
                group.create_task(self._of_person(items, outcomes))
        # A change of nothing is later than all before it.
        last = await self._ports.committer.commit(Change((), ()), type(None))
        return BatchPut([outcomes[index] for index in range(len(asked))], last.token)

    async def _of_person(self, items: deque[_Item], outcomes: dict[int, Outcome]) -> None:
        while items:
            first = items.popleft()
            outcomes[first.index] = await self._put(first)
            if isinstance(outcomes[first.index], RecordPut):
                break
        places: dict[tuple[str, str], list[_Item]] = defaultdict(list)
        for item in items:
            places[item.new.category, item.new.key].append(item)

        async def in_order(place: list[_Item]) -> None:
            for item in place:
                outcomes[item.index] = await self._put(item)

        async with asyncio.TaskGroup() as group:
            for place in places.values():
                group.create_task(in_order(place))

    async def _begin(self, call: Call, tenant: str) -> None:
        async def decide() -> Decision[BatchBegun]:
            await self._tenants.get(tenant)
            call.notes["tenant"] = tenant
            return Decision((), (), BatchBegun(self._ports.clock.now()))

        await self._commands.run(call, tenant, BatchBegun, decide)

    async def _put(self, item: _Item) -> Outcome:
        try:
            return (await self._records.put(item.call, item.new)).outcome
        except DomainError as error:
            return error


def _part(call: Call, content: bytes, index: int) -> Call:
    """Return the call that puts record *index* of the batch, whose *content* is a digest."""
    return replace(
        call,
        request_id=f"{call.request_id}#{index}",
        content=content + index.to_bytes(4, "big"),
        notes={},
    )
