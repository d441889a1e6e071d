"""A request id is logged, so it never says who somebody is."""

from __future__ import annotations

import pytest
from google.protobuf.message import Message

from privacyrights.v1 import records_service_pb2 as records_pb
from privacyrights.v1 import retention_service_pb2 as retention_pb
from privacyrights.v1 import types_pb2
from server.domain.call import Call
from tests.rpc.conftest import Logged
from tests.rpc.small_server import small_server
from tests.rpc.wire import path, refused, responses

CANARY = "psid-4711-of-a-person"
TENANT = "tenants/acme"
SUBJECT = types_pb2.Subject(tenant=TENANT, subject_id=CANARY)
VISITOR = types_pb2.Subject(tenant=TENANT, visitor_id=CANARY)


class Records:
    """A handler that takes whatever it is given."""

    SERVICE = "privacyrights.v1.RecordsService"

    async def PutRecord(self, _request: Message, _call: Call) -> Message:
        """Answer."""
        return records_pb.PutRecordResponse()

    async def BatchPutRecords(self, _request: Message, _call: Call) -> Message:
        """Answer."""
        return records_pb.BatchPutRecordsResponse()


class Retention:
    """A handler that takes whatever it is given."""

    SERVICE = "privacyrights.v1.RetentionService"

    async def RecordInteraction(self, _request: Message, _call: Call) -> Message:
        """Answer."""
        return retention_pb.RecordInteractionResponse()


NAMING: dict[str, tuple[str, Message]] = {
    "the subject": (
        path("RecordsService", "PutRecord"),
        records_pb.PutRecordRequest(subject=SUBJECT, request_id=CANARY),
    ),
    "a visitor": (
        path("RecordsService", "PutRecord"),
        records_pb.PutRecordRequest(subject=VISITOR, request_id=CANARY),
    ),
    "somebody of a batch": (
        path("RecordsService", "BatchPutRecords"),
        records_pb.BatchPutRecordsRequest(
            requests=[
                records_pb.PutRecordRequest(
                    subject=types_pb2.Subject(tenant=TENANT, subject_id="another")
                ),
                records_pb.PutRecordRequest(subject=SUBJECT),
            ],
            request_id=CANARY,
        ),
    ),
    "somebody within": (
        path("RetentionService", "RecordInteraction"),
        retention_pb.RecordInteractionRequest(
            interaction=retention_pb.Interaction(subject=SUBJECT), request_id=CANARY
        ),
    ),
}


@pytest.mark.parametrize("who", NAMING)
async def test_request_id_names_nobody(who: str, logged: Logged) -> None:
    """A request id that is somebody's id is refused, and reaches neither answer nor log."""
    method, request = NAMING[who]

    async with small_server(Records(), Retention()) as served:
        told = await refused(served.channel, method, request.SerializeToString())

    assert ("INVALID_ARGUMENT", "FIELD_INVALID") == (told.code, told.reason)
    assert ("request_id",) == told.fields
    assert CANARY not in str(told)
    assert served.lines
    assert CANARY not in str(served.lines)
    assert CANARY not in str(logged())


@pytest.mark.parametrize("id", [CANARY.upper(), f"grant-{CANARY}-1", f"x.{CANARY}"])
async def test_request_id_holds_nobody(id: str, logged: Logged) -> None:
    """Somebody's id is not hidden by what stands around it, or by its case."""
    request = records_pb.PutRecordRequest(subject=SUBJECT, request_id=id)

    async with small_server(Records()) as served:
        told = await refused(
            served.channel, path("RecordsService", "PutRecord"), request.SerializeToString()
        )

    assert ("request_id",) == told.fields
    assert CANARY not in str(logged()).lower()


@pytest.mark.parametrize(
    ("subject_id", "id"),
    [("1", "grant-1"), ("4711", "x-4711-y"), ("marie", "summarie-1"), ("marie", "marielle")],
)
async def test_what_stands_there_by_chance_is_taken(subject_id: str, id: str) -> None:
    """A short id, and one that is only a part of a word, tell of nobody."""
    request = records_pb.PutRecordRequest(
        subject=types_pb2.Subject(tenant=TENANT, subject_id=subject_id), request_id=id
    )

    async with small_server(Records()) as served:
        await responses(
            served.channel, path("RecordsService", "PutRecord"), request.SerializeToString()
        )

    assert [id] == [line["request_id"] for line in served.lines]


async def test_other_fields_may_be_equal() -> None:
    """A request id that only happens to stand elsewhere too is none of that."""
    request = records_pb.PutRecordRequest(
        subject=types_pb2.Subject(tenant=TENANT, subject_id=f"{CANARY}-and-more"),
        record=records_pb.Record(key="k"),
        request_id="k",
    )
    request.record.fields.update({"subject_id": "k"})

    async with small_server(Records()) as served:
        answered = await responses(
            served.channel, path("RecordsService", "PutRecord"), request.SerializeToString()
        )

    assert [b""] == answered
    assert ["k"] == [line["request_id"] for line in served.lines]
