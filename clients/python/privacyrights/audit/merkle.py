"""Merkle trees of logs (RFC 6962 section 2.1), grown leaf by leaf in bounded memory."""

from __future__ import annotations

from hashlib import sha256

_LEAF = b"\x00"
_NODE = b"\x01"


def leaf_hash(leaf: bytes) -> bytes:
    """Return the hash of *leaf*: 32 bytes."""
    return sha256(_LEAF + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of the node above *left* and *right*: 32 bytes."""
    return sha256(_NODE + left + right).digest()


class Frontier:
    """A tree that remembers only its complete subtrees: one for each set bit of its size."""

    def __init__(self) -> None:
        self._size = 0
        self._subtrees: list[bytes] = []

    @property
    def size(self) -> int:
        """The number of leaves."""
        return self._size

    def append(self, leaf: bytes) -> None:
        """Add *leaf* as the last one."""
        self._size += 1
        node = leaf_hash(leaf)
        # As in binary addition: every trailing zero of the new size is a carry.
        for _ in range((self._size & -self._size).bit_length() - 1):
            node = node_hash(self._subtrees.pop(), node)
        self._subtrees.append(node)

    def root(self) -> bytes:
        """Return the root hash: 32 bytes; that of no leaves is the hash of nothing."""
        if not self._subtrees:
            return sha256().digest()
        root = self._subtrees[-1]
        for subtree in reversed(self._subtrees[:-1]):
            root = node_hash(subtree, root)
        return root
