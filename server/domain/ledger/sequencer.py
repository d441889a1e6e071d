"""Gives entries their places and signs how far each log has come.

Any number of sequencers may be at work on the same partitions: each writes only on top of the
very heads that it has read, so that of two who go on from the same ones, one loses and reads
again. Leases (`server.workers.sequencer`) only keep that from being a waste of work.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from server.domain.change import Change, Replace, Write
from server.domain.ledger.alterations import is_feed_altered, is_log_altered
from server.domain.ledger.checkpoint import (
    CHECKPOINTS,
    Checkpoint,
    checkpoint_text,
    origin,
    signed_note,
)
from server.domain.ledger.entry import LEDGER, Entry
from server.domain.ledger.heads import (
    HEADS,
    PARTITION_HEADS,
    LedgerHead,
    PartitionHead,
    head_id,
    new_head,
    new_partition,
    partition_id,
)
from server.domain.ledger.sequencing import Sequenced, sequence, successor
from server.domain.ports import Query

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.domain.change import Table
    from server.domain.ports import Ports

H = TypeVar("H")

BATCH = 1000
"""Entries that are sequenced in one transaction."""

SIGN_BATCH = 250
"""Checkpoints that are stored in one transaction."""

CACHED_HEADS = 10_000
"""Heads that are kept from one pass to the next, about 1 kB each."""


@dataclass(frozen=True, slots=True)
class _Id:
    """What can be read of any head."""

    id: str


class Sequencer:
    """Sequences partitions, all in one transaction, so that their number is no matter.

    What it remembers of heads is checked by the database with each write, and forgotten when
    a write fails.

    Of a log or feed that was altered, no entry can be given a place. It is set aside, so that the
    others go on; its entries wait.
    """

    def __init__(self, ports: Ports, *, ledger: str, batch: int = BATCH) -> None:
        """Work on *ports*, and sign in the name of *ledger*."""
        self._ports = ports
        self._ledger = ledger
        self._batch = batch
        self._heads: dict[str, LedgerHead] = {}
        self._partitions: dict[int, PartitionHead] = {}
        self._logs_aside: set[str] = set()
        self._feeds_aside: set[int] = set()

    @property
    def aside(self) -> Sequence[str]:
        """The ids of the heads whose logs and feeds are set aside."""
        return [
            *(head_id(tenant) for tenant in sorted(self._logs_aside)),
            *(partition_id(number) for number in sorted(self._feeds_aside)),
        ]

    @property
    def has_unsigned(self) -> bool:
        """Whether a log has grown since its newest checkpoint, as far as this sequencer knows."""
        return any(not head.is_signed for head in self._heads.values())

    def forget(self) -> None:
        """Read everything anew the next time."""
        self._heads.clear()
        self._partitions.clear()

    async def step(self, partitions: frozenset[int]) -> int:
        """Sequence what waits in *partitions*, at most a batch, and return how much that was.

        Raises:
            ConflictError: another sequencer went on from the same heads; read again.
            StorageUnavailableError: the database can't confirm; what it did is read again.
        """
        await self._take_over(partitions - self._feeds_aside)
        partitions -= self._feeds_aside
        if not partitions:
            return 0
        entries = await self._waiting(partitions)
        await self._know({entry.tenant for entry in entries})
        ready = [entry for entry in entries if entry.tenant not in self._logs_aside]
        if ready:
            sequenced = sequence(ready, self._heads, self._partitions)
            await self._commit(sequenced.writes)
            self._remember(sequenced)
        return len(entries)

    async def examine(self, partitions: frozenset[int]) -> Sequence[str]:
        """Set aside what was altered of *partitions*, and take up again what is whole.

        For when nothing goes on: it looks at each log that has something to do. Returns `aside`.

        Raises:
            StorageUnavailableError: the database can't answer.
        """
        self.forget()
        self._logs_aside, self._feeds_aside = set(), set()
        await self._take_over(partitions)
        await self._know({entry.tenant for entry in await self._waiting(partitions)})
        reader = self._ports.reader
        logs = [head for head in self._heads.values() if await is_log_altered(reader, head)]
        feeds = [head for head in self._partitions.values() if await is_feed_altered(reader, head)]
        # Those that can't be read at all are among them already.
        self._logs_aside |= {head.tenant for head in logs}
        self._feeds_aside |= {head.number for head in feeds}
        self.forget()
        return self.aside

    async def sign(self) -> None:
        """Sign and store checkpoints of the logs that have grown, from heads that are durable.

        Raises:
            ConflictError: another sequencer went on from a head, and will sign it.
            StorageUnavailableError: the database can't confirm.
        """
        unsigned = [head for head in self._heads.values() if not head.is_signed][:SIGN_BATCH]
        signed: list[LedgerHead] = []
        writes: list[Write] = []
        for head in unsigned:
            checkpoint = await self._checkpoint(head)
            following = replace(
                head, checkpoints=checkpoint.version, is_signed=True, version=head.version + 1
            )
            signed.append(following)
            writes += [Replace(HEADS, following), successor(CHECKPOINTS, checkpoint)]
        if writes:
            await self._commit(writes)
            self._heads.update({head.tenant: head for head in signed})

    async def _waiting(self, partitions: Iterable[int]) -> Sequence[Entry]:
        """Return the next entries in the order of their stamps, as of one moment.

        A plain read may meet an entry that was committed while it went on, and not another
        that was committed before that one, with a lower stamp, which it had passed already.
        """
        return await self._ports.reader.find(
            Query(
                LEDGER,
                tenant=None,
                equals={"waiting": True, "partition": tuple(sorted(partitions))},
                but={"tenant": tuple(sorted(self._logs_aside))} if self._logs_aside else {},
                order="stamp",
                limit=self._batch,
                is_snapshot=True,
            ),
            Entry,
        )

    async def _take_over(self, partitions: frozenset[int]) -> None:
        """Read how far new partitions have come, and forget those that are others' now."""
        for number in self._partitions.keys() - partitions:
            del self._partitions[number]
        for head in [*self._heads.values()]:
            if head.partition not in partitions:
                del self._heads[head.tenant]
        new = partitions - self._partitions.keys()
        if not new:
            return
        numbers = tuple(sorted(new))
        left = Query(
            HEADS,
            tenant=None,
            equals={"partition": numbers, "is_signed": False},
        )
        unsigned = {_tenant_of(each.id) async for each in self._ports.reader.scan(left, _Id)}
        await self._know(unsigned - self._logs_aside)
        ids = {partition_id(number): number for number in numbers}
        found, unreadable = await self._read(PARTITION_HEADS, "", tuple(ids), PartitionHead)
        self._partitions |= {number: new_partition(number) for number in numbers}
        self._partitions |= {head.number: head for head in found}
        for id in unreadable:
            self._feeds_aside.add(ids[id])
            del self._partitions[ids[id]]

    async def _know(self, tenants: set[str]) -> None:
        """Read the heads of those logs that aren't known."""
        unknown = tenants - self._heads.keys()
        if not unknown:
            return
        ids = tuple(head_id(tenant) for tenant in unknown)
        found, unreadable = await self._read(HEADS, None, ids, LedgerHead)
        self._heads |= {tenant: new_head(tenant) for tenant in unknown}
        self._heads |= _by_tenant(found)
        for id in unreadable:
            self._logs_aside.add(_tenant_of(id))
            del self._heads[_tenant_of(id)]

    async def _read(
        self, table: Table, tenant: str | None, ids: Sequence[str], type: type[H]
    ) -> tuple[Sequence[H], Sequence[str]]:
        """Return the heads called *ids*, and the ids of those that are no heads any more."""
        query = Query(table, tenant=tenant, equals={"id": tuple(ids)}, limit=len(ids))
        try:
            return await self._ports.reader.find(query, type), ()
        except TypeError:
            # One at a time: the others are whole.
            found: list[H] = []
            unreadable: list[str] = []
            for id in ids:
                alone = replace(query, equals={"id": id}, limit=1)
                try:
                    found += await self._ports.reader.find(alone, type)
                except TypeError:
                    unreadable.append(id)
            return found, unreadable

    async def _commit(self, writes: Sequence[Write]) -> None:
        try:
            await self._ports.committer.commit(Change(writes, ()), type(None))
        except BaseException:
            # It may hold all the same, or others went on: only the database knows.
            self.forget()
            raise

    def _remember(self, sequenced: Sequenced) -> None:
        self._partitions |= sequenced.partitions
        if len(self._heads) > CACHED_HEADS:
            self._heads = {t: head for t, head in self._heads.items() if not head.is_signed}
        self._heads |= sequenced.heads

    async def _checkpoint(self, head: LedgerHead) -> Checkpoint:
        time = self._ports.clock.now()
        text = checkpoint_text(origin(self._ledger, head.tenant), head.size, head.root, time)
        made = await self._ports.keyring.sign_bytes(text.encode())
        return Checkpoint(
            id=head.id,
            tenant=head.tenant,
            size=head.size,
            root=head.root,
            sign_time=time,
            key=made.key,
            note=signed_note(
                text, name=self._ledger, public_key=made.public_key, signature=made.signature
            ),
            version=head.checkpoints + 1,
        )


def _tenant_of(id: str) -> str:
    return "" if id == head_id("") else id


def _by_tenant(heads: Iterable[LedgerHead]) -> Mapping[str, LedgerHead]:
    return {head.tenant: head for head in heads}
