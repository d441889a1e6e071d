"""Putting, reading and ending what is kept about people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import grpc
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct

from privacyrights.v1 import records_service_pb2 as pb
from privacyrights.v1 import records_service_pb2_grpc, types_pb2
from server.domain.call import Call
from server.domain.change import Change, Kind, Table
from server.domain.ledger import Entry
from server.domain.ports import Ports, Query
from server.domain.records.record import Record, records
from server.domain.rights.erasure import Erasures
from server.domain.subjects import Subjects
from server.domain.values import Role, SubjectId
from tests.rpc.people import new_id

OPTIMISE = "purposes/optimise_interactions"
PROFILE = "categories/profile"
SESSION = "categories/session"
NAME = {"name": "Ada Lovelace"}

CALL = Call(caller="test", rpc="Tests/Erase")


def stub(channel: grpc.aio.Channel) -> records_service_pb2_grpc.RecordsServiceAsyncStub:
    """Return the service's stub."""
    return records_service_pb2_grpc.RecordsServiceStub(channel)


def struct(fields: Mapping[str, Any]) -> Struct:
    """Return *fields* as the contract has them."""
    made = Struct()
    made.update(fields)
    return made


def put_request(
    subject: types_pb2.Subject,
    fields: Mapping[str, Any] = NAME,
    *,
    purpose: str = OPTIMISE,
    category: str = PROFILE,
    key: str = "",
    request_id: str | None = None,
) -> pb.PutRecordRequest:
    """Return the request that keeps *fields*."""
    return pb.PutRecordRequest(
        subject=subject,
        purpose=purpose,
        record=pb.Record(category=category, key=key, fields=struct(fields)),
        request_id=new_id() if request_id is None else request_id,
    )


async def put(
    channel: grpc.aio.Channel, subject: types_pb2.Subject, *args: Any, **named: Any
) -> pb.PutRecordResponse:
    """Keep what `put_request` says."""
    return await stub(channel).PutRecord(put_request(subject, *args, **named))


async def read(
    channel: grpc.aio.Channel,
    subject: types_pb2.Subject,
    *,
    purpose: str = OPTIMISE,
    reason: str = "support ticket 4711",
    **fields: Any,
) -> pb.ReadRecordsResponse:
    """Read the records of *subject*; *fields* are those of the request."""
    return await stub(channel).ReadRecords(
        pb.ReadRecordsRequest(subject=subject, purpose=purpose, reason=reason, **fields)
    )


def contents(response: pb.ReadRecordsResponse) -> list[dict[str, Any]]:
    """Return the fields of each record."""
    return [MessageToDict(record.fields) for record in response.records]


async def everything(
    channel: grpc.aio.Channel, subject: types_pb2.Subject, **named: Any
) -> list[dict[str, Any]]:
    """Return the fields of each record of *subject* for a purpose."""
    return contents(await read(channel, subject, **named))


def subject_id(subject: types_pb2.Subject) -> SubjectId:
    """Return *subject* as the domain has it."""
    role = Role.CONTROLLER if subject.role == types_pb2.ROLE_CONTROLLER else Role.PROCESSOR
    tenant = subject.tenant.removeprefix("tenants/")
    return SubjectId(role, tenant, subject.subject_id, subject.generation)


async def erase(ports: Ports, subject: types_pb2.Subject) -> None:
    """End the life of *subject*; the ciphertext stays, as it does until the purge has come."""
    found = await Subjects(ports).require(CALL, subject_id(subject))
    erased = Erasures(ports).of(CALL, found, time=ports.clock.now(), reason="test")
    await ports.committer.commit(Change(erased.writes, erased.entries), type(None))


async def ledger(ports: Ports, tenant: str) -> Sequence[Entry]:
    """Return what the ledger says of *tenant*, oldest first."""
    query = Query(Table(Kind.LEDGER), tenant=tenant.removeprefix("tenants/"), limit=1000)
    return await ports.reader.find(query, Entry)


async def stored(ports: Ports, subject: types_pb2.Subject) -> Sequence[Record]:
    """Return the records of *subject* as they are kept, of every life."""
    found = await Subjects(ports).require(CALL, subject_id(subject))
    query = Query(records(found.role), tenant=found.tenant, equals={"subject": found.id})
    return await ports.reader.find(query, Record)
