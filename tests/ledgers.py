"""What must hold of every ledger, whatever happened: looked up entry by entry, past the server."""

from __future__ import annotations

from base64 import urlsafe_b64decode
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from typing import TypeVar

from server.domain.change import Table
from server.domain.ledger import LEDGER, Entry, partition_of
from server.domain.ledger.checkpoint import CHECKPOINTS, Checkpoint, origin
from server.domain.ledger.heads import (
    HEADS,
    NODES,
    PARTITION_HEADS,
    LedgerHead,
    LedgerNode,
    PartitionHead,
)
from server.domain.ledger.leaf import leaf_bytes
from server.domain.ledger.merkle import Tree, leaf_hash
from server.domain.ports import Ports, Query
from tests.domain.ledger.notes import Note, read_note

E = TypeVar("E")

NAME = "ledger.example"
"""What the ledgers of tests are called."""


async def check_ledger(
    ports: Ports, *, notes: Iterable[str] = (), name: str = NAME, is_signed: bool = True
) -> dict[str, list[Entry]]:
    """Show that all logs are whole, and return them by tenant.

    No gap, no duplicate: positions in each log and each feed count from 0. No edit: hashes,
    kept nodes, and roots are those of the entries. No fork: all *notes* that were ever
    signed, and the newest checkpoints, state what the log was like at that size.
    """
    logs = await _logs(ports)
    heads = {head.tenant: head async for head in _all(ports, HEADS, LedgerHead)}
    assert logs.keys() == heads.keys()
    roots: dict[str, list[bytes]] = {}
    nodes: dict[str, bytes] = {}
    for tenant, log in logs.items():
        roots[tenant], kept = _grown(tenant, log)
        nodes |= kept
        head = heads[tenant]
        assert (len(log), roots[tenant][-1]) == (head.size, head.root)
    assert nodes == {node.id: node.hash async for node in _all(ports, NODES, LedgerNode)}
    await _check_feeds(ports, logs)
    signed = {each.tenant: each async for each in _all(ports, CHECKPOINTS, Checkpoint)}
    if is_signed:
        assert {t: len(log) for t, log in logs.items()} == {t: c.size for t, c in signed.items()}
        assert all(head.is_signed for head in heads.values())
    tenants = {origin(name, tenant): tenant for tenant in logs}
    for note in (*notes, *(each.note for each in signed.values())):
        said = _read(ports, note, name)
        assert roots[tenants[said.origin]][said.size] == said.root
    return logs


async def _logs(ports: Ports) -> dict[str, list[Entry]]:
    logs: dict[str, list[Entry]] = defaultdict(list)
    async for entry in _all(ports, LEDGER, Entry):
        assert entry.position is not None, "an entry still waits"
        logs[entry.tenant].append(entry)
    for log in logs.values():
        log.sort(key=lambda entry: entry.position or 0)
        assert list(range(len(log))) == [entry.position for entry in log]
    return dict(logs)


def _grown(tenant: str, log: list[Entry]) -> tuple[list[bytes], dict[str, bytes]]:
    """Return the root at every size, and what is kept of the tree."""
    tree = Tree()
    roots = [tree.root]
    for entry in log:
        assert leaf_hash(leaf_bytes(entry)) == entry.leaf_hash
        tree.append(entry.leaf_hash)
        roots.append(tree.root)
    return roots, {f"{tenant}/{n.level // 8}/{n.number}": hash for n, hash in tree.completed}


async def _check_feeds(ports: Ports, logs: dict[str, list[Entry]]) -> None:
    feeds: dict[int, list[Entry]] = defaultdict(list)
    for tenant, log in logs.items():
        feeds[partition_of(tenant)] += log
        places = [entry.feed_position for entry in log]
        assert sorted(place or 0 for place in places) == places
    async for partition in _all(ports, PARTITION_HEADS, PartitionHead):
        feed = sorted(entry.feed_position or 0 for entry in feeds.pop(partition.number))
        assert list(range(partition.size)) == feed
    assert not feeds


def _read(ports: Ports, note: str, name: str) -> Note:
    for key in ports.keyring.jwks()["keys"]:
        try:
            return read_note(note, name=name, public_key=urlsafe_b64decode(key["x"] + "="))
        except ValueError:
            continue
    raise AssertionError("none of our keys has signed this")


def _all(ports: Ports, table: Table, type: type[E]) -> AsyncIterator[E]:
    return ports.reader.scan(Query(table, None, limit=1000), type)
