"""Servers over one database, and what they commit to the ledger."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from server.domain.call import Call
from server.domain.change import Change
from server.domain.clock import SystemClock
from server.domain.errors import ConflictError
from server.domain.ledger import PARTITIONS, new_entry
from server.domain.ledger.sequencer import Sequencer
from server.domain.ports import Clock, Ports, Signature
from server.storage.keyring import EnvelopeKeyring
from tests.ledgers import NAME
from tests.parts import parts

ALL = frozenset(range(PARTITIONS))
CALL = Call(caller="crm", rpc="ConsentService/RecordConsent")


@dataclass
class Servers:
    """Opens the parts of any number of servers over one database."""

    uri: str
    prefix: str
    keys: Path
    stack: AsyncExitStack

    async def one(self, clock: Clock | None = None, **options: Any) -> Ports:
        """Return the parts of one more server; *options* are the driver's."""
        opened = parts(self.uri, self.prefix, self.keys, clock or SystemClock(), **options)
        return await self.stack.enter_async_context(opened)


@dataclass
class Notary:
    """A keyring that keeps everything that it has signed."""

    keyring: EnvelopeKeyring
    texts: list[bytes] = field(default_factory=list[bytes])

    async def sign_bytes(self, content: bytes) -> Signature:
        """Sign *content*, and keep it."""
        self.texts.append(content)
        return await self.keyring.sign_bytes(content)

    @property
    def sizes(self) -> list[int]:
        """The sizes of logs that were ever stated."""
        return [int(text.split(b"\n")[1]) for text in self.texts]


def on(ports: Ports) -> Sequencer:
    """Return a sequencer that has just started."""
    return Sequencer(ports, ledger=NAME)


async def commit(ports: Ports, tenant: str = "acme", count: int = 1) -> list[str]:
    """Commit entries, one change after another, and return their ids."""
    ids: list[str] = []
    for _ in range(count):
        entry = new_entry(CALL, ports.ids, tenant=tenant, type="a.b", time=ports.clock.now())
        await ports.committer.commit(Change((), (entry,)), type(None))
        ids.append(entry.id)
    return ids


async def commit_together(ports: Ports, tenant: str, count: int) -> None:
    """Commit entries in one change."""
    time = ports.clock.now()
    entries = [
        new_entry(CALL, ports.ids, tenant=tenant, type="a.b", time=time) for _ in range(count)
    ]
    await ports.committer.commit(Change((), entries), type(None))


async def finish(ports: Ports, *, attempts: int = 5) -> None:
    """Sequence and sign what is left.

    Raises:
        ConflictError: it is refused again and again.
    """
    last = on(ports)
    try:
        while await last.step(ALL):
            pass
        while last.has_unsigned:
            await last.sign()
    except ConflictError:
        if attempts == 1:
            raise
        await finish(ports, attempts=attempts - 1)
