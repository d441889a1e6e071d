"""The server without a ledger, to measure what a ledger costs: no entries, no commitments."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TypeVar
from unittest.mock import patch

from server import __main__, compose
from server.domain.change import Change, Committed
from server.domain.consent import recording
from server.domain.ledger import Entry
from server.storage.committer import MongoCommitter

E = TypeVar("E")


class Ledgerless(MongoCommitter):
    """Commits all but the entries; the sequencer never finds anything to do."""

    async def commit(self, change: Change, outcome: type[E]) -> Committed[E]:
        """Commit documents and request id."""
        return await super().commit(replace(change, entries=()), outcome)


async def _uncommitted(_keyring: object, entry: Entry, *_sources: object, **_key: object) -> Entry:
    return entry


if __name__ == "__main__":
    with (
        patch.object(compose, "MongoCommitter", Ledgerless),
        patch.object(recording, "committing", _uncommitted),
    ):
        sys.exit(__main__.main([]))
