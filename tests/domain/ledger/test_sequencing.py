"""Places are given in order and without gaps, however entries are divided into batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.domain.change import Insert, Position, Replace
from server.domain.ledger import Entry, partition_of
from server.domain.ledger.heads import (
    LedgerHead,
    LedgerNode,
    PartitionHead,
    new_head,
    new_partition,
)
from server.domain.ledger.leaf import leaf_bytes
from server.domain.ledger.merkle import leaf_hash
from server.domain.ledger.sequencing import Sequenced, sequence
from tests.domain.ledger.trees import tree_hash

TENANTS = ("", "acme", "beta", "gamma")
TIME = datetime(2026, 3, 2, tzinfo=UTC)

Decide = Callable[[Sequence[Entry], dict[str, LedgerHead], dict[int, PartitionHead]], Sequenced]


def waiting(tenant: str, number: int) -> Entry:
    """Return an entry without places."""
    return Entry(f"{tenant}/c{number}", tenant, "a.b", TIME, "me", "", partition_of(tenant))


@dataclass
class Ledger:
    """The stored state, as writes leave it."""

    decide: Decide = sequence
    heads: dict[str, LedgerHead] = field(default_factory=dict[str, LedgerHead])
    partitions: dict[int, PartitionHead] = field(default_factory=dict[int, PartitionHead])
    entries: list[Entry] = field(default_factory=list[Entry])
    nodes: dict[str, bytes] = field(default_factory=dict[str, bytes])

    def take(self, batch: Sequence[Entry]) -> None:
        """Sequence *batch*, and apply each write as the database would."""
        heads = {e.tenant: self.heads.get(e.tenant, new_head(e.tenant)) for e in batch}
        numbers = {e.partition for e in batch}
        partitions = {n: self.partitions.get(n, new_partition(n)) for n in numbers}
        for write in self.decide(batch, heads, partitions).writes:
            self._apply(write)

    def _apply(self, write: object) -> None:
        if isinstance(write, Position):
            self.entries.append(write.entry)
            return
        assert isinstance(write, Insert | Replace)
        entity = write.entity
        if isinstance(entity, LedgerNode):
            assert entity.id not in self.nodes
            self.nodes[entity.id] = entity.hash
        elif isinstance(entity, LedgerHead):
            before = self.heads.get(entity.tenant)
            assert entity.version == (before.version if before else 0) + 1
            assert isinstance(write, Insert if before is None else Replace)
            self.heads[entity.tenant] = entity
        else:
            assert isinstance(entity, PartitionHead)
            known = self.partitions.get(entity.number)
            assert entity.version == (known.version if known else 0) + 1
            self.partitions[entity.number] = entity

    def check(self, committed: Sequence[Entry]) -> None:
        """Show that all of *committed* have places in this order, and heads and nodes agree."""
        for tenant in TENANTS:
            log = sorted(
                (e for e in self.entries if e.tenant == tenant), key=lambda e: e.position or 0
            )
            assert [e.id for e in committed if e.tenant == tenant] == [e.id for e in log]
            assert list(range(len(log))) == [e.position for e in log]
            hashes = [leaf_hash(leaf_bytes(e)) for e in log]
            assert hashes == [e.leaf_hash for e in log]
            if log:
                head = self.heads[tenant]
                assert (len(log), tree_hash(hashes)) == (head.size, head.root)
                assert not head.is_signed
            blocks = len(log) // 256
            expected = {
                f"{tenant}/1/{n}": tree_hash(hashes[n * 256 : n * 256 + 256]) for n in range(blocks)
            }
            kept = {i: h for i, h in self.nodes.items() if i.rpartition("/1/")[0] == tenant}
            assert expected == kept
        for number, partition in self.partitions.items():
            feed = [e.feed_position for e in self.entries if e.partition == number]
            assert list(range(partition.size)) == sorted(place or 0 for place in feed)


def holds_in_batches(decide: Decide, whose: Sequence[int], sizes: Sequence[int]) -> None:
    """Show the promise for entries of *whose* tenants, taken in batches of these *sizes*."""
    committed = [waiting(TENANTS[tenant], number) for number, tenant in enumerate(whose)]
    ledger = Ledger(decide)
    rest = committed
    for size in sizes:
        ledger.take(rest[:size])
        rest = rest[size:]
    ledger.take(rest)

    ledger.check(committed)


@settings(max_examples=80)
@given(
    whose=st.lists(st.integers(0, 3), max_size=60),
    sizes=st.lists(st.integers(0, 20), max_size=6),
)
def test_batches_do_not_matter(whose: list[int], sizes: list[int]) -> None:
    """In whatever batches, the same log comes out: contiguous, in order, with its tree."""
    holds_in_batches(sequence, whose, sizes)


@pytest.mark.parametrize("size", [255, 256, 257])
def test_nodes_are_kept_at_the_end_of_each_block(size: int) -> None:
    """A block's root is stored with its last entry, whatever batch that comes in."""
    holds_in_batches(sequence, [1] * 600, [size])


def _without_state(
    batch: Sequence[Entry],
    heads: dict[str, LedgerHead],
    partitions: dict[int, PartitionHead],
) -> Sequenced:
    """Broken: begin at 0 each time."""
    fresh = {tenant: new_head(tenant) for tenant in heads}
    return sequence(batch, fresh, {n: new_partition(n) for n in partitions})


def _newest_first(
    batch: Sequence[Entry],
    heads: dict[str, LedgerHead],
    partitions: dict[int, PartitionHead],
) -> Sequenced:
    """Broken: turn the order round."""
    return sequence(batch[::-1], heads, partitions)


def _without_the_first(
    batch: Sequence[Entry],
    heads: dict[str, LedgerHead],
    partitions: dict[int, PartitionHead],
) -> Sequenced:
    """Broken: leave one out."""
    return sequence(batch[1:], heads, partitions)


@pytest.mark.parametrize("broken", [_without_state, _newest_first, _without_the_first])
def test_that_another_order_would_be_noticed(broken: Decide) -> None:
    """Places given anew, in another order, or not at all break the promise above."""
    with pytest.raises(AssertionError):
        holds_in_batches(broken, [1, 1, 2, 1], [2])
