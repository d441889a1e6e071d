"""Whose data it is, and what it says, is in no log, ledger entry or error, and sealed at rest."""

from __future__ import annotations

from typing import Any

import bson
import grpc
from pymongo import AsyncMongoClient

from privacyrights.v1 import records_service_pb2 as pb
from privacyrights.v1 import types_pb2
from server.compose import App
from server.settings import Settings
from tests.rpc.conftest import Logged
from tests.rpc.kept import PROFILE, ledger, put, put_request, read, stub
from tests.rpc.people import end_user, new_id, new_tenant, refused
from tests.rpc.refusal import Refusal

ID = "canaryid-7c1f"
VALUE = "canaryvalue-9e2b"
NAME = {"name": VALUE}


async def every_call(channel: grpc.aio.Channel, subject: types_pb2.Subject) -> list[Refusal]:
    """Make each call with the canaries in it, right and wrong; return the refusals."""
    service = stub(channel)
    await service.RegisterSubject(pb.RegisterSubjectRequest(subject=subject, request_id=new_id()))
    await service.GetSubject(pb.GetSubjectRequest(subject=subject))
    await put(channel, subject, NAME)
    batch = pb.BatchPutRecordsRequest(request_id=new_id())
    batch.requests.append(put_request(subject, NAME, key="k", request_id=""))
    batch.requests.append(
        put_request(subject, {f"{VALUE}.": VALUE, "locale": VALUE * 9}, request_id="")
    )
    answered = await service.BatchPutRecords(batch)
    assert VALUE not in str(answered)
    await read(channel, subject)
    delete = pb.DeleteRecordRequest(subject=subject, category=PROFILE, key="k", request_id=new_id())
    await service.DeleteRecord(delete)
    delete.request_id = new_id()
    return [
        await refused(call)
        for call in (
            service.DeleteRecord(delete),
            put(channel, subject, {f"{VALUE} {VALUE}": 1}),
            put(channel, subject, {"name": VALUE * 100}),
            put(channel, subject, NAME, key=ID),
            put(channel, subject, NAME, purpose=f"purposes/{VALUE}/"),
            put(channel, subject, NAME, category=VALUE),
            put(channel, end_user(f"{subject.tenant}/{ID}", ID), NAME),
            put(channel, subject, NAME, request_id=f"{VALUE} "),
            read(channel, subject, reason=f"{ID} asked"),
            read(channel, subject, page_token=VALUE),
            read(channel, end_user(subject.tenant, f"{ID}-unknown")),
        )
    ]


async def test_no_canary_leaves_where_it_is_sealed(
    app: App, settings: Settings, channel: grpc.aio.Channel, logged: Logged
) -> None:
    """After each call, right and wrong, neither id nor value is anywhere in clear."""
    tenant = await new_tenant(channel)

    refusals = await every_call(channel, end_user(tenant, ID))

    entries = await ledger(app.ports, tenant)
    assert {"subject.registered", "record.put", "record.read", "record.deleted"} < {
        entry.type for entry in entries
    }
    lines = logged()
    assert {"RecordsService/PutRecord", "RecordsService/ReadRecords"} < {
        line.get("method") for line in lines
    }
    at_rest = await _everything(settings)
    for canary in (ID, VALUE):
        assert canary not in str(refusals)
        assert canary not in str(entries)
        assert canary not in str(lines)
        assert canary.encode() not in at_rest


async def test_that_the_scan_finds_what_is_in_clear(
    settings: Settings, channel: grpc.aio.Channel
) -> None:
    """The scan above reads what is kept: a tenant's name, which isn't personal, is found."""
    tenant = await new_tenant(channel)

    assert tenant.removeprefix("tenants/").encode() in await _everything(settings)


async def _everything(settings: Settings) -> bytes:
    """Return every document of the server's databases, as the database has them."""
    assert settings.mongo_uri is not None
    found: list[bytes] = []
    async with AsyncMongoClient[dict[str, Any]](settings.mongo_uri.get_secret_value()) as client:
        for name in (settings.database, f"{settings.database}_keys"):
            for collection in await client[name].list_collection_names():
                found += [bson.encode(each) async for each in client[name][collection].find()]
    return b"\n".join(found)
