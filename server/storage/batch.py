"""Changes that share one transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from server.domain.errors import ConflictError, RequestIdReusedError
from server.domain.ledger import LEDGER
from server.storage import token
from server.storage.collections import Layout
from server.storage.driver import Driver
from server.storage.failures import NotStorableError, WriteRefusedError
from server.storage.pending import ABSENT, Pending, Receipt
from server.storage.place import Document, Place
from server.storage.transaction import Transaction


class Batch:
    """Runs changes in one transaction: one command for each collection and kind of write."""

    def __init__(self, driver: Driver, layout: Layout, changes: Sequence[Pending]) -> None:
        """Run *changes*, no two of which touch the same document."""
        self._driver = driver
        self._idempotency = layout.idempotency
        self._ledger = layout.place(LEDGER)
        self._changes = changes

    async def run(
        self, *, commit_seconds: float, has_repeats: bool = True
    ) -> dict[Pending, Receipt | Exception]:
        """Make the changes durable, and return the answer to each; repeats write nothing.

        Unless it is said that it *has_repeats*, none is looked for: if there is one, its
        record exists and the batch is refused.

        Raises:
            WriteRefusedError: a document was refused; nothing was written.
            TransactionAbortedError: for a reason that passes; nothing was written.
            StorageUnavailableError: the database can't confirm; nobody knows.
        """
        answers: dict[Pending, Receipt | Exception] = {}
        async with self._driver.transaction() as transaction:
            first_calls = await self._first_calls(transaction) if has_repeats else {}
            fresh: list[Pending] = []
            repeats: list[tuple[Pending, Document]] = []
            for change in self._changes:
                stored = first_calls.get(change.once.key) if change.once is not None else None
                if stored is None:
                    fresh.append(change)
                elif change.once is not None and stored["fingerprint"] == change.once.fingerprint:
                    repeats.append((change, stored))
                else:
                    answers[change] = RequestIdReusedError()
            await _write(transaction, fresh)
            # After the heads: of two who give the same places, one loses before much was done.
            await self._position(transaction, fresh)
            if not (has_repeats or any(change.places for change in fresh)):
                # Also a change that does nothing at all is told a time of the database.
                await transaction.find(self._idempotency, {"_id": {"$in": []}})
            # Also when nothing was written: what a repeat is told must be durable, too.
            time = token.encode(await transaction.commit(seconds=commit_seconds))
        answers.update(dict.fromkeys(fresh, Receipt(time)))
        answers.update({change: Receipt(time, stored) for change, stored in repeats})
        return answers

    async def _position(self, transaction: Transaction, changes: Sequence[Pending]) -> None:
        """Replace what waits by the same with places.

        Two commands for all, since each statement of an update costs the database as much
        as adding five documents.
        """
        positions = [each for change in changes for each in change.positions]
        if not positions:
            return
        waiting = {
            "_id": {"$in": [id for id, _, _ in positions]},
            "tenant": {"$in": list({tenant for _, tenant, _ in positions})},
            "waiting": True,
        }
        await transaction.delete_all(self._ledger, waiting, count=len(positions))
        await transaction.insert(self._ledger, [document for _, _, document in positions])

    async def _first_calls(self, transaction: Transaction) -> dict[str, Document]:
        keys = [change.once.key for change in self._changes if change.once is not None]
        found = await transaction.find(self._idempotency, {"_id": {"$in": keys}})
        return {record["_id"]: record for record in found}

    async def stale(self, place: Place) -> set[Pending]:
        """Return the changes that expect another state of documents in *place* than there is."""
        expected = {
            target.id: (change, version)
            for change in self._changes
            for target, version in change.expected.items()
            if target.place == place
        }
        versions = await self._driver.versions(place, list(expected))
        return {
            change
            for id, (change, version) in expected.items()
            if versions.get(id, ABSENT) != version
        }


async def _write(transaction: Transaction, changes: Sequence[Pending]) -> None:
    deletes: dict[Place, list[Document]] = defaultdict(list)
    replaces: dict[Place, list[tuple[Document, object]]] = defaultdict(list)
    inserts: dict[Place, list[object]] = defaultdict(list)
    purges: dict[Place, list[Document]] = defaultdict(list)
    for change in changes:
        for place, filter in change.deletes:
            deletes[place].append(filter)
        for place, filter, document in change.replaces:
            replaces[place].append((filter, document))
        for place, document in change.inserts:
            inserts[place].append(document)
        for place, filter in change.purges:
            purges[place].append(filter)
    # A document may be deleted and added anew in one change, in this order; what is purged goes
    # last, so that it takes along what a neighbour has just added to the same life of a person.
    for place, filters in deletes.items():
        await transaction.delete(place, filters)
    for place, replacements in replaces.items():
        await transaction.replace(place, replacements)
    for place, documents in inserts.items():
        await transaction.insert(place, documents)
    for place, filters in purges.items():
        await transaction.purge(place, filters)


def verdict(refusal: WriteRefusedError) -> Exception:
    """Return what a change that was alone in its transaction is answered after *refusal*."""
    if refusal.is_conflict:
        return ConflictError()
    return NotStorableError(f"the validator of {refusal.place.collection} refuses a document")
