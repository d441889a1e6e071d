"""Deletes unanswered messages that were kept long enough (S5, Art. 5(1)(e)).

No retention rule of the catalogue fits them: those count from a person's last interaction, and
these messages have no person. So a setting says for how many days they are kept, from the day
of their release, or of their coming for those that never found company. There is no finer time
to count from. The ledger has a line for each batch of a tenant, and none for a message.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from server.domain.call import Call
from server.domain.change import Change, Delete
from server.domain.errors import ConflictError
from server.domain.ledger import new_entry
from server.domain.ports import Query
from server.domain.unanswered.message import HELD, MESSAGES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from server.domain.change import Table
    from server.domain.ports import Ports

BATCH = 500
"""Most messages deleted by one change: neither memory nor the calls of others feel it."""

_CALL = Call(caller="worker:unanswered", rpc="")

_DAYS = ((MESSAGES, "release_date"), (HELD, "day"))
"""What is deleted, and from which day on its time counts."""


@dataclass(frozen=True, slots=True)
class _Old:
    """What is needed of a message to delete it."""

    id: str
    tenant: str
    version: int


class Forgetting:
    """Deletes what was kept for so many days, whether it was released or still waits.

    Any number of servers may do so at the same time: what is deleted must still be there, so
    that one of two loses and looks again. Each batch is whole by itself; whoever was killed
    between two leaves the rest to the next.
    """

    def __init__(self, ports: Ports, *, days: int) -> None:
        """Work on *ports*; keep for *days*."""
        self._ports = ports
        self._kept = timedelta(days=days)

    async def forget(self, today: date) -> int:
        """Delete what has been kept long enough on *today*, and return how many were."""
        last = (today - self._kept).isoformat()
        count = 0
        for table, day in self._days():
            while batch := await self._batch(table, day, last):
                count += await self._delete(table, batch)
        return count

    def _days(self) -> Sequence[tuple[Table, str]]:
        return _DAYS

    async def _batch(self, table: Table, day: str, last: str) -> Sequence[_Old]:
        """Return some of one tenant's messages of the day *last* or before."""
        query = Query(
            table,
            tenant=None,
            at_most={day: last},
            order=day,
            limit=BATCH,
            only=("id", "tenant", "version"),
        )
        found = await self._ports.reader.find(query, _Old)
        return [each for each in found if each.tenant == found[0].tenant]

    async def _delete(self, table: Table, batch: Sequence[_Old]) -> int:
        tenant = batch[0].tenant
        entry = new_entry(
            _CALL,
            self._ports.ids,
            tenant=tenant,
            type="unanswered_messages.expired",
            time=self._ports.clock.now(),
            target=f"tenants/{tenant}",
        )
        change = Change([Delete(table, each) for each in batch], (entry,))
        try:
            await self._ports.committer.commit(change, type(None))
        except ConflictError:
            return 0  # Another server deleted, or released, some of them.
        return len(batch)
