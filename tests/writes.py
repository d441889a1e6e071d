"""Hears every command that is sent to MongoDB, and tells which write outside the commit path."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)

READS = frozenset(
    {
        "aggregate",
        "buildInfo",
        "count",
        "distinct",
        "endSessions",
        "explain",
        "find",
        "getMore",
        "hello",
        "isMaster",
        "ismaster",
        "killCursors",
        "listCollections",
        "listDatabases",
        "listIndexes",
        "ping",
        "replSetGetStatus",
        "serverStatus",
    }
)
"""Commands that write nothing; an aggregate does not if it has no $out and no $merge."""

EXEMPT = {
    ("findAndModify", "leases"): "a lease is taken, renewed and given back by itself",
    ("update", "leases"): "several are renewed or given back at once",
    ("findAndModify", "schema"): "what has been migrated is recorded step by step",
    ("create", None): "the schema adds collections",
    ("collMod", None): "the schema changes validators",
    ("createIndexes", None): "the schema adds indexes",
    ("replSetInitiate", None): "the embedded database becomes a replica set once",
}
"""(command, collection, None being any) → why it may write outside a transaction."""


class Commands(CommandListener):
    """Keeps the commands that were sent, and the order of what happened."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.events: list[str] = []

    def started(self, event: CommandStartedEvent) -> None:
        """Keep the command."""
        self.sent.append((event.command_name, dict(event.command)))

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Keep its name."""
        self.events.append(event.command_name)

    def failed(self, event: CommandFailedEvent) -> None:
        """Keep its name, with what became of it."""
        self.events.append(f"{event.command_name} failed")

    def named(self, name: str) -> list[dict[str, Any]]:
        """Return the commands of this *name*."""
        return [command for sent, command in self.sent if sent == name]


class WriteWatch(CommandListener):
    """Collects the commands that write outside a transaction, unless they are exempt."""

    def __init__(self) -> None:
        self.strays: list[str] = []
        self.in_transactions = 0
        self._is_listening = False

    @contextmanager
    def listening(self) -> Generator[None]:
        """Listen during the block."""
        self.strays = []
        self.in_transactions = 0
        self._is_listening = True
        try:
            yield
        finally:
            self._is_listening = False

    def started(self, event: CommandStartedEvent) -> None:
        """Look at the command."""
        if not self._is_listening or _is_read(event):
            return
        # Only the driver's one transaction sends this; see test_only_committer_writes.
        if event.command.get("autocommit") is False:
            self.in_transactions += 1
            return
        name, collection = event.command_name, event.command[event.command_name]
        if (name, collection) not in EXEMPT and (name, None) not in EXEMPT:
            self.strays.append(f"{name} {collection}")

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Do nothing: a write counts when it is tried."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Do nothing, as above."""


def _is_read(event: CommandStartedEvent) -> bool:
    stages = event.command.get("pipeline", ())
    return event.command_name in READS and not any(
        name in stage for stage in stages for name in ("$out", "$merge")
    )
