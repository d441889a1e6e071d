"""Sequencers that all believe in the same leases leave one log: no gap, no duplicate, no fork."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar, cast

import pytest
from pymongo import AsyncMongoClient

from server.domain.change import Change, Committed, Delete, Position, Purge
from server.domain.errors import ConflictError
from server.domain.ledger.checkpoint import signed_note
from server.domain.ledger.sequencer import Sequencer
from server.domain.ports import Committer, Keyring, Ports
from server.storage.documents import to_document
from server.storage.keyring import EnvelopeKeyring
from tests.ledgers import NAME, check_ledger
from tests.storage.servers import ALL, Notary, Servers, commit, finish, on

E = TypeVar("E")

TENANTS = ("acme", "beta", "")
RIVALS = 3
EACH = 12


class Unchecked:
    """Broken: writes what was decided, whatever has become of what that was decided on."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers

    async def commit(self, change: Change, outcome: type[E]) -> Committed[E]:  # noqa: ARG002 – a broken variant looks at less
        """Write each document."""
        async with AsyncMongoClient[dict[str, Any]](self._servers.uri) as client:
            for write in change.writes:
                assert not isinstance(write, Delete | Purge)
                if isinstance(write, Position):
                    name, document = "ledger", to_document(write.entry)
                else:
                    name, document = write.table.name, to_document(write.entity)
                collection = client[self._servers.prefix][name]
                await collection.replace_one({"_id": document["_id"]}, document, upsert=True)
        return Committed(cast("E", None), "")


@dataclass
class Gate:
    """A committer that waits to be let go on with what was decided before."""

    committer: Committer
    decided: asyncio.Event = field(default_factory=asyncio.Event)
    open: asyncio.Event = field(default_factory=asyncio.Event)

    async def commit(self, change: Change, outcome: type[E]) -> Committed[E]:
        """Commit later."""
        self.decided.set()
        await self.open.wait()
        return await self.committer.commit(change, outcome)


async def loses_its_lease(
    servers: Servers, committer: Callable[[Ports], Committer]
) -> BaseException | None:
    """Show that a log stays whole when another goes on in the middle of a pass.

    Returns:
        How the pass of the first one ended.
    """
    ports, other = await servers.one(), await servers.one()
    gate = Gate(committer(ports))
    await commit(ports)
    passing = asyncio.create_task(on(replace(ports, committer=cast("Committer", gate))).step(ALL))
    await gate.decided.wait()
    await commit(ports, count=2)
    await finish(other)

    gate.open.set()
    (ended,) = await asyncio.gather(passing, return_exceptions=True)

    await commit(ports)
    await finish(other)
    assert 4 == len((await check_ledger(ports))["acme"])
    return ended if isinstance(ended, BaseException) else None


async def test_a_lease_lost_in_the_middle_of_a_pass_does_no_harm(servers: Servers) -> None:
    """What was decided on heads that another has moved on is refused as a whole."""
    ended = await loses_its_lease(servers, lambda ports: ports.committer)

    assert isinstance(ended, ConflictError)


async def test_that_writing_unchecked_would_be_noticed(servers: Servers) -> None:
    """A sequencer that doesn't compare what it goes on from sets the log back.

    What the unique indexes make of that is a log that can't go on: no place is given twice.
    """
    with pytest.raises((AssertionError, ConflictError)):
        await loses_its_lease(servers, lambda _: cast("Committer", Unchecked(servers)))


async def at_it_until(stop: asyncio.Event, sequencer: Sequencer) -> int:
    """Sequence and sign everything until told to stop; return how often another was faster."""
    lost = 0
    while not stop.is_set():
        try:
            await sequencer.step(ALL)
            await sequencer.sign()
        except ConflictError:
            lost += 1
    return lost


async def test_rivals_leave_one_log(servers: Servers) -> None:
    """While others commit, all sequencers work on all partitions; every note stays true."""
    ports = [await servers.one() for _ in range(RIVALS)]
    notary = Notary(cast("EnvelopeKeyring", ports[0].keyring))
    signing = [replace(each, keyring=cast("Keyring", notary)) for each in ports]
    stop = asyncio.Event()
    rivals = [
        asyncio.create_task(at_it_until(stop, Sequencer(each, ledger=NAME, batch=7)))
        for each in signing
    ]

    ids = await asyncio.gather(
        *(commit(each, tenant, EACH) for each in ports for tenant in TENANTS)
    )
    stop.set()
    lost = sum(await asyncio.gather(*rivals))
    await finish(signing[0])

    logs = await check_ledger(ports[0])
    assert dict.fromkeys(TENANTS, RIVALS * EACH) == {t: len(log) for t, log in logs.items()}
    for tenant, log in logs.items():
        order = {entry.id: entry.position or 0 for entry in log}
        for own in ids:
            places = [order[id] for id in own if id in order]
            assert sorted(places) == places, f"an order was changed in {tenant or 'the platform'}"
    assert lost, "they were never in each other's way: nothing was shown"
    await every_note_is_true(ports[0], notary)


async def every_note_is_true(ports: Ports, notary: Notary) -> None:
    """Show that all that was ever signed, stored or not, is a state that the log was in."""
    made = [(text, await notary.keyring.sign_bytes(text)) for text in notary.texts]
    notes = [
        signed_note(text.decode(), name=NAME, public_key=each.public_key, signature=each.signature)
        for text, each in made
    ]
    await check_ledger(ports, notes=notes)
