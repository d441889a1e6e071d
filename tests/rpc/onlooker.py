"""Somebody who has the whole database, its history and the tenant's own list, and guesses.

The onlooker knows when each person did something, since the ledger tells, and that each wrote
a message just then. From whatever orders or marks the messages, a guess is made of who wrote
which: the first message is the first person's, and so on.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bson.timestamp import Timestamp
from pymongo import AsyncMongoClient

Document = dict[str, Any]
Client = AsyncMongoClient[dict[str, Any]]

HELD, MESSAGES = "held_messages", "unanswered_messages"


@dataclass(frozen=True)
class History:
    """What the database did with messages: (place in its log, operation), oldest first."""

    held: list[Document] = field(default_factory=list[Document])
    deleted: list[str] = field(default_factory=list[str])
    inserted: list[Document] = field(default_factory=list[Document])
    marks: list[Document] = field(default_factory=list[Document])


class Onlooker:
    """Guesses who wrote what; `guesses` are orders of messages' ids, by what they rest on."""

    def __init__(self, client: Client, database: str, tenant: str) -> None:
        self._client = client
        self._database = database
        self._tenant = tenant.removeprefix("tenants/")
        self._begin = Timestamp(0, 0)

    async def watch(self) -> None:
        """Remember where the database's log ends now."""
        last = await self._client["local"]["oplog.rs"].find_one(sort=[("$natural", -1)])
        assert last is not None
        self._begin = last["ts"]

    async def people(self) -> list[str]:
        """Return the references of those who did something, in the order of the ledger."""
        entries = self._client[self._database]["ledger"]
        found = entries.find({"tenant": self._tenant, "type": "record.put"})
        return [each["subject"] async for each in found.sort([("time", 1), ("_id", 1)])]

    async def guesses(self, listed: Sequence[str]) -> dict[str, list[str]]:
        """Return the orders of the *listed* messages that anything in the database suggests."""
        collection = self._client[self._database][MESSAGES]
        natural = [each async for each in collection.find().sort([("$natural", 1)])]
        by_id = {each["_id"]: each for each in natural if each["_id"] in set(listed)}
        history = await self._history()
        found = {
            "list": list(listed),
            "record ids": [each["_id"] for each in natural if each["_id"] in by_id],
            "log of the database": [
                each["_id"] for each in history.inserted if each["_id"] in by_id
            ],
            **_by_fields(by_id),
            "places in the release": _by_place(history, set(by_id)),
            "what both sides have": _by_marks(history, by_id),
        }
        for name, order in list(found.items()):
            found[f"{name}, backwards"] = order[::-1]
        return found

    async def _history(self) -> History:
        history = History()
        log = self._client["local"]["oplog.rs"].find({"ts": {"$gt": self._begin}})
        async for entry in log.sort([("$natural", 1)]):
            for operation in _operations(entry):
                database, _, name = operation.get("ns", "").partition(".")
                if database != self._database:
                    continue
                match operation["op"], name:
                    case "i", "held_messages":
                        history.held.append(operation["o"])
                    case "i", "unanswered_messages":
                        history.inserted.append(operation["o"])
                    case "i", "idempotency":
                        history.marks.append(operation["o"])
                    case "d", "held_messages":
                        history.deleted.append(operation["o"]["_id"])
                    case _:
                        pass
        return history


def _operations(entry: Document) -> Iterator[Document]:
    inner = entry["o"].get("applyOps") if isinstance(entry.get("o"), dict) else None
    yield from inner or (entry,)


def _by_fields(by_id: Mapping[str, Document]) -> dict[str, list[str]]:
    """Return the order by each field, and by the length of each that has one."""
    orders: dict[str, list[str]] = {}
    for name in sorted({name for each in by_id.values() for name in each}):
        values: dict[str, Any] = {id: each.get(name) for id, each in by_id.items()}
        mixed = random.sample(sorted(by_id), len(by_id))
        orders[name] = sorted(mixed, key=values.__getitem__)
        if all(isinstance(value, str | bytes) for value in values.values()):
            lengths = {id: len(value) for id, value in values.items()}
            orders[f"length of {name}"] = sorted(mixed, key=lengths.__getitem__)
    return orders


def _by_place(history: History, ids: set[str]) -> list[str]:
    """Take the first that was deleted from what waited for the first that was released."""
    came = {each["_id"]: number for number, each in enumerate(history.held)}
    released = [each["_id"] for each in history.inserted if each["_id"] in ids]
    pairs = zip(history.deleted, released, strict=False)
    return [
        message for _, message in sorted((came.get(held, 0), message) for held, message in pairs)
    ]


def _by_marks(history: History, by_id: Mapping[str, Document]) -> list[str]:
    """Join what came and what was released by any value that only the two of them have."""
    came: dict[object, list[int]] = defaultdict(list)
    for number, each in enumerate((*history.held, *history.marks)):
        for value in each.values():
            if isinstance(value, str | bytes):
                came[value].append(number)
    joined = [
        (min(came[value]), id)
        for id, message in by_id.items()
        for value in message.values()
        if isinstance(value, str | bytes) and len(came.get(value, ())) == 1
    ]
    return [id for _, id in sorted(joined)]
