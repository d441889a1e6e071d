"""Exports over a real channel: streamed, resumed, each download noted, and kept for days only."""

from __future__ import annotations

import asyncio
import hashlib
import json
from datetime import timedelta
from typing import Any

import grpc
import pytest
from pymongo import AsyncMongoClient

from privacyrights.v1 import subject_rights_service_pb2 as pb
from server.compose import App
from server.domain.change import Kind, Table
from server.domain.clock import SteppingClock
from server.domain.ports import Query
from server.domain.rights.exports import CHUNK_BYTES, KEPT, PIECE_BYTES, exports
from server.domain.values import Role
from server.settings import Settings
from tests.rpc.exercising import ACCESS, ERASURE, ask, exercise, keep, pieces, rights
from tests.rpc.kept import ledger
from tests.rpc.people import end_user, new_tenant, own_user, refused

RECORDS = 160
"""Enough long answers for more than two chunks."""


@pytest.fixture(scope="module")
async def large(channel: grpc.aio.Channel) -> pb.RightsRequest:
    """Return the access request of somebody about whom much is kept."""
    subject = end_user(await new_tenant(channel))
    kept = (keep(channel, subject, f"k{n}", answer="x" * 3900) for n in range(RECORDS))
    await asyncio.gather(*kept)
    return await exercise(channel, subject, ACCESS)


async def download_refused(channel: grpc.aio.Channel, name: str, **fields: Any) -> Any:
    """Return how a download is refused."""
    given: dict[str, Any] = {"name": name, "reason": "handed to the person", **fields}

    async def download() -> None:
        async for _ in rights(channel).DownloadExport(pb.DownloadExportRequest(**given)):
            pass

    return await refused(download())


async def test_large_export_comes_whole(channel: grpc.aio.Channel, large: pb.RightsRequest) -> None:
    """An export of several chunks arrives in order, in small pieces, with its size and digest."""
    received = await pieces(channel, large.name)
    content = b"".join(piece.chunk for piece in received)

    assert len(content) > 2 * CHUNK_BYTES
    assert max(len(piece.chunk) for piece in received) <= PIECE_BYTES
    assert {(len(content), hashlib.sha256(content).hexdigest(), "application/json")} == {
        (piece.total_bytes, piece.digest, piece.media_type) for piece in received
    }
    assert RECORDS == len(json.loads(content)["records"]) == large.outcomes[0].record_count


@pytest.mark.parametrize("at", [1, PIECE_BYTES, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 7])
async def test_download_is_resumed_anywhere(
    channel: grpc.aio.Channel, large: pb.RightsRequest, at: int
) -> None:
    """Who lost the connection goes on from the last byte, wherever in a chunk that was."""
    whole = b"".join(piece.chunk for piece in await pieces(channel, large.name))

    rest = await pieces(channel, large.name, at)

    assert whole[at:] == b"".join(piece.chunk for piece in rest)
    assert at == rest[0].offset


async def test_end_of_an_export_is_told(channel: grpc.aio.Channel, large: pb.RightsRequest) -> None:
    """Who has it all is told so by one empty piece; beyond it there is nothing."""
    total = (await pieces(channel, large.name))[0].total_bytes

    end = await pieces(channel, large.name, total)
    beyond = await download_refused(channel, large.name, offset=total + 1)

    assert [(b"", total)] == [(piece.chunk, piece.offset) for piece in end]
    assert ("FIELD_INVALID", ("offset",)) == (beyond.reason, beyond.fields)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"offset": -1}, "offset"),
        ({"reason": ""}, "reason"),
        ({"reason": "x" * 501}, "reason"),
        ({"reason": "for ada@example.org"}, "reason"),
        ({"name": "tenants/a"}, "name"),
    ],
)
async def test_invalid_download_is_refused(
    channel: grpc.aio.Channel, large: pb.RightsRequest, fields: dict[str, Any], field: str
) -> None:
    """What breaks a rule is refused before anything is noted or sent."""

    found = await download_refused(channel, **{"name": large.name, **fields})

    assert ("FIELD_INVALID", (field,)) == (found.reason, found.fields)


async def test_each_download_is_in_the_ledger(app: App, channel: grpc.aio.Channel) -> None:
    """Art. 5(2): whoever takes a copy, also in part, leaves an entry with the reason."""
    subject = own_user(await new_tenant(channel))
    await keep(channel, subject)
    request = await exercise(channel, subject, ACCESS)

    await pieces(channel, request.name)
    await pieces(channel, request.name, 10)

    entries = [
        each
        for each in await ledger(app.ports, subject.tenant)
        if each.type == "rights.export_downloaded"
    ]
    assert [(request.name, "handed to the person")] * 2 == [
        (each.target, each.reason) for each in entries
    ]


async def test_what_has_no_export_says_so(channel: grpc.aio.Channel) -> None:
    """A request that isn't executed, or isn't one for a copy, has nothing to download."""
    subject = own_user(await new_tenant(channel))
    await keep(channel, subject)
    request = await ask(channel, subject, ACCESS)

    found = await download_refused(channel, request.name)

    assert ("NOT_FOUND", "EXPORT_NOT_FOUND") == (found.code, found.reason)


async def test_export_is_ciphertext_at_rest(
    channel: grpc.aio.Channel, large: pb.RightsRequest, settings: Settings
) -> None:
    """What is stored of an export is sealed, its digest as well."""
    digest = (await pieces(channel, large.name))[0].digest
    assert settings.mongo_uri is not None

    async with AsyncMongoClient[dict[str, Any]](settings.mongo_uri.get_secret_value()) as client:
        stored = await client[settings.database]["exports_processor"].find().to_list(None)

    assert stored
    assert b"xxxxxxxx" not in repr(stored).encode()
    assert digest not in repr(stored)


async def test_erasure_takes_the_export(app: App, channel: grpc.aio.Channel) -> None:
    """After an erasure nobody gets the export that was made before, nor a new one."""
    subject = own_user(await new_tenant(channel))
    await keep(channel, subject)
    request = await exercise(channel, subject, ACCESS)
    await exercise(channel, subject, ERASURE)

    found = await download_refused(channel, request.name)

    assert ("FAILED_PRECONDITION", "SUBJECT_ERASED") == (found.code, found.reason)
    await gone(app, subject.tenant)


async def test_export_expires(app: App, channel: grpc.aio.Channel, clock: SteppingClock) -> None:
    """An export is given out for as long as promised, and then deleted."""
    subject = own_user(await new_tenant(channel))
    await keep(channel, subject)
    request = await exercise(channel, subject, ACCESS)
    clock.advance(KEPT - timedelta(milliseconds=1))
    await pieces(channel, request.name)

    clock.advance(timedelta(milliseconds=1))
    found = await download_refused(channel, request.name)

    assert ("FAILED_PRECONDITION", "EXPORT_EXPIRED") == (found.code, found.reason)
    # Any erasure wakes the purge, which would otherwise come by when it is idle.
    other = own_user(await new_tenant(channel))
    await keep(channel, other)
    await exercise(channel, other, ERASURE)
    await gone(app, subject.tenant)


async def gone(app: App, tenant: str) -> None:
    """Return when no export of the tenant's own people is stored any more."""
    query = Query(exports(Role.CONTROLLER), tenant.removeprefix("tenants/"))
    async with asyncio.timeout(30):
        while await app.ports.reader.count(query):
            await app.ports.reader.wait_for_change(
                Table(Kind.EXPORTS, Role.CONTROLLER), at_most_seconds=1
            )


async def test_other_tenants_export_does_not_exist(
    channel: grpc.aio.Channel, large: pb.RightsRequest
) -> None:
    """An export under another tenant's name is no export at all."""
    id = large.name.rpartition("/")[2]

    found = await download_refused(channel, f"{await new_tenant(channel)}/rightsRequests/{id}")

    assert ("NOT_FOUND", "RIGHTS_REQUEST_NOT_FOUND") == (found.code, found.reason)
