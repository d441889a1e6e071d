"""How far the logs, their trees and the feeds have come."""

from __future__ import annotations

from dataclasses import dataclass

from server.domain.change import Kind, Table
from server.domain.ledger.entry import PARTITIONS, partition_of
from server.domain.ledger.merkle import BLOCK_LEVELS, Node, Tree, joined

HEADS = Table(Kind.LEDGER_HEADS)
PARTITION_HEADS = Table(Kind.LEDGER_PARTITIONS)
NODES = Table(Kind.LEDGER_NODES)


@dataclass(frozen=True, slots=True)
class LedgerHead:
    """The state of one log: what is needed to go on with it, and nothing of what is behind.

    Shapes:
        id: see `head_id`.
        frontier: the roots of complete subtrees, the largest first (`merkle.Tree`).
        checkpoints: how many were signed; the version of the newest one.
        is_signed: whether the newest checkpoint is of this size.
    """

    id: str
    tenant: str
    partition: int
    size: int
    frontier: tuple[bytes, ...]
    checkpoints: int
    is_signed: bool
    version: int

    @property
    def root(self) -> bytes:
        """The root hash of the log."""
        return joined(self.frontier)

    def tree(self) -> Tree:
        """Return the tree, to grow on."""
        return Tree(self.size, list(self.frontier))


@dataclass(frozen=True, slots=True)
class PartitionHead:
    """The state of one partition's feed: `size` is the next feed position."""

    id: str
    tenant: str
    number: int
    size: int
    version: int


@dataclass(frozen=True, slots=True)
class LedgerNode:
    """The hash of a complete subtree of 256, 65,536, … leaves of one log."""

    id: str
    tenant: str
    hash: bytes


def head_id(tenant: str) -> str:
    """Return the id of the head, and of the checkpoint, of a log; that of the platform is "/"."""
    return tenant or "/"


def partition_id(number: int) -> str:
    """Return the id of the head of a partition's feed."""
    return f"{number:02d}"


def node_id(tenant: str, node: Node) -> str:
    """Return the id of a kept node: tenant, how many blocks it is high, and its number."""
    return f"{tenant}/{node.level // BLOCK_LEVELS}/{node.number}"


def new_head(tenant: str) -> LedgerHead:
    """Return the head of a log without entries, which isn't stored."""
    return LedgerHead(
        id=head_id(tenant),
        tenant=tenant,
        partition=partition_of(tenant),
        size=0,
        frontier=(),
        checkpoints=0,
        is_signed=True,
        version=0,
    )


def new_partition(number: int) -> PartitionHead:
    """Return the head of a feed without entries, which isn't stored."""
    assert 0 <= number < PARTITIONS  # noqa: S101 – partitions are numbered by us
    return PartitionHead(id=partition_id(number), tenant="", number=number, size=0, version=0)
