"""Reads a log's head, checkpoint and proofs; a proof reads two blocks of 256 hashes per level."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from server.domain.errors import SealedContentCorruptError
from server.domain.ledger.checkpoint import CHECKPOINTS, Checkpoint
from server.domain.ledger.entry import LEDGER
from server.domain.ledger.heads import (
    HEADS,
    NODES,
    LedgerHead,
    LedgerNode,
    head_id,
    new_head,
    node_id,
)
from server.domain.ledger.merkle import (
    BLOCK,
    BLOCK_LEVELS,
    Node,
    Tree,
    consistency_path,
    inclusion_path,
    joined,
    peaks,
)
from server.domain.ports import Query

if TYPE_CHECKING:
    from server.domain.ports import Reader


class BeyondLogError(ValueError):
    """The log has not reached that size yet."""


@dataclass(frozen=True, slots=True)
class _Leaf:
    """What a proof needs of an entry."""

    id: str
    tenant: str
    position: int
    leaf_hash: bytes


class Log:
    """The logs as those see them who check on us."""

    def __init__(self, reader: Reader) -> None:
        """Read with *reader*."""
        self._reader = reader

    async def head(self, tenant: str) -> LedgerHead:
        """Return how far the log has come; its size is 0 if nothing was sequenced yet."""
        found = await self._reader.get(HEADS, tenant, head_id(tenant), LedgerHead)
        return found or new_head(tenant)

    async def checkpoint(self, tenant: str) -> Checkpoint | None:
        """Return the newest checkpoint, or None if there is none yet."""
        return await self._reader.get(CHECKPOINTS, tenant, head_id(tenant), Checkpoint)

    async def root(self, tenant: str, size: int) -> bytes:
        """Return the root hash that the log had at *size*.

        Raises:
            BeyondLogError: it has not reached that size.
            SealedContentCorruptError: what is stored of it isn't whole.
        """
        return (await self._hashes(tenant, size, [peaks(0, size)]))[0]

    async def inclusion_proof(self, tenant: str, position: int, size: int) -> list[bytes]:
        """Return the proof that *position* is in the log of that *size* (RFC 6962, 2.1.1).

        Raises:
            ValueError: the position is not below the size.
            BeyondLogError: the log has not reached that size.
        """
        return await self._hashes(tenant, size, inclusion_path(position, size))

    async def consistency_proof(self, tenant: str, first: int, second: int) -> list[bytes]:
        """Return the proof that the log only grew between two sizes (RFC 6962, 2.1.2).

        Raises:
            ValueError: the sizes are not in order, or the first is none.
            BeyondLogError: the log has not reached the second size.
        """
        return await self._hashes(tenant, second, consistency_path(first, second))

    async def _hashes(
        self, tenant: str, size: int, path: Iterable[tuple[Node, ...]]
    ) -> list[bytes]:
        """Return a hash for each part of *path*, joined from its nodes."""
        if (await self.head(tenant)).size < size:
            raise BeyondLogError
        parts = list(path)
        hashes: dict[Node, bytes] = {}
        for height, block in sorted({_block(node) for nodes in parts for node in nodes}):
            hashes |= await self._kept(tenant, height, block)
        try:
            return [joined([_computed(node, hashes) for node in nodes]) for nodes in parts]
        except KeyError:
            # Somebody has altered the database: a log that has a size has all below it.
            raise SealedContentCorruptError from None

    async def _kept(self, tenant: str, height: int, block: int) -> dict[Node, bytes]:
        """Return the kept hashes of one block that exist, *height* blocks above the leaves."""
        start = block * BLOCK
        if height == 0:
            query = Query(
                LEDGER,
                tenant,
                at_least={"position": start},
                at_most={"position": start + BLOCK - 1},
                order="position",
                limit=BLOCK,
            )
            leaves = await self._reader.find(query, _Leaf)
            return {Node(0, leaf.position): leaf.leaf_hash for leaf in leaves}
        level = height * BLOCK_LEVELS
        ids = {
            node_id(tenant, node): node
            for node in (Node(level, index) for index in range(start, start + BLOCK))
        }
        query = Query(NODES, tenant, equals={"id": tuple(ids)}, limit=BLOCK)
        return {ids[node.id]: node.hash for node in await self._reader.find(query, LedgerNode)}


def _block(node: Node) -> tuple[int, int]:
    """Return which block of kept hashes *node* is computed from: height and index."""
    height, above = divmod(node.level, BLOCK_LEVELS)
    return height, (node.number << above) // BLOCK


def _computed(node: Node, hashes: dict[Node, bytes]) -> bytes:
    """Return the hash of *node* from those that are kept below it, or for it."""
    height, above = divmod(node.level, BLOCK_LEVELS)
    level, first = height * BLOCK_LEVELS, node.number << above
    tree = Tree()
    for index in range(first, first + (1 << above)):
        tree.append(hashes[Node(level, index)])
    return tree.root
