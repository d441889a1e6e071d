"""The Merkle tree over a log: hashes, growth, proofs and their verification (RFC 6962, 2.1).

A node is named by (level, number): it covers the leaves from number · 2^level on, 2^level of
them. Only nodes of which all leaves exist have a name; what is ragged at the right edge is
joined from them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import NamedTuple

EMPTY_ROOT = sha256(b"").digest()
"""The root of a log without entries."""

BLOCK_LEVELS = 8
"""Levels from one kept hash to the next: leaves, nodes over 256, nodes over 65,536, …"""

BLOCK = 1 << BLOCK_LEVELS
"""Kept hashes under one kept node."""


class Node(NamedTuple):
    """A complete subtree: `number` counts those of its level from the left, from 0."""

    level: int
    number: int


HashOf = Callable[[Node], bytes]


def leaf_hash(leaf: bytes) -> bytes:
    """Return the hash of a leaf."""
    return sha256(b"\0" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of what is over *left* and *right*."""
    return sha256(b"\1" + left + right).digest()


def joined(hashes: Sequence[bytes]) -> bytes:
    """Return the root over complete subtrees, each smaller than the one before it.

    Of a frontier that is the root of the log.
    """
    if not hashes:
        return EMPTY_ROOT
    root = hashes[-1]
    for left in reversed(hashes[:-1]):
        root = node_hash(left, root)
    return root


@dataclass(slots=True)
class Tree:
    """A tree that grows, by what is needed for that: the roots of its complete subtrees.

    Shapes:
        frontier: a hash for each bit that is set in `size`, the largest subtree first.
        completed: nodes to keep, in the order in which they were completed.
    """

    size: int = 0
    frontier: list[bytes] = field(default_factory=list[bytes])
    completed: list[tuple[Node, bytes]] = field(default_factory=list[tuple[Node, bytes]])

    def append(self, leaf: bytes) -> None:
        """Add the hash of the next leaf."""
        level, index, hash = 0, self.size, leaf
        while index & 1:
            hash = node_hash(self.frontier.pop(), hash)
            level, index = level + 1, index >> 1
            if level % BLOCK_LEVELS == 0:
                self.completed.append((Node(level, index), hash))
        self.frontier.append(hash)
        self.size += 1

    @property
    def root(self) -> bytes:
        """The root hash."""
        return joined(self.frontier)


def peaks(start: int, end: int) -> tuple[Node, ...]:
    """Return the complete subtrees over the leaves from *start* up to *end*, left to right.

    *start* must be a multiple of the largest power of two that fits in between.
    """
    found: list[Node] = []
    while start < end:
        level = (end - start).bit_length() - 1
        found.append(Node(level, start >> level))
        start += 1 << level
    return tuple(found)


def inclusion_path(position: int, size: int) -> list[tuple[Node, ...]]:
    """Return, for each hash of the proof, the nodes that it is joined from (RFC 6962, 2.1.1).

    Raises:
        ValueError: there is no such position in a log of that size.
    """
    if not 0 <= position < size:
        raise ValueError("a position must be below the log's size")
    path: list[tuple[Node, ...]] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if position < middle:
            path.append(peaks(middle, end))
            end = middle
        else:
            path.append(peaks(start, middle))
            start = middle
    path.reverse()
    return path


def consistency_path(first: int, second: int) -> list[tuple[Node, ...]]:
    """Return, for each hash of the proof, the nodes that it is joined from (RFC 6962, 2.1.2).

    Raises:
        ValueError: the sizes are not in order, or the first is none.
    """
    if not 0 < first <= second:
        raise ValueError("sizes must be in order, from 1")
    path: list[tuple[Node, ...]] = []
    start, end = 0, second
    while first != end:
        middle = start + _split(end - start)
        if first <= middle:
            path.append(peaks(middle, end))
            end = middle
        else:
            path.append(peaks(start, middle))
            start = middle
    if start:
        # The verifier has the root of the first size, but not of this part of it.
        path.append(peaks(start, end))
    path.reverse()
    return path


def root(size: int, hash_of: HashOf) -> bytes:
    """Return the root of the first *size* leaves."""
    return joined([hash_of(node) for node in peaks(0, size)])


def inclusion_proof(position: int, size: int, hash_of: HashOf) -> list[bytes]:
    """Return the hashes from the leaf's sibling up to just below the root.

    Raises:
        ValueError: there is no such position in a log of that size.
    """
    return _proof(inclusion_path(position, size), hash_of)


def consistency_proof(first: int, second: int, hash_of: HashOf) -> list[bytes]:
    """Return the hashes that show that a log of size *second* begins with that of size *first*.

    Raises:
        ValueError: the sizes are not in order, or the first is none.
    """
    return _proof(consistency_path(first, second), hash_of)


def is_included(leaf: bytes, position: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Tell whether *proof* shows the leaf hash *leaf* at *position* of the log with that *root*."""
    if not 0 <= position < size:
        return False
    hash, index, last = leaf, position, size - 1
    for sibling in proof:
        if not last:
            return False
        if index & 1 or index == last:
            hash = node_hash(sibling, hash)
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            hash = node_hash(hash, sibling)
        index, last = index >> 1, last >> 1
    return last == 0 and hash == root


def is_consistent(
    first: int, second: int, first_root: bytes, second_root: bytes, proof: Sequence[bytes]
) -> bool:
    """Tell whether *proof* shows that the log of size *second* begins with that of size *first*.

    Source: RFC 9162, 2.1.4.2, which spells out what RFC 6962 leaves to the reader.
    """
    if not 0 < first <= second:
        return False
    if first == second:
        return not proof and first_root == second_root
    hashes = list(proof)
    if first & (first - 1) == 0:
        hashes.insert(0, first_root)
    if not hashes:
        return False
    index, last = first - 1, second - 1
    while index & 1:
        index, last = index >> 1, last >> 1
    old = new = hashes[0]
    for sibling in hashes[1:]:
        if not last:
            return False
        if index & 1 or index == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        index, last = index >> 1, last >> 1
    return last == 0 and old == first_root and new == second_root


def _proof(path: Iterable[tuple[Node, ...]], hash_of: HashOf) -> list[bytes]:
    return [joined([hash_of(node) for node in nodes]) for nodes in path]


def _split(count: int) -> int:
    """Return the largest power of two below *count*."""
    return 1 << (count - 1).bit_length() - 1
