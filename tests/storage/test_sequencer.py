"""A sequencer gives what was committed its places, in order, and signs what is durable."""

from __future__ import annotations

from base64 import urlsafe_b64decode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar, cast

import pytest
from cryptography.exceptions import InvalidSignature

from server.domain.change import Change, Committed, Write
from server.domain.clock import SteppingClock
from server.domain.errors import StorageUnavailableError
from server.domain.ledger import LEDGER, Entry, partition_of, sequencer
from server.domain.ledger.heads import LedgerHead
from server.domain.ledger.log import Log
from server.domain.ledger.merkle import is_included
from server.domain.ledger.sequencer import Sequencer
from server.domain.ports import Committer, Keyring, Ports, Query
from server.storage.key_file import add_signing_key
from server.storage.keyring import EnvelopeKeyring
from tests.domain.ledger.notes import read_note
from tests.ledgers import NAME, check_ledger
from tests.storage.servers import ALL, Notary, Servers, commit, commit_together, finish, on
from tests.writes import Commands

E = TypeVar("E")


async def test_entries_get_places_in_the_order_of_their_commits(ports: Ports) -> None:
    """Each log and each feed counts from 0, and a checkpoint states its size and root."""
    ids = {tenant: await commit(ports, tenant, 5) for tenant in ("acme", "", "beta")}

    await finish(ports)

    logs = await check_ledger(ports)
    assert ids == {tenant: [entry.id for entry in log] for tenant, log in logs.items()}


async def test_an_entry_stays_as_it_was_but_for_its_places(ports: Ports) -> None:
    """Sequencing adds places and hash to what was committed, and changes nothing else."""
    (id,) = await commit(ports)
    before = await ports.reader.get(LEDGER, "acme", id, Entry)

    await finish(ports)

    after = await ports.reader.get(LEDGER, "acme", id, Entry)
    assert before is not None
    assert after is not None
    assert (None, 0, 0) == (before.position, after.position, after.feed_position)
    assert before == replace(after, position=None, feed_position=None, leaf_hash=b"")


async def test_what_waits_is_taken_in_batches(ports: Ports) -> None:
    """A pass takes so much and no more, and says how much that was."""
    await commit(ports, count=7)
    small = Sequencer(ports, ledger=NAME, batch=3)

    assert [3, 3, 1, 0] == [await small.step(ALL) for _ in range(4)]

    await finish(ports)
    await check_ledger(ports)


async def test_partitions_of_others_are_left_alone(ports: Ports) -> None:
    """A sequencer touches no partition that isn't its own."""
    await commit(ports)
    own = frozenset({partition_of("acme")})
    single = on(ports)

    assert [0, 0, 1] == [await single.step(each) for each in (frozenset[int](), ALL - own, own)]


async def test_logs_go_on_where_they_were(ports: Ports, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a new sequencer nor one that remembers few heads begins a log anew."""
    monkeypatch.setattr(sequencer, "CACHED_HEADS", 2)
    forgetful = on(ports)

    for _ in range(3):
        for tenant in ("acme", "beta", "gamma", "delta"):
            await commit(ports, tenant)
        await forgetful.step(ALL)
        await forgetful.sign()
        await commit(ports)
        await on(ports).step(ALL)
        forgetful.forget()

    await finish(ports)
    await check_ledger(ports)


async def causes_come_first(servers: Servers, kind: type[Sequencer]) -> None:
    """Show that what was decided after another change is told after it, whatever clocks say."""
    noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
    ahead = await servers.one(SteppingClock(noon + timedelta(hours=1)))
    behind = await servers.one(SteppingClock(noon))
    ids = [await commit(ahead), await commit(behind), await commit(ahead), await commit(behind)]

    await kind(ahead, ledger=NAME).step(ALL)

    logs = await check_ledger(ahead, is_signed=False)
    assert [id for (id,) in ids] == [entry.id for entry in logs["acme"]]


async def test_clocks_of_servers_do_not_matter(servers: Servers) -> None:
    """A grant, and its withdrawal through a server whose clock is late, are told in this order."""
    await causes_come_first(servers, Sequencer)


class ById(Sequencer):
    """Broken: orders entries by their ids, which servers make by their own clocks."""

    async def _waiting(self, partitions: Iterable[int]) -> Sequence[Entry]:
        return sorted(await super()._waiting(partitions), key=lambda entry: entry.id)


async def test_that_an_order_by_clocks_would_be_noticed(servers: Servers) -> None:
    """Ids of servers whose clocks differ break the promise above."""
    with pytest.raises(AssertionError):
        await causes_come_first(servers, ById)


@pytest.mark.parametrize("tenants", [1, 32])
async def test_a_pass_costs_the_same_for_one_tenant_and_for_many(
    servers: Servers, tenants: int
) -> None:
    """Whatever the tenants of what waits: one read, and one transaction of few commands."""
    commands = Commands()
    ports = await servers.one(event_listeners=[commands])
    busy = on(ports)
    for _ in range(2):  # The second pass knows the heads.
        for number in range(tenants):
            await commit_together(ports, f"tenant{number}", 64 // tenants)
        commands.sent.clear()
        assert 64 == await busy.step(ALL)

    assert ["find", "update", "delete", "insert", "commitTransaction"] == sorted(
        {name for name, _ in commands.sent},
        key=["find", "update", "delete", "insert", "commitTransaction"].index,
    )
    assert 6 == len(commands.sent)  # Two updates: heads of partitions, heads of logs.
    await finish(ports)
    await check_ledger(ports)


async def test_what_waits_is_read_as_of_one_moment(servers: Servers) -> None:
    """Else it could see an entry, and not the one before it that had been passed by then."""
    commands = Commands()
    ports = await servers.one(event_listeners=[commands])
    commands.sent.clear()

    await on(ports).step(ALL)

    (read,) = [each for each in commands.named("find") if each["find"] == "ledger"]
    assert "snapshot" == read["readConcern"]["level"]


async def test_what_was_not_signed_is_signed_by_the_next(ports: Ports) -> None:
    """A sequencer that dies between sequencing and signing leaves that to whoever follows."""
    await commit(ports, count=3)
    await on(ports).step(ALL)

    following = on(ports)
    assert 0 == await following.step(ALL)
    assert following.has_unsigned
    await following.sign()

    await check_ledger(ports)


@dataclass
class Failing:
    """A committer whose database is away, for now."""

    committer: Committer
    is_away: bool = True

    async def commit(self, change: Change, outcome: type[E]) -> Committed[E]:
        """Fail, or commit."""
        if self.is_away:
            raise StorageUnavailableError
        return await self.committer.commit(change, outcome)


async def states_only_what_is_durable(ports: Ports, kind: type[Sequencer]) -> None:
    """Show that no checkpoint is signed of what a database that is away never confirmed."""
    notary = Notary(cast("EnvelopeKeyring", ports.keyring))
    failing = replace(ports, keyring=cast("Keyring", notary), committer=Failing(ports.committer))
    await commit(ports)

    with pytest.raises(StorageUnavailableError):
        await kind(failing, ledger=NAME).step(ALL)

    assert (await Log(ports.reader).head("acme")).size >= max(notary.sizes, default=0)


async def test_only_what_is_durable_is_signed(ports: Ports) -> None:
    """Checkpoints are of heads whose transaction was confirmed by a majority."""
    await states_only_what_is_durable(ports, Sequencer)


class Hasty(Sequencer):
    """Broken: signs what it is about to write."""

    async def _commit(self, writes: Sequence[Write]) -> None:
        for write in writes:
            entity = getattr(write, "entity", None)
            if isinstance(entity, LedgerHead):
                await self._checkpoint(entity)
        await super()._commit(writes)


async def test_that_signing_too_early_would_be_noticed(ports: Ports) -> None:
    """A checkpoint of what isn't durable breaks the promise above."""
    with pytest.raises(AssertionError):
        await states_only_what_is_durable(ports, Hasty)


async def test_a_failure_is_followed_by_a_fresh_look(ports: Ports) -> None:
    """Nobody knows what became of a write without answer, so that all is read again."""
    await commit(ports)
    failing = Failing(ports.committer)
    failed = on(replace(ports, committer=failing))
    with pytest.raises(StorageUnavailableError):
        await failed.step(ALL)
    await finish(ports)
    await commit(ports)
    failing.is_away = False

    assert 1 == await failed.step(ALL)

    await finish(ports)
    await check_ledger(ports)


async def test_a_new_key_signs_and_the_old_one_verifies(servers: Servers) -> None:
    """After a rotation checkpoints name the new key, and earlier ones verify with theirs."""
    old = await servers.one()
    await commit(old)
    await finish(old)
    first = await Log(old.reader).checkpoint("acme")

    added = add_signing_key(servers.keys)
    new = await servers.one()
    await commit(new)
    await finish(new)
    second = await Log(new.reader).checkpoint("acme")

    assert first is not None
    assert second is not None
    assert (added, 2) == (second.key, second.version)
    keys = {key["kid"]: urlsafe_b64decode(key["x"] + "=") for key in new.keyring.jwks()["keys"]}
    assert (1, 2) == tuple(
        read_note(each.note, name=NAME, public_key=keys[each.key]).size for each in (first, second)
    )
    with pytest.raises((ValueError, InvalidSignature)):
        read_note(second.note, name=NAME, public_key=keys[first.key])
    await check_ledger(new, notes=[first.note])


async def test_proofs_are_read_from_what_is_stored(ports: Ports) -> None:
    """Roots, inclusion and growth are proven from kept hashes, over the end of a block."""
    tenant, size = "acme", 260
    await commit_together(ports, tenant, size)
    await finish(ports)
    log = Log(ports.reader)
    head = await log.head(tenant)
    entries = await ports.reader.find(Query(LEDGER, tenant, order="position", limit=300), Entry)

    for position in (0, 255, 256, 259):
        proof = await log.inclusion_proof(tenant, position, size)
        assert is_included(entries[position].leaf_hash, position, size, proof, head.root)
    assert head.root == await log.root(tenant, size)
