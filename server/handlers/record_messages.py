"""Records and batches of them between the contract and the domain."""

from __future__ import annotations

from datetime import datetime, timedelta

from google.protobuf.struct_pb2 import Struct, Value

from privacyrights.v1 import records_service_pb2 as pb
from server.domain.errors import DomainError
from server.domain.records.batches import Outcome
from server.domain.records.minimisation import FIELDS, Json, record_key
from server.domain.records.record import DEFAULT_KEY, NewRecord, Opened, RecordPut, Source
from server.domain.values import InvalidValueError
from server.handlers import names
from server.handlers.failures import item_failure
from server.handlers.fields import Fields
from server.handlers.times import timestamp

MAX_PUTS = 1000

MAX_KEPT = timedelta(days=36_525)
"""A hundred years: what is to expire later is a mistake, such as milliseconds taken for seconds."""

_MAX_INTEGER = 2**53
"""Up to here a double holds every integer."""

IS_METADATA = {pb.RECORD_VIEW_FULL: False, pb.RECORD_VIEW_METADATA: True}
"""Whether a view leaves the data itself out."""

_SOURCES_OUT = {source: pb.RecordSource.Value(f"RECORD_SOURCE_{source.name}") for source in Source}
SOURCES = {number: source for source, number in _SOURCES_OUT.items()}


def asked_for(item: pb.PutRecordRequest, now: datetime) -> NewRecord | DomainError:
    """Return what *item* of a batch asks for, or what is wrong with it: its own fault only."""
    fields = Fields(now)
    new = new_record(fields, item)
    try:
        fields.done()
    except DomainError as error:
        return error
    return new


def tenant_of_all(fields: Fields, request: pb.BatchPutRecordsRequest) -> str:
    """Return the tenant of every record of a batch, noting what is wrong with it as a whole."""
    if not 1 <= len(request.requests) <= MAX_PUTS:
        fields.wrong("requests", f"must be 1-{MAX_PUTS} records")
        return ""
    first = request.requests[0].subject
    fields.role("requests[0].subject.role", first.role)
    tenant = fields.take("requests[0].subject.tenant", names.tenant, first.tenant)
    for index, item in enumerate(request.requests):
        if (item.subject.tenant, item.subject.role) != (first.tenant, first.role):
            fields.wrong(f"requests[{index}].subject", "must have the tenant and role of the first")
        if item.request_id:
            fields.wrong(f"requests[{index}].request_id", "must be empty: the batch has one")
    return tenant


def new_record(fields: Fields, request: pb.PutRecordRequest) -> NewRecord:
    """Return the record that *request* asks for, noting what is wrong with it."""
    record = request.record
    who = fields.subject("subject", request.subject)
    key = fields.take("record.key", record_key, record.key or DEFAULT_KEY)
    if key == who.value:
        fields.wrong("record.key", "must not be the subject's id")
    return NewRecord(
        who=who,
        purpose=fields.take("purpose", names.purpose, request.purpose),
        category=fields.take("record.category", names.category, record.category),
        key=key,
        fields=fields.take(FIELDS, plain_fields, record.fields),
        source=fields.choice("record.source", SOURCES, record.source),
        expire_time=expire_time(fields, record),
    )


def expire_time(fields: Fields, record: pb.Record) -> datetime | None:
    """Return when *record* is to be deleted at the latest: in the future, and in somebody's life.

    None if it doesn't say.
    """
    time = fields.future_time("record.expire_time", record, record.expire_time)
    if time is not None and time > fields.now + MAX_KEPT:
        fields.wrong("record.expire_time", f"must not be more than {MAX_KEPT.days} days from now")
    return time


def plain_fields(struct: Struct) -> dict[str, Json]:
    """Return the fields of *struct* as JSON."""
    return {name: _plain(value) for name, value in struct.fields.items()}


def _plain(value: Value) -> Json:
    """Return *value* as JSON; a number that is whole is an int, as people write it."""
    match value.WhichOneof("kind"):
        case "string_value":
            return value.string_value
        case "number_value":
            number = value.number_value
            is_whole = number.is_integer() and abs(number) <= _MAX_INTEGER
            return int(number) if is_whole else number
        case "bool_value":
            return value.bool_value
        case "null_value":
            return None
        case "struct_value":
            return plain_fields(value.struct_value)
        case "list_value":
            return [_plain(each) for each in value.list_value.values]
        case None:
            raise InvalidValueError("must give every field a value")


def outcome(outcome: Outcome) -> pb.BatchPutRecordsResponse.Outcome:
    """Return what is told of one record of a batch."""
    if isinstance(outcome, RecordPut):
        return pb.BatchPutRecordsResponse.Outcome(record_time=timestamp(outcome.record_time))
    return pb.BatchPutRecordsResponse.Outcome(failure=item_failure(outcome))


def record_message(opened: Opened) -> pb.Record:
    """Return a record, with its data if it was opened."""
    record = opened.record
    fields: Struct | None = None
    if opened.fields is not None:
        fields = Struct()
        fields.update(opened.fields)
    return pb.Record(
        category=f"categories/{record.category}",
        key=record.key,
        fields=fields,
        source=_SOURCES_OUT[record.source],
        purpose=f"purposes/{record.purpose}",
        create_time=timestamp(record.create_time),
        update_time=timestamp(record.update_time),
        expire_time=timestamp(record.expire_time),
    )
