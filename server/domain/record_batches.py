"""Many records at once, each kept or refused by itself.

Every record is a change of its own, with a request id derived from the batch's: `#` is in no
request id, so that no other call can have the same. A repeat of the batch therefore gives
each record its first outcome, and keeps what a crash left out; as with a single call, what
was refused is decided again. Before any of them, the batch's own id is taken for the whole
content, so that another batch under it is refused as a whole and keeps nothing.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

from server.domain.change import Change
from server.domain.commands import Commands, Decision
from server.domain.errors import DomainError
from server.domain.record import NewRecord, RecordPut

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.domain.call import Call
    from server.domain.ports import Ports
    from server.domain.records import Records
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


class RecordBatches:
    """Puts batches of records."""

    def __init__(self, ports: Ports, tenants: Tenants, records: Records) -> None:
        """Put through *records*, for *tenants*."""
        self._ports = ports
        self._tenants = tenants
        self._records = records
        self._commands = Commands(ports.reader, ports.committer, ports.keyring)

    async def put(
        self, call: Call, tenant: str, asked: Sequence[NewRecord | DomainError]
    ) -> BatchPut:
        """Keep what is *asked*, all of it of *tenant*; what is an error already stays one.

        Records of different people are kept beside each other, those of one person in the
        order asked: the first makes the person known, and of two with one key the last stays.

        Raises:
            TenantNotFoundError: there is no such tenant.
            RequestIdReusedError: the request id belongs to a batch with another content.
        """
        await self._begin(call, tenant)
        content = self._ports.keyring.fingerprint(call.content)
        outcomes: dict[int, Outcome] = {}
        queues: dict[str, list[tuple[int, NewRecord]]] = defaultdict(list)
        for index, item in enumerate(asked):
            if isinstance(item, DomainError):
                outcomes[index] = item
            else:
                queues[item.who.value].append((index, item))

        async def work(queue: list[tuple[int, NewRecord]]) -> None:
            for index, item in queue:
                outcomes[index] = await self._put(_part(call, content, index), item)

        async with asyncio.TaskGroup() as group:
            for queue in queues.values():
                group.create_task(work(queue))
        # A change of nothing is later than all before it.
        last = await self._ports.committer.commit(Change((), ()), type(None))
        return BatchPut([outcomes[index] for index in range(len(asked))], last.token)

    async def _begin(self, call: Call, tenant: str) -> None:
        async def decide() -> Decision[BatchBegun]:
            await self._tenants.get(tenant)
            call.notes["tenant"] = tenant
            return Decision((), (), BatchBegun(self._ports.clock.now()))

        await self._commands.run(call, tenant, BatchBegun, decide)

    async def _put(self, call: Call, new: NewRecord) -> Outcome:
        try:
            return (await self._records.put(call, new)).outcome
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
