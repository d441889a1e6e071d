"""Decides the places of entries that wait, in the order in which they were committed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from server.domain.change import Insert, Position, Replace, Table, Versioned, Write
from server.domain.ledger.entry import Entry
from server.domain.ledger.heads import (
    HEADS,
    NODES,
    PARTITION_HEADS,
    LedgerHead,
    LedgerNode,
    PartitionHead,
    node_id,
)
from server.domain.ledger.leaf import leaf_bytes
from server.domain.ledger.merkle import Tree, leaf_hash


@dataclass(frozen=True, slots=True)
class Sequenced:
    """What gives entries their places, and how far logs and feeds have come with that."""

    writes: list[Write]
    heads: dict[str, LedgerHead]
    partitions: dict[int, PartitionHead]


def sequence(
    entries: Iterable[Entry],
    heads: Mapping[str, LedgerHead],
    partitions: Mapping[int, PartitionHead],
) -> Sequenced:
    """Give *entries*, in this order, the next places after *heads* and *partitions*.

    The writes hold only if nobody else has gone on from the same heads: each replaces the
    version that it was decided on.

    Shapes:
        heads: by tenant; one for each that has an entry.
        partitions: by number; likewise.
    """
    trees: dict[str, Tree] = {}
    ends: dict[int, int] = {}
    positions: list[Write] = []
    for entry in entries:
        tree = trees.get(entry.tenant)
        if tree is None:
            tree = trees[entry.tenant] = heads[entry.tenant].tree()
        end = ends.get(entry.partition)
        if end is None:
            end = partitions[entry.partition].size
        hash = leaf_hash(leaf_bytes(entry, tree.size))
        placed = replace(entry, position=tree.size, feed_position=end, leaf_hash=hash)
        positions.append(Position(placed))
        tree.append(hash)
        ends[entry.partition] = end + 1
    grown = {tenant: _grown(heads[tenant], tree) for tenant, tree in trees.items()}
    ended = {number: _ended(partitions[number], end) for number, end in ends.items()}
    return Sequenced(
        # Partitions first: of two sequencers of one, the second stops right there.
        [
            *(successor(PARTITION_HEADS, head) for head in ended.values()),
            *(successor(HEADS, head) for head in grown.values()),
            *(node for tenant, tree in trees.items() for node in _nodes(tenant, tree)),
            *positions,
        ],
        grown,
        ended,
    )


def successor(table: Table, entity: Versioned) -> Write:
    """Return the write that puts *entity* in the place of the version before it, if any."""
    return Insert(table, entity) if entity.version == 1 else Replace(table, entity)


def _grown(head: LedgerHead, tree: Tree) -> LedgerHead:
    return LedgerHead(
        id=head.id,
        tenant=head.tenant,
        partition=head.partition,
        size=tree.size,
        frontier=tuple(tree.frontier),
        checkpoints=head.checkpoints,
        is_signed=False,
        version=head.version + 1,
    )


def _ended(head: PartitionHead, size: int) -> PartitionHead:
    return PartitionHead(head.id, head.tenant, head.number, size, head.version + 1)


def _nodes(tenant: str, tree: Tree) -> list[Write]:
    return [
        Insert(NODES, LedgerNode(node_id(tenant, node), tenant, hash))
        for node, hash in tree.completed
    ]
