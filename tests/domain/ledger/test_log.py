"""Proofs are read from few kept hashes, and are those of the whole tree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar, cast

import pytest

from server.domain.ledger import LEDGER
from server.domain.ledger.heads import HEADS, NODES, LedgerHead, LedgerNode, node_id
from server.domain.ledger.log import BeyondLogError, Log
from server.domain.ledger.merkle import BLOCK, Node, Tree, is_consistent, is_included
from server.domain.ports import Query, Reader
from tests.domain.ledger.trees import leaves

E = TypeVar("E")

TENANT = "acme"
SIZE = 3 * 65_536 + 5 * 256 + 7
"""Reaches three levels of kept hashes, the highest of them ragged."""

SIZES = (1, 2, 255, 256, 257, 511, 65_535, 65_536, 65_537, 70_000, 131_072, SIZE - 1, SIZE)


class Kept:
    """A log as it is stored: leaf hashes and nodes; counts what is read."""

    def __init__(self) -> None:
        """Grow the log."""
        self.hashes = leaves(SIZE)
        self.roots = {0: Tree().root}
        tree = Tree()
        for hash in self.hashes:
            tree.append(hash)
            if tree.size in SIZES:
                self.roots[tree.size] = tree.root
        self.nodes = {node_id(TENANT, node): hash for node, hash in tree.completed}
        self.head = LedgerHead("acme", TENANT, 0, SIZE, tuple(tree.frontier), 0, False, 1)  # noqa: FBT003 – a dataclass's field
        self.found: list[int] = []

    async def get(self, table: object, tenant: str, id: str, _: type[E]) -> E | None:
        """Return the head."""
        assert (HEADS, TENANT, TENANT) == (table, tenant, id)
        return cast("E", self.head)

    async def find(self, query: Query, type: type[E]) -> Sequence[E]:
        """Return leaf hashes of entries, or nodes."""
        assert query.tenant == TENANT
        found: list[Any] = []
        if query.table == LEDGER:
            first, last = query.at_least["position"], query.at_most["position"]
            assert isinstance(first, int)
            assert isinstance(last, int)
            found = [
                type(f"{TENANT}/{n}", TENANT, n, self.hashes[n])  # type: ignore[call-arg]  # all of them begin so
                for n in range(first, min(last + 1, SIZE))
            ]
        else:
            assert query.table == NODES
            wanted = cast("tuple[str, ...]", query.equals["id"])
            found = [LedgerNode(id, TENANT, self.nodes[id]) for id in wanted if id in self.nodes]
        assert len(found) <= query.limit
        self.found.append(len(found))
        return found


@pytest.fixture(scope="module")
def kept() -> Kept:
    """Return a log of some 200,000 entries."""
    return Kept()


@pytest.fixture
def log(kept: Kept) -> Log:
    """Return what reads it."""
    kept.found.clear()
    return Log(cast("Reader", kept))


@pytest.mark.parametrize("size", SIZES)
async def test_roots_are_those_that_the_log_had(log: Log, kept: Kept, size: int) -> None:
    """The root of every earlier size is found again."""
    assert kept.roots[size] == await log.root(TENANT, size)


@pytest.mark.parametrize("size", SIZES)
async def test_inclusion_is_proven_in_every_size(log: Log, kept: Kept, size: int) -> None:
    """First, last and middle entries are proven to be in the log of a size."""
    for position in {0, size - 1, size // 2, min(size - 1, 65_536)}:
        proof = await log.inclusion_proof(TENANT, position, size)

        assert is_included(kept.hashes[position], position, size, proof, kept.roots[size])


@pytest.mark.parametrize("first", SIZES)
async def test_growth_is_proven_between_all_sizes(log: Log, kept: Kept, first: int) -> None:
    """From each size to each later one."""
    for second in SIZES:
        if second >= first:
            roots = (kept.roots[first], kept.roots[second])
            proof = await log.consistency_proof(TENANT, first, second)

            assert is_consistent(first, second, *roots, proof)


async def test_a_proof_reads_few_hashes(log: Log, kept: Kept) -> None:
    """However long the log, a proof reads two blocks a level: where it begins and the edge."""
    await log.inclusion_proof(TENANT, 70_000, SIZE)

    assert len(kept.found) <= 2 * 3
    assert max(kept.found) <= BLOCK


async def test_what_is_not_there_yet_is_not_proven(log: Log) -> None:
    """A size that the log hasn't reached has no proof, and no root."""
    with pytest.raises(BeyondLogError):
        await log.inclusion_proof(TENANT, 0, SIZE + 1)
    with pytest.raises(BeyondLogError):
        await log.consistency_proof(TENANT, 1, SIZE + 1)


def test_ids_of_nodes() -> None:
    """A node's id tells the log, the height in blocks, and where: proofs find it by that."""
    assert "acme/2/5" == node_id("acme", Node(16, 5))
    assert "/1/0" == node_id("", Node(8, 0))
