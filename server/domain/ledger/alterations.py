"""Finds heads that contradict what is stored: somebody has altered the database.

What a head says, and what it speaks of, are written in one transaction. So they are at odds only
if the head has moved on between two reads, which a third one tells, or if it was altered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from server.domain.ledger.checkpoint import CHECKPOINTS, Checkpoint
from server.domain.ledger.entry import LEDGER
from server.domain.ledger.heads import HEADS, PARTITION_HEADS, LedgerHead, PartitionHead
from server.domain.ports import Query

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.domain.ports import Reader


@dataclass(frozen=True, slots=True)
class _Place:
    """What tells whether an entry is where a head says."""

    id: str
    tenant: str
    position: int
    feed_position: int


async def is_log_altered(reader: Reader, head: LedgerHead) -> bool:
    """Tell whether the log contradicts *head*, or its newest checkpoint does."""
    found = await reader.find(
        Query(
            LEDGER,
            head.tenant,
            at_least={"position": max(0, head.size - 1)},
            order="position",
            limit=2,
        ),
        _Place,
    )
    try:
        checkpoint = await reader.get(CHECKPOINTS, head.tenant, head.id, Checkpoint)
    except TypeError:
        return True  # What is stored there is no checkpoint.
    now = await reader.get(HEADS, head.tenant, head.id, LedgerHead)
    signed = 0 if checkpoint is None else checkpoint.version
    is_sound = _ends([each.position for each in found], head.size) and signed == head.checkpoints
    return not is_sound and head.version == (0 if now is None else now.version)


async def is_feed_altered(reader: Reader, head: PartitionHead) -> bool:
    """Tell whether the feed contradicts *head*."""
    found = await reader.find(
        Query(
            LEDGER,
            tenant=None,
            equals={"partition": head.number},
            at_least={"feed_position": max(0, head.size - 1)},
            order="feed_position",
            limit=2,
        ),
        _Place,
    )
    now = await reader.get(PARTITION_HEADS, head.tenant, head.id, PartitionHead)
    is_sound = _ends([each.feed_position for each in found], head.size)
    return not is_sound and head.version == (0 if now is None else now.version)


def _ends(positions: Sequence[int], size: int) -> bool:
    """Tell whether *positions*, all from the last one on, are those of a log of that *size*."""
    return list(positions) == ([size - 1] if size else [])
