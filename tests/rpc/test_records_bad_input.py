"""Whatever RecordsService is sent, it answers or refuses: never INTERNAL, never UNKNOWN."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import pytest
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import event, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from privacyrights.v1 import records_service_pb2 as pb
from privacyrights.v1 import types_pb2
from privacyrights.v1.error_reason_pb2 import ErrorReason
from tests.rpc.kept import OPTIMISE, PROFILE, SESSION, struct, stub
from tests.rpc.people import end_user, new_tenant, refused
from tests.rpc.refusal import refusal

# RecordsService has no other refusals while the database answers.
ACCEPTABLE = {
    "OK",
    "INVALID_ARGUMENT",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "FAILED_PRECONDITION",
    "PERMISSION_DENIED",
}

INT32 = st.integers(-(2**31), 2**31 - 1)
INT64 = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(max_size=12) | st.sampled_from(["", " ", "\0", "$where", "a/b", "x" * 70, "é" * 200])


def mostly(usual: SearchStrategy[Any], odd: SearchStrategy[Any] = TEXT) -> SearchStrategy[Any]:
    """Return what is usual, or something odd, seldom enough for whole requests to be usual."""
    return st.integers(1, 16).flatmap(lambda drawn: odd if drawn == 16 else usual)


def often(*usual: Any) -> SearchStrategy[Any]:
    """Return one of the usual values, or seldom any text."""
    return mostly(st.sampled_from(usual))


def _as_list(values: list[Value]) -> Value:
    made = Value()
    made.list_value.values.extend(values)
    return made


def _structs(inner: SearchStrategy[Value]) -> SearchStrategy[Value]:
    return _fields(inner).map(lambda x: Value(struct_value=x))


def _fields(inner: SearchStrategy[Value]) -> SearchStrategy[Struct]:
    names = mostly(st.sampled_from(["name", "locale", "shoe_size"]))
    return st.dictionaries(names, inner, max_size=4).map(lambda x: Struct(fields=x))


VALUES: SearchStrategy[Value] = st.recursive(
    st.one_of(
        st.just(Value()),
        st.just(Value(null_value=0)),  # type: ignore[arg-type]  # an enum's number
        st.booleans().map(lambda x: Value(bool_value=x)),
        st.floats().map(lambda x: Value(number_value=x)),
        TEXT.map(lambda x: Value(string_value=x)),
    ),
    lambda inner: st.lists(inner, max_size=3).map(_as_list) | _structs(inner),
    max_leaves=12,
)


REQUEST_IDS = mostly(st.integers(0, 10_000).map(str) | st.sampled_from(["one", "two"]))
TIMES = st.builds(Timestamp, seconds=INT64, nanos=INT32)
SUBJECTS = st.builds(
    types_pb2.Subject,
    role=mostly(st.sampled_from([2, 2, 2, 1]), st.sampled_from([0, 3, -1])),
    tenant=often("TENANT", "TENANT", "TENANT", "tenants/nobody"),
    subject_id=often("ada", "grace"),
    generation=mostly(st.sampled_from([0, 0, 1, 2]), INT64),
)
GOOD: list[dict[str, Any]] = [{"name": "Ada"}, {"locale": "fr"}, {"duration_seconds": 3}]
FIELDS = st.sampled_from([struct(fields) for fields in GOOD])
RECORDS = st.builds(
    pb.Record,
    category=often(PROFILE, PROFILE, SESSION, "categories/account", "categories/none"),
    key=often("", "default", "other"),
    fields=FIELDS | _fields(VALUES),
    source=mostly(st.sampled_from([0, 1, 4]), INT32),
    purpose=TEXT,
    create_time=TIMES,
)
PURPOSES = often(OPTIMISE, OPTIMISE, OPTIMISE, "purposes/customise_messages", "purposes/none")
CATEGORIES = often(PROFILE, PROFILE, SESSION, "categories/account", "categories/none")
PUTS = st.builds(
    pb.PutRecordRequest, subject=SUBJECTS, purpose=PURPOSES, record=RECORDS, request_id=REQUEST_IDS
)
CONSISTENCIES = st.one_of(
    st.none(),
    st.booleans().map(lambda x: types_pb2.Consistency(linearizable=x)),
    often("MTox", "AAAA").map(lambda x: types_pb2.Consistency(at_least_as_fresh=x)),
)
REASONS = often("support", "ticket 1", "ada asked")


@st.composite
def requests(draw: DrawFn) -> tuple[str, Message]:
    """Return a method and a request of it."""
    made: dict[str, SearchStrategy[Message]] = {
        "RegisterSubject": st.builds(
            pb.RegisterSubjectRequest,
            subject=SUBJECTS,
            event_time=mostly(st.none(), TIMES),
            request_id=REQUEST_IDS,
        ),
        "GetSubject": st.builds(pb.GetSubjectRequest, subject=SUBJECTS),
        "PutRecord": PUTS,
        "BatchPutRecords": st.builds(
            pb.BatchPutRecordsRequest,
            requests=mostly(
                st.lists(PUTS.map(_without_id), min_size=1, max_size=4),
                st.lists(PUTS, max_size=2),
            ),
            request_id=REQUEST_IDS,
        ),
        "ReadRecords": st.builds(
            pb.ReadRecordsRequest,
            subject=SUBJECTS,
            purpose=PURPOSES,
            reason=REASONS,
            categories=st.lists(CATEGORIES, max_size=3),
            consistency=CONSISTENCIES,
            page_size=mostly(st.integers(0, 5), INT32),
            page_token=mostly(st.just("")),
        ),
        "DeleteRecord": st.builds(
            pb.DeleteRecordRequest,
            subject=SUBJECTS,
            category=CATEGORIES,
            key=often("", "other"),
            request_id=REQUEST_IDS,
        ),
    }
    method = draw(st.sampled_from(sorted(made)))
    return method, draw(made[method])


def _without_id(request: pb.PutRecordRequest) -> pb.PutRecordRequest:
    request.ClearField("request_id")
    return request


@pytest.fixture(scope="module")
async def tenant(channel: grpc.aio.Channel) -> str:
    """Return a tenant that the requests may hit."""
    return await new_tenant(channel)


def _in_tenant(request: Any, tenant: str) -> Any:
    made = type(request)()
    made.CopyFrom(request)
    for each in getattr(made, "requests", (made,)):
        if each.subject.tenant == "TENANT":
            each.subject.tenant = tenant
    return made


@settings(deadline=None, max_examples=250)
@given(asked=requests())
async def test_every_request_is_answered_or_refused(
    channel: grpc.aio.Channel, tenant: str, asked: tuple[str, Message]
) -> None:
    """A generated request succeeds, or is refused by a code and a reason of the contract."""
    method, request = asked
    call: Callable[[Message], Awaitable[Message]] = getattr(stub(channel), method)
    try:
        response = await call(_in_tenant(request, tenant))
    except grpc.aio.AioRpcError as error:
        code, reasons = error.code().name, [refusal(error).reason]
    else:
        code = "OK"
        failures = [each.failure for each in getattr(response, "outcomes", ())]
        reasons = [ErrorReason.Name(each.reason) for each in failures if each.ByteSize()]

    event(f"{method} {code}")
    assert code in ACCEPTABLE
    assert not {"", "ERROR_REASON_UNSPECIFIED", "ERROR_REASON_INTERNAL"} & set(reasons)


async def test_a_deep_value_is_refused(channel: grpc.aio.Channel) -> None:
    """What is nested deeper than decoders go is refused like any other bad message."""
    subject = end_user(await new_tenant(channel))
    deep: Any = 1
    for _ in range(40):
        deep = [deep]
    request = pb.PutRecordRequest(
        subject=subject,
        purpose=OPTIMISE,
        record=pb.Record(category="categories/quick_reply"),
        request_id="deep",
    )
    ParseDict({"answer": "yes", "attributes": deep}, request.record.fields)

    found = await refused(stub(channel).PutRecord(request))

    assert "INVALID_ARGUMENT" == found.code
