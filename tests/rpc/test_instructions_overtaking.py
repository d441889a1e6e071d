"""An import that a revocation on another server overtakes keeps nothing that can be read (S6)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

import grpc
import pytest

from privacyrights.v1 import records_service_pb2 as pb
from privacyrights.v1 import types_pb2
from server.compose import App, compose
from server.domain.call import Call
from server.domain.catalogue.catalogues import Catalogues
from server.domain.catalogue.instructions import Instructions
from server.domain.change import Change, Committed
from server.domain.clock import SteppingClock
from server.domain.ports import Committer
from server.domain.records.batches import RecordBatches
from server.domain.records.records import Records
from server.domain.rights.erasure import SETTLING
from server.domain.tenants import Tenants
from server.domain.values import Role
from server.handlers.imports import ImportCalls
from server.settings import Settings
from server.workers.revocation import RevocationWorker
from tests.rpc.instructing import HISTORY, instruct, revoke
from tests.rpc.kept import CALL, NAME, everything, ledger, put_request
from tests.rpc.people import end_user, grant, new_id, new_tenant
from tests.rpc.test_instructions import CUSTOMISE, MESSAGES, Trusting, categories_of
from tests.rpc.test_records_batches import batch

E = TypeVar("E")

RECORDS = 4
"""Of conversation history in each batch; each batch has one more, which needs no instruction."""


@pytest.fixture(scope="module")
async def other(
    app: App,  # noqa: ARG001 – it prepares the database
    settings: Settings,
    clock: SteppingClock,
) -> AsyncGenerator[grpc.aio.Channel]:
    """Return a connection to a second server over the same database."""
    async with compose(settings, clock=clock) as made:
        await made.server.start()
        async with grpc.aio.insecure_channel(made.server.address) as channel:
            yield channel
        await made.server.stop(5)


class HeldAt:
    """A committer that holds what rests on an instruction, once it is told to."""

    def __init__(self, committer: Committer) -> None:
        self._committer = committer
        self.is_holding = False
        self.entered = asyncio.Event()
        self.opened = asyncio.Event()

    async def commit(self, change: Change, outcome: type[E]) -> Committed[E]:
        """Wait if it is to be held; commit."""
        if self.is_holding and any(entry.target == HISTORY for entry in change.entries):
            self.entered.set()
            await self.opened.wait()
        return await self._committer.commit(change, outcome)


async def overtaken(
    app: App, other: grpc.aio.Channel, who: types_pb2.Subject, kind: type[Instructions]
) -> pb.ImportRecordsResponse:
    """Return what an import of three batches is told, with a revocation in the second.

    The first is kept; the second was decided before the revocation on the *other* server, and
    is committed when that was acknowledged; the third comes after it.
    """
    instruction = await instruct(other, who.tenant)
    held = HeldAt(app.ports.committer)
    ports = replace(app.ports, committer=held)
    catalogues, tenants = Catalogues(ports), Tenants(ports)
    await catalogues.refresh()
    records = Records(ports, catalogues, kind(ports, tenants, catalogues))
    handler = ImportCalls(RecordBatches(ports, tenants, records), ports.clock)

    async def stream() -> AsyncGenerator[pb.ImportRecordsRequest]:
        for number in range(3):
            held.is_holding = number == 1
            history = [
                put_request(
                    who, MESSAGES, purpose=CUSTOMISE, category=HISTORY, key=f"k{number}-{n}"
                )
                for n in range(RECORDS)
            ]
            rest = put_request(who, NAME, purpose=CUSTOMISE, key=f"k{number}")
            yield pb.ImportRecordsRequest(batch=batch(*history, rest))

    call: Call = replace(CALL, request_id=new_id(), content=b"import")
    importing = asyncio.create_task(handler.ImportRecords(stream(), call))
    holding = asyncio.create_task(held.entered.wait())
    await asyncio.wait((importing, holding), return_when=asyncio.FIRST_COMPLETED)
    assert holding.done(), importing.result()
    await revoke(other, instruction)
    held.opened.set()
    return await importing


@pytest.fixture
async def who(channel: grpc.aio.Channel) -> types_pb2.Subject:
    """Return somebody who agreed."""
    subject = end_user(await new_tenant(channel))
    await grant(channel, subject, CUSTOMISE)
    return subject


@pytest.mark.parametrize(
    ("kind", "kept"), [(Instructions, RECORDS + 3), (Trusting, 3 * (RECORDS + 1))]
)
async def test_an_import_is_refused_from_the_revocation_on(
    app: App,
    other: grpc.aio.Channel,
    who: types_pb2.Subject,
    kind: type[Instructions],
    kept: int,
) -> None:
    """Only what was kept before is told as stored; what needs no instruction goes on.

    A server that takes what stood at first for what stands tells all of it as stored.
    """
    told = await overtaken(app, other, who, kind)

    assert (kept, 3 * (RECORDS + 1) - kept) == (told.stored_count, told.failed_count)


async def erase_revoked(app: App) -> None:
    """Erase what is due, beside the server's own worker."""
    worker = RevocationWorker(app.ports, Role.PROCESSOR)
    while await worker.step():
        pass


async def test_nothing_of_an_overtaken_import_stays(
    app: App,
    channel: grpc.aio.Channel,
    other: grpc.aio.Channel,
    clock: SteppingClock,
    who: types_pb2.Subject,
) -> None:
    """On neither server is any of it read; it goes, and what came late when all is settled."""
    await overtaken(app, other, who, Instructions)
    shown = [await everything(each, who, purpose=CUSTOMISE) for each in (channel, other)]
    await erase_revoked(app)
    clock.advance(SETTLING + timedelta(milliseconds=1))
    await erase_revoked(app)

    deleted = [e for e in await ledger(app.ports, who.tenant) if e.type == "record.deleted"]
    assert [[NAME] * 3] * 2 == shown
    assert ["profile"] == await categories_of(app, who)
    assert ({HISTORY}, True) == ({e.target for e in deleted}, len(deleted) > RECORDS)
