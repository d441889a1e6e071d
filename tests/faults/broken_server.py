"""The server with one promise broken: `python -m tests.faults.broken_server NAME`.

It is composed as always but for the one part; production code knows nothing of it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, TypeVar, cast
from unittest.mock import patch

from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from server import __main__, compose
from server.domain.call import Call
from server.domain.change import Change, Committed
from server.domain.consent.checks import Checks
from server.domain.consent.processing import Verdict
from server.domain.ports import DEFAULT_FRESHNESS, Freshness
from server.domain.subject import Subject
from server.domain.values import SubjectId
from server.storage.committer import MongoCommitter
from server.storage.driver import Driver
from server.storage.keyring import EnvelopeKeyring

E = TypeVar("E")


class BeforeDurable(Driver):
    """Acknowledges, and decides on, what one member has in memory."""

    read_concern = ReadConcern("local")
    write_concern = WriteConcern(1, j=False)

    def _new_client(self, uri: str, options: Mapping[str, Any]) -> Any:
        weaker = {"w": 1, "journal": False, "readConcernLevel": "local"}
        return super()._new_client(uri, {**options, **weaker})


class WithoutIdempotency(MongoCommitter):
    """Takes every repeat for a new call."""

    async def commit(self, change: Change, outcome: type[E]) -> Committed[E]:
        """Commit, and remember nothing."""
        committed = await super().commit(replace(change, once=None), outcome)
        return replace(committed, outcome=cast("E", change.once and change.once.outcome))


class LedgerAfterwards(MongoCommitter):
    """Writes the ledger when the documents are durable: a fault comes in between."""

    async def commit(self, change: Change, outcome: type[E]) -> Committed[E]:
        """Commit twice."""
        committed = await super().commit(replace(change, entries=()), outcome)
        if not committed.repeated:
            await super().commit(replace(change, writes=(), once=None), outcome)
        return committed


class WithoutEncryption(EnvelopeKeyring):
    """Hands on what it should seal."""

    async def seal(self, subject: Subject, content: bytes, context: str) -> bytes:  # noqa: ARG002 – a broken variant seals nothing
        """Return the content."""
        return content

    async def unseal(self, subject: Subject, sealed: bytes, context: str) -> bytes:  # noqa: ARG002 – a broken variant seals nothing
        """Return the content."""
        return sealed


class RememberingChecks(Checks):
    """Answers a check as the last one like it, whatever has happened since."""

    async def check(
        self,
        call: Call,
        who: SubjectId,
        purpose: str,
        *,
        categories: Sequence[str] = (),
        freshness: Freshness = DEFAULT_FRESHNESS,
    ) -> Verdict:
        """Answer from memory, if anything was ever allowed."""
        if (who, purpose) in _allowed:
            return _allowed[who, purpose]
        found = await super().check(call, who, purpose, categories=categories, freshness=freshness)
        if found.allowed:
            _allowed[who, purpose] = found
        return found


_allowed: dict[tuple[SubjectId, str], Verdict] = {}

BROKEN: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "before_durable": lambda: patch.object(compose, "Driver", BeforeDurable),
    "without_idempotency": lambda: patch.object(compose, "MongoCommitter", WithoutIdempotency),
    "without_encryption": lambda: patch.object(compose, "EnvelopeKeyring", WithoutEncryption),
    "remembering_checks": lambda: patch.object(compose, "Checks", RememberingChecks),
    "ledger_afterwards": lambda: patch.object(compose, "MongoCommitter", LedgerAfterwards),
}


if __name__ == "__main__":
    with BROKEN[sys.argv[1]]():
        sys.exit(__main__.main([]))
