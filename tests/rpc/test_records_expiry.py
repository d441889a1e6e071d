"""Records with an `expire_time`: unreadable from that moment on, and deleted soon after."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import grpc
import pytest

from privacyrights.v1 import records_service_pb2 as pb
from privacyrights.v1 import types_pb2
from server.compose import App
from server.domain.change import Change
from server.domain.clock import SteppingClock
from server.domain.records.record import Record
from server.domain.subjects import Subjects, saved
from server.domain.values import Role
from server.workers.expiry import ExpiryWorker
from tests.rpc.exercising import ACCESS, document, exercise
from tests.rpc.kept import (
    CALL,
    NAME,
    PROFILE,
    everything,
    ledger,
    put,
    put_request,
    read,
    stored,
    stub,
    subject_id,
)
from tests.rpc.people import end_user, new_id, new_tenant, refused
from tests.rpc.test_records_batches import batch

HOUR = timedelta(hours=1)


def until(
    subject: types_pb2.Subject, time: datetime, *args: Any, **named: Any
) -> pb.PutRecordRequest:
    """Return the request that keeps something until *time*."""
    request = put_request(subject, *args, **named)
    request.record.expire_time.FromDatetime(time)
    return request


def worker(app: App) -> ExpiryWorker:
    """Return a worker for end-users, beside that of the server."""
    return ExpiryWorker(app.ports, Role.PROCESSOR)


async def work(working: ExpiryWorker) -> None:
    """Delete all that is due."""
    while await working.step():
        pass


async def unreadable_on_time(
    channel: grpc.aio.Channel, clock: SteppingClock, *, by: timedelta
) -> None:
    """Show that a record can be read until its time, and not when it has come."""
    subject = end_user(await new_tenant(channel))
    time = clock.now() + HOUR
    await stub(channel).PutRecord(until(subject, time))
    clock.advance(HOUR - timedelta(milliseconds=1))
    (before,) = (await read(channel, subject)).records
    clock.advance(by)

    assert time.replace(tzinfo=None) == before.expire_time.ToDatetime()
    assert [] == await everything(channel, subject)


async def test_it_is_unreadable_from_its_time_on(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """To the millisecond, though it may not be deleted yet."""
    await unreadable_on_time(channel, clock, by=timedelta(milliseconds=1))


async def test_that_reading_what_is_not_yet_deleted_would_be_noticed(
    channel: grpc.aio.Channel, clock: SteppingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that leaves it to the worker breaks the promise above."""

    def never(_self: Record, _now: datetime) -> bool:
        return False

    monkeypatch.setattr(Record, "is_expired", never)

    with pytest.raises(AssertionError):
        await unreadable_on_time(channel, clock, by=timedelta(milliseconds=1))


@pytest.mark.parametrize("by", [timedelta(0), timedelta(days=36_526)])
async def test_it_lies_ahead_and_in_somebodys_life(
    channel: grpc.aio.Channel, clock: SteppingClock, by: timedelta
) -> None:
    """What has expired already, or never will, is a mistake."""
    subject = end_user(await new_tenant(channel))

    told = await refused(stub(channel).PutRecord(until(subject, clock.now() + by)))

    assert ("FIELD_INVALID", ("record.expire_time",)) == (told.reason, told.fields)


async def test_each_record_of_a_batch_has_its_own(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """A wrong one refuses its record only; the others are deleted each at its time, with a line."""
    tenant = await new_tenant(channel)
    ada = end_user(tenant)
    now = clock.now()
    items = [
        until(ada, now + HOUR, key="a"),
        until(ada, now + 2 * HOUR, key="b"),
        put_request(ada, key="c"),
        until(ada, now - HOUR, key="d"),
    ]

    response = await stub(channel).BatchPutRecords(batch(*items))
    clock.advance(HOUR)
    await work(worker(app))

    assert [False, False, False, True] == [each.HasField("failure") for each in response.outcomes]
    assert ["b", "c"] == [record.key for record in await stored(app.ports, ada)]
    told = [entry for entry in await ledger(app.ports, tenant) if entry.type == "record.deleted"]
    assert ["its expire_time has come"] == [entry.reason for entry in told]


async def test_what_is_put_anew_begins_anew(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """It stays, and nothing of what had expired comes back with it."""
    subject = end_user(await new_tenant(channel))
    await stub(channel).PutRecord(until(subject, clock.now() + HOUR, {"name": "old"}))
    clock.advance(2 * HOUR)

    await put(channel, subject, NAME)
    await work(worker(app))

    assert [NAME] == await everything(channel, subject)
    (record,) = await stored(app.ports, subject)
    assert (clock.now(), None) == (record.create_time, record.expire_time)


async def test_what_has_expired_cannot_be_deleted_by_a_caller(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """It is no record any more."""
    subject = end_user(await new_tenant(channel))
    await stub(channel).PutRecord(until(subject, clock.now() + HOUR))
    clock.advance(HOUR)
    request = pb.DeleteRecordRequest(subject=subject, category=PROFILE, request_id=new_id())

    told = await refused(stub(channel).DeleteRecord(request))

    assert "RECORD_NOT_FOUND" == told.reason


async def test_restricted_data_is_spared_and_not_read(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """Whoever had it restricted may need it; once that is over it goes (Art. 18(1)(b), (c))."""
    subject = end_user(await new_tenant(channel))
    await stub(channel).PutRecord(until(subject, clock.now() + HOUR))
    await restrict(app, subject, "request")
    clock.advance(HOUR)
    working = worker(app)
    await work(working)
    spared = len(await stored(app.ports, subject))
    await restrict(app, subject, "")
    read_again = await everything(channel, subject)
    await work(working)

    assert (1, [], 0) == (spared, read_again, len(await stored(app.ports, subject)))


async def left_out_of_the_answer(app: App, channel: grpc.aio.Channel, clock: SteppingClock) -> None:
    """Show that who asks for access is given what has time left, and not what has expired."""
    subject = end_user(await new_tenant(channel))
    await stub(channel).PutRecord(until(subject, clock.now() + HOUR, {"name": "old"}, key="a"))
    await put(channel, subject, NAME, key="b")
    await restrict(app, subject, "request")  # So that no worker deletes it meanwhile.
    clock.advance(HOUR)
    request = await exercise(channel, subject, ACCESS)

    answer = await document(channel, request.name)

    assert 2 == len(await stored(app.ports, subject))
    assert [NAME] == [each["fields"] for each in answer["records"]]


async def test_it_is_left_out_of_an_access_answer(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """What nobody can read any more isn't in the export either, deleted or not yet."""
    await left_out_of_the_answer(app, channel, clock)


async def test_that_exporting_what_has_expired_would_be_noticed(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An export of all that is stored breaks the promise above."""

    def never(_self: Record, _now: datetime) -> bool:
        return False

    monkeypatch.setattr(Record, "is_expired", never)

    with pytest.raises(AssertionError):
        await left_out_of_the_answer(app, channel, clock)


async def restrict(app: App, subject: types_pb2.Subject, by: str) -> None:
    """Have the processing of the data of *subject* restricted *by* a request; "": no longer."""
    found = await Subjects(app.ports).require(CALL, subject_id(subject))
    changed = replace(found, version=found.version + 1, restriction=by)
    await app.ports.committer.commit(Change((saved(changed),), ()), type(None))
