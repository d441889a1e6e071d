"""Trees as RFC 6962 defines them, recomputed from all leaves: what ours is compared with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from hashlib import sha256

from server.domain.ledger.merkle import Node


def leaves(count: int) -> list[bytes]:
    """Return the hashes of *count* leaves, no two of them alike."""
    return [sha256(b"\0" + number.to_bytes(4, "big")).digest() for number in range(count)]


def tree_hash(hashes: Sequence[bytes]) -> bytes:
    """Return MTH of RFC 6962, 2.1, over leaf hashes."""
    if not hashes:
        return sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    return sha256(b"\1" + tree_hash(hashes[:split]) + tree_hash(hashes[split:])).digest()


def hash_of(hashes: Sequence[bytes]) -> Callable[[Node], bytes]:
    """Return what gives the hash of a complete subtree over *hashes*."""

    @cache
    def of(node: Node) -> bytes:
        first = node.number << node.level
        return tree_hash(hashes[first : first + (1 << node.level)])

    return of
