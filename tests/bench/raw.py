"""What the service is measured against: `python -m tests.bench.raw insert_one|transaction URI`.

The driver that the server uses, as many callers, one process, the same MongoDB, durable by
the same concerns – and documents copied from those that the server has just written, into
collections with the same validators and indexes (`transaction`) or none (`insert_one`).
"""

from __future__ import annotations

import itertools
import sys
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from server.storage.collections import Layout
from server.storage.driver import Driver
from server.storage.leases import Leases
from server.storage.pending import WAITING
from server.storage.schema import Schema
from tests.bench.load import CALLERS, CallOnce, obey, run
from tests.bench.record_consent import PEOPLE, TENANT

SERVED = "privacyrights"
COPIED = "bench"
DURABLE = WriteConcern("majority", j=True)
PLACED = {"position", "feed_position", "leaf_hash"}
"""What the sequencer gave the entry that is copied since it was committed."""

Client = AsyncMongoClient[dict[str, Any]]
Document = dict[str, Any]


async def main(kind: str, uri: str) -> None:
    """Write to the MongoDB at *uri*."""
    async with Client(uri, maxPoolSize=CALLERS, tz_aware=True) as client:
        await obey(await KINDS[kind](client, uri))


async def insert_one(client: Client, _uri: str) -> CallOnce:
    """Return what inserts one consent decision, and nothing else."""
    decision, _, _, _ = await _written(client)
    collection = client[COPIED].get_collection("plain", write_concern=DURABLE)
    numbers = itertools.count()

    async def call(_caller: int) -> None:
        await collection.insert_one({**decision, "_id": f"{decision['_id']}{next(numbers)}"})

    return call


async def transaction(client: Client, uri: str) -> CallOnce:
    """Return what writes the four documents of RecordConsent in a transaction of its own."""
    decision, entry, record, subject = await _written(client)
    entry = {name: value for name, value in entry.items() if name not in PLACED} | WAITING
    await _prepare(uri)
    main, keys = client[COPIED], client[f"{COPIED}_keys"]
    people: list[deque[Document]] = [
        deque({**subject, "_id": f"{TENANT}/{caller}-{n}", "version": 1} for n in range(PEOPLE))
        for caller in range(CALLERS)
    ]
    await keys["subjects_processor"].insert_many(itertools.chain.from_iterable(people))
    numbers = itertools.count()

    async def call(caller: int) -> None:
        number = next(numbers)
        person = people[caller].popleft()
        before = {"_id": person["_id"], "version": person["version"]}
        after = {**person, "version": person["version"] + 1}
        async with (
            client.start_session() as session,
            await session.start_transaction(ReadConcern("snapshot"), DURABLE),
        ):
            await keys["subjects_processor"].replace_one(before, after, session=session)
            await main["consents_processor"].insert_one(
                {**decision, "_id": f"{decision['_id']}{number}", "subject": person["_id"]},
                session=session,
            )
            await main["ledger"].insert_one(
                {**entry, "_id": f"{entry['_id']}{number}"}, session=session
            )
            await main["idempotency"].insert_one(
                {**record, "_id": f"{record['_id']}{number}"}, session=session
            )
        people[caller].append(after)

    return call


async def _written(client: Client) -> tuple[Document, Document, Document, Document]:
    """Return a decision that the server wrote, its entry, its record, and its person."""
    main, keys = client[SERVED], client[f"{SERVED}_keys"]
    own = {"tenant": TENANT}
    decision = await main["consents_processor"].find_one(own)
    entry = await main["ledger"].find_one({**own, "type": "consent.granted"})
    record = await main["idempotency"].find_one({"outcome.generation": 1})
    subject = await keys["subjects_processor"].find_one(own)
    assert decision is not None
    assert entry is not None
    assert record is not None
    assert subject is not None
    return decision, entry, record, subject


async def _prepare(uri: str) -> None:
    """Make the collections that the server would make."""
    driver = Driver(uri)
    layout = Layout(COPIED)
    await Schema(driver, layout, Leases(driver, layout)).prepare()
    await driver.close()


KINDS: dict[str, Callable[[Client, str], Awaitable[CallOnce]]] = {
    "insert_one": insert_one,
    "transaction": transaction,
}


if __name__ == "__main__":
    run(main(sys.argv[1], sys.argv[2]))
