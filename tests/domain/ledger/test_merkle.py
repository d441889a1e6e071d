"""The tree is that of RFC 6962, and its proofs hold for what is true and for nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256

import pytest

from server.domain.ledger import merkle
from server.domain.ledger.merkle import Tree, is_consistent, is_included
from tests.domain.ledger.trees import hash_of, leaves, tree_hash

MOST = 300
HASHES = leaves(MOST)
HASH_OF = hash_of(HASHES)
ROOTS = [tree_hash(HASHES[:size]) for size in range(MOST + 1)]

# The leaves and values that implementations of Certificate Transparency test themselves with.
KNOWN_LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
KNOWN_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
KNOWN_INCLUSIONS = {
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
}
KNOWN_CONSISTENCIES: dict[tuple[int, int], list[str]] = {
    (1, 1): [],
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}


def has_the_known_values() -> None:
    """Show that roots and proofs are those that everybody else computes."""
    hashes = [merkle.leaf_hash(leaf) for leaf in KNOWN_LEAVES]
    of = hash_of(hashes)

    assert KNOWN_ROOTS == [merkle.root(size, of).hex() for size in range(9)]
    for (position, size), expected in KNOWN_INCLUSIONS.items():
        assert expected == [h.hex() for h in merkle.inclusion_proof(position, size, of)]
    for (first, second), expected in KNOWN_CONSISTENCIES.items():
        assert expected == [h.hex() for h in merkle.consistency_proof(first, second, of)]


def test_known_values() -> None:
    """Roots and proofs over the well-known eight leaves are the well-known ones."""
    has_the_known_values()


def without_prefix(leaf: bytes) -> bytes:
    """Hash a leaf as if it couldn't be taken for a node."""
    return sha256(leaf).digest()


def flat(hashes: Sequence[bytes]) -> bytes:
    """Hash all of them at once."""
    return sha256(b"".join(hashes)).digest()


def halves(count: int) -> int:
    """Split in the middle."""
    return count // 2


@pytest.mark.parametrize(
    ("name", "broken"), [("leaf_hash", without_prefix), ("joined", flat), ("_split", halves)]
)
def test_that_another_tree_would_be_noticed(
    name: str, broken: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Leaves without prefix, flat joins, and splits in the middle make other values."""
    monkeypatch.setattr(merkle, name, broken)

    with pytest.raises((AssertionError, ValueError)):
        has_the_known_values()


def test_growing_is_recomputing() -> None:
    """Whatever its size, a tree that grew leaf by leaf has the root of one made of all leaves."""
    tree = Tree()

    for size, hash in enumerate(HASHES):
        assert ROOTS[size] == tree.root
        assert size.bit_count() == len(tree.frontier)
        tree.append(hash)


def test_nodes_to_keep_are_those_over_blocks() -> None:
    """Every complete subtree of 256 leaves is told once, when its last leaf has come."""
    tree = Tree()
    for hash in HASHES:
        tree.append(hash)

    assert [((8, 0), tree_hash(HASHES[:256]))] == tree.completed


def test_every_inclusion_is_proven() -> None:
    """For all sizes and positions the proof is short, holds, and is over the right leaf only."""
    for size in range(1, MOST + 1):
        for position in range(size):
            proof = merkle.inclusion_proof(position, size, HASH_OF)

            assert len(proof) <= (size - 1).bit_length()
            assert is_included(HASHES[position], position, size, proof, ROOTS[size])


def test_every_growth_is_proven() -> None:
    """For all pairs of sizes the proof that the log only grew is short, and holds."""
    for second in range(1, MOST + 1):
        for first in range(1, second + 1):
            proof = merkle.consistency_proof(first, second, HASH_OF)

            assert len(proof) <= (second - 1).bit_length() + 1
            assert is_consistent(first, second, ROOTS[first], ROOTS[second], proof)


SIZES = range(1, 18)


def altered(proof: list[bytes]) -> list[list[bytes]]:
    """Return *proof* with one hash another, one too few, and one too many."""
    flipped = [
        [*proof[:at], bytes([hash[0] ^ 1]) + hash[1:], *proof[at + 1 :]]
        for at, hash in enumerate(proof)
    ]
    return [*flipped, *([proof[:-1], proof[1:]] if proof else []), [*proof, HASHES[0]]]


def refuses_false_inclusions(verify: Callable[[bytes, int, int, list[bytes], bytes], bool]) -> None:
    """Show that nothing else than what is true can be proven of an entry."""
    for size in SIZES:
        for position in range(size):
            leaf, root = HASHES[position], ROOTS[size]
            proof = merkle.inclusion_proof(position, size, HASH_OF)
            assert not any(verify(leaf, position, size, each, root) for each in altered(proof))
            assert not verify(HASHES[size], position, size, proof, root)
            assert not verify(leaf, position, size, proof, ROOTS[size + 1])
            others = set(range(-1, size + 1)) - {position}
            assert not any(verify(leaf, other, size, proof, root) for other in others)


def test_nothing_false_is_included() -> None:
    """Another leaf, position, root or proof is refused."""
    refuses_false_inclusions(is_included)


def test_that_a_lax_inclusion_would_be_noticed() -> None:
    """A verification that ignores where an entry is breaks the promise above."""

    def anywhere(leaf: bytes, _: int, size: int, proof: list[bytes], root: bytes) -> bool:
        return any(is_included(leaf, place, size, proof, root) for place in range(size))

    with pytest.raises(AssertionError):
        refuses_false_inclusions(anywhere)


def refuses_false_growth(verify: Callable[[int, int, bytes, bytes, list[bytes]], bool]) -> None:
    """Show that a log that was edited, or is shorter than it was, can't prove that it grew."""
    for second in SIZES:
        for first in range(1, second + 1):
            roots = (ROOTS[first], ROOTS[second])
            proof = merkle.consistency_proof(first, second, HASH_OF)
            assert not any(verify(first, second, *roots, each) for each in altered(proof))
            assert not verify(first, second, ROOTS[0], ROOTS[second], proof)
            assert not verify(first, second, ROOTS[first], ROOTS[second + 1], proof)
            assert not verify(second + 1, second, *roots, proof)
            assert not verify(0, second, *roots, proof)


def test_nothing_false_is_consistent() -> None:
    """Another size, root or proof is refused."""
    refuses_false_growth(is_consistent)


def test_that_a_lax_growth_would_be_noticed() -> None:
    """A verification that takes the earlier root for granted breaks the promise above."""

    def forgetful(first: int, second: int, _: bytes, root: bytes, proof: list[bytes]) -> bool:
        return 0 < first <= MOST and is_consistent(first, second, ROOTS[first], root, proof)

    with pytest.raises(AssertionError):
        refuses_false_growth(forgetful)


@pytest.mark.parametrize(("position", "size"), [(0, 0), (3, 3), (-1, 3)])
def test_there_is_no_proof_of_what_is_not_there(position: int, size: int) -> None:
    """A position at or above the size, or below 0, has no proof."""
    with pytest.raises(ValueError, match="position"):
        merkle.inclusion_proof(position, size, HASH_OF)


@pytest.mark.parametrize(("first", "second"), [(0, 3), (4, 3), (-1, 3)])
def test_there_is_no_proof_that_a_log_shrank(first: int, second: int) -> None:
    """Sizes out of order, or none, have no proof."""
    with pytest.raises(ValueError, match="sizes"):
        merkle.consistency_proof(first, second, HASH_OF)
