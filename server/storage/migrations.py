"""What is done once to what earlier releases stored; each step may be cut off and run again."""

from __future__ import annotations

from bson.timestamp import Timestamp

from server.domain.ledger import LEDGER
from server.storage.collections import Layout
from server.storage.driver import Driver
from server.storage.leases import MAJORITY_JOURNALED
from server.storage.place import Document

BATCH = 1000


async def let_entries_wait(driver: Driver, layout: Layout) -> None:
    """Have ledger entries from before there was a sequencer wait for it, in order of time."""
    place = layout.place(LEDGER)
    last = ""
    while True:
        found = await driver.find(
            place,
            {"_id": {"$gt": last}, "stamp": None, "position": None},
            sort=(("_id", 1),),
            limit=BATCH,
        )
        if not found:
            return
        last = found[-1]["_id"]
        await driver.command(
            place.database,
            {
                "update": place.collection,
                "updates": [_waiting(entry) for entry in found],
                "writeConcern": MAJORITY_JOURNALED,
            },
        )


def _waiting(entry: Document) -> Document:
    time = entry["time"]
    stamp = Timestamp(int(time.timestamp()), time.microsecond // 1000 + 1)
    return {
        "q": {"_id": entry["_id"], "tenant": entry["tenant"], "stamp": None, "position": None},
        "u": {"$set": {"waiting": True, "stamp": stamp}},
    }
