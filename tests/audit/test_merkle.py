"""The tree is RFC 6962's: known values, and its own definition for every size."""

from __future__ import annotations

import pytest

from privacyrights.audit.merkle import Frontier, leaf_hash
from tests.audit.writer import root

# The test values of the reference implementation of RFC 6962 (google/certificate-transparency).
LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
        *("", "00", "10", "2021", "3031", "40414243"),
        *("5051525354555657", "606162636465666768696a6b6c6d6e6f"),
    )
]
ROOTS = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)


def tree(leaves: list[bytes]) -> Frontier:
    """Return the tree over *leaves*."""
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf)
    return frontier


@pytest.mark.parametrize("size", range(len(ROOTS)))
def test_known_roots(size: int) -> None:
    """The roots of the first leaves are those that every implementation is tested with."""
    assert ROOTS[size] == tree(LEAVES[:size]).root().hex()


def test_known_leaf_hash() -> None:
    """A leaf is hashed behind a zero byte, so that it can't pass for a node."""
    assert ROOTS[1] == leaf_hash(b"").hex()


@pytest.mark.parametrize("size", [*range(70), 127, 128, 129, 200])
def test_definition(size: int) -> None:
    """The root that grows leaf by leaf is the one that the recursive definition gives."""
    leaves = [bytes([number]) for number in range(size)]

    assert root(leaves) == tree(leaves).root()


def test_root_may_be_asked_for_at_any_time() -> None:
    """To ask for a root changes nothing: the tree goes on growing as if nobody had."""
    frontier = Frontier()
    for size, leaf in enumerate(LEAVES, 1):
        frontier.append(leaf)

        assert (size, ROOTS[size]) == (frontier.size, frontier.root().hex())
