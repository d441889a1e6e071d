"""BatchPutRecords over a real channel: many records, each with its own outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import grpc
import pytest

from privacyrights.v1 import error_reason_pb2, types_pb2
from privacyrights.v1 import records_service_pb2 as pb
from server.compose import App
from server.domain.change import Change, Committed
from server.domain.errors import DomainError, RequestIdReusedError, StorageUnavailableError
from server.domain.ports import Committer, Ports
from server.domain.records.batches import RecordBatches
from server.domain.records.record import NewRecord, RecordPut
from server.domain.records.records import Records
from server.domain.tenants import Tenants
from tests.rpc.kept import (
    CALL,
    PROFILE,
    erase,
    everything,
    ledger,
    put,
    put_request,
    stub,
    subject_id,
)
from tests.rpc.people import end_user, new_id, new_tenant, own_user, refused
from tests.rpc.test_records_races import made

E = TypeVar("E")


def batch(
    *requests: pb.PutRecordRequest, request_id: str | None = None
) -> pb.BatchPutRecordsRequest:
    """Return the batch of *requests*."""
    made = pb.BatchPutRecordsRequest(requests=requests, request_id=request_id or new_id())
    for request in made.requests:
        request.ClearField("request_id")
    return made


def reasons(response: pb.BatchPutRecordsResponse) -> list[str]:
    """Return why each record was refused; "" for those that were kept."""
    return [
        error_reason_pb2.ErrorReason.Name(outcome.failure.reason).removeprefix("ERROR_REASON_")
        if outcome.HasField("failure")
        else ""
        for outcome in response.outcomes
    ]


async def count(app: App, tenant: str) -> int:
    """Return how many records were put, by the ledger."""
    return sum(entry.type == "record.put" for entry in await ledger(app.ports, tenant))


async def test_each_record_has_its_own_outcome(app: App, channel: grpc.aio.Channel) -> None:
    """One that is refused harms no other; outcomes come in the order asked."""
    tenant = await new_tenant(channel)
    erased = end_user(tenant)
    await put(channel, erased)
    await erase(app.ports, erased)

    response = await stub(channel).BatchPutRecords(
        batch(
            put_request(end_user(tenant, "first")),
            put_request(end_user(tenant), {"shoe_size": 42}),
            put_request(end_user(tenant, "bad id")),
            put_request(end_user(tenant), purpose="purposes/none"),
            put_request(end_user(tenant), category="profile"),
            put_request(erased),
            put_request(end_user(tenant), purpose="purposes/customise_messages"),
            put_request(end_user(tenant, "last")),
        )
    )

    assert [
        "",
        "FIELD_NOT_IN_CATEGORY",
        "FIELD_INVALID",
        "PURPOSE_NOT_FOUND",
        "FIELD_INVALID",
        "SUBJECT_ERASED",
        "PROCESSING_NOT_ALLOWED",
        "",
    ] == reasons(response)
    assert [
        "record.fields[shoe_size]",
        "subject.subject_id",
        "record.category",
    ] == [outcome.failure.field for outcome in response.outcomes if outcome.failure.field]
    consistency = types_pb2.Consistency(at_least_as_fresh=response.consistency_token)
    for kept in ("first", "last"):
        assert 1 == len(await everything(channel, end_user(tenant, kept), consistency=consistency))


async def test_a_thousand_records(channel: grpc.aio.Channel) -> None:
    """The largest batch is kept; one more is refused as a whole."""
    tenant = await new_tenant(channel)
    requests = [put_request(end_user(tenant)) for _ in range(1001)]

    response = await stub(channel).BatchPutRecords(batch(*requests[:1000]))
    found = await refused(stub(channel).BatchPutRecords(batch(*requests)))

    assert [""] * 1000 == reasons(response)
    assert ("INVALID_ARGUMENT", ("requests",)) == (found.code, found.fields)


async def test_records_of_one_person_are_kept_in_order(channel: grpc.aio.Channel) -> None:
    """Of two with one key the last stays; a person nobody knew becomes known once."""
    tenant = await new_tenant(channel)
    subject = end_user(tenant)
    requests = [put_request(subject, {"name": str(n)}, key=f"k{n % 5}") for n in range(30)]

    response = await stub(channel).BatchPutRecords(batch(*requests))

    assert [""] * 30 == reasons(response)
    assert [{"name": str(n)} for n in range(25, 30)] == await everything(channel, subject)


async def test_a_first_record_that_is_refused_harms_no_other(channel: grpc.aio.Channel) -> None:
    """A person nobody knew becomes known with the first record that is kept."""
    subject = end_user(await new_tenant(channel))
    wrong = [put_request(subject, {"x": n}, key=f"k{n}") for n in range(3)]
    right = [put_request(subject, {"name": str(n)}, key=f"k{n}") for n in range(3)]

    response = await stub(channel).BatchPutRecords(batch(*wrong, *right))

    assert ["FIELD_NOT_IN_CATEGORY"] * 3 + [""] * 3 == reasons(response)
    assert 3 == len(await everything(channel, subject))


async def test_a_repeat_is_told_the_first_outcomes(app: App, channel: grpc.aio.Channel) -> None:
    """The same batch again, at once and after an erasure, keeps nothing and says the same."""
    tenant = await new_tenant(channel)
    one, other = end_user(tenant), end_user(tenant)
    request = batch(put_request(one), put_request(other), put_request(other, {"x": 1}))

    at_once = await asyncio.gather(*(stub(channel).BatchPutRecords(request) for _ in range(4)))
    await erase(app.ports, one)
    later = await stub(channel).BatchPutRecords(request)

    assert 2 == await count(app, tenant)
    for response in at_once:
        assert list(response.outcomes) == list(later.outcomes)


async def is_refused_as_a_whole(
    app: App, channel: grpc.aio.Channel, kind: type[RecordBatches]
) -> None:
    """Show that another batch under a used request id is refused, and keeps nothing."""
    tenant = await new_tenant(channel)
    service = await _service(kind, app.ports)
    call = replace(CALL, request_id=new_id(), content=b"first")
    await service.put(call, tenant.removeprefix("tenants/"), _asked(tenant, 1))

    told: object = None
    try:
        await service.put(
            replace(call, content=b"other"), tenant.removeprefix("tenants/"), _asked(tenant, 3)
        )
    except DomainError as error:
        told = error

    assert isinstance(told, RequestIdReusedError)
    assert 1 == await count(app, tenant)


async def test_another_batch_under_the_same_id_keeps_nothing(
    app: App, channel: grpc.aio.Channel
) -> None:
    """Also where it has more records than the first, whose ids nobody has used."""
    await is_refused_as_a_whole(app, channel, RecordBatches)


async def test_that_taking_no_id_for_the_whole_would_be_noticed(
    app: App, channel: grpc.aio.Channel
) -> None:
    """Batches of which only the records have ids break the promise above."""
    with pytest.raises(AssertionError):
        await is_refused_as_a_whole(app, channel, Headless)


async def test_a_reused_id_is_refused_over_the_wire(channel: grpc.aio.Channel) -> None:
    """A batch and a single put can't share an id either."""
    tenant = await new_tenant(channel)
    first = batch(put_request(end_user(tenant)))
    await stub(channel).BatchPutRecords(first)
    other = batch(put_request(end_user(tenant)), request_id=first.request_id)

    as_batch = await refused(stub(channel).BatchPutRecords(other))
    as_put = await refused(put(channel, end_user(tenant), request_id=first.request_id))

    assert ("ALREADY_EXISTS", "REQUEST_ID_REUSED") == (as_batch.code, as_batch.reason)
    assert "REQUEST_ID_REUSED" == as_put.reason


async def test_a_repeat_finishes_what_was_cut_off(app: App, channel: grpc.aio.Channel) -> None:
    """Where the database failed in the middle, the repeat keeps the rest and repeats the others."""
    tenant = await new_tenant(channel)
    asked = _asked(tenant, 4)
    call = replace(CALL, request_id=new_id(), content=b"same")
    failing = replace(app.ports, committer=FailingAt(app.ports.committer, {1, 3}))

    cut = await (await _service(RecordBatches, failing)).put(call, asked[0].who.tenant, asked)
    whole = await (await _service(RecordBatches, app.ports)).put(call, asked[0].who.tenant, asked)

    assert [RecordPut, StorageUnavailableError] * 2 == [type(each) for each in cut.outcomes]
    assert [RecordPut] * 4 == [type(each) for each in whole.outcomes]
    assert cut.outcomes[::2] == whole.outcomes[::2]
    assert 4 == await count(app, tenant)


@pytest.mark.parametrize("wrong", ["none", "two tenants", "two roles", "inner id", "no tenant"])
async def test_what_is_wrong_with_the_batch_refuses_it(
    channel: grpc.aio.Channel, wrong: str
) -> None:
    """A batch is of one tenant and role, and has one request id."""
    tenant = await new_tenant(channel)
    request = batch(put_request(end_user(tenant)), put_request(end_user(tenant)))
    expected: Sequence[str] = ("requests[1].subject",)
    match wrong:
        case "none":
            del request.requests[:]
            expected = ("requests",)
        case "two tenants":
            request.requests[1].subject.tenant = await new_tenant(channel)
        case "two roles":
            request.requests[1].subject.CopyFrom(own_user(tenant))
        case "inner id":
            request.requests[1].request_id = "own"
            expected = ("requests[1].request_id",)
        case _:
            for each in request.requests:
                each.subject.tenant = ""
            expected = ("requests[0].subject.tenant",)

    found = await refused(stub(channel).BatchPutRecords(request))

    assert ("INVALID_ARGUMENT", tuple(expected)) == (found.code, found.fields)


async def test_a_batch_of_an_unknown_tenant(channel: grpc.aio.Channel) -> None:
    """A tenant that doesn't exist has no batches."""
    found = await refused(
        stub(channel).BatchPutRecords(batch(put_request(end_user("tenants/nowhere"))))
    )

    assert ("NOT_FOUND", "TENANT_NOT_FOUND") == (found.code, found.reason)


class FailingAt:
    """A committer that fails for some records of a batch."""

    def __init__(self, committer: Committer, indexes: set[int]) -> None:
        self._committer = committer
        self._ends = tuple(f"#{index}" for index in indexes)

    async def commit(self, change: Change, outcome: type[E]) -> Committed[E]:
        """Fail, or commit."""
        if change.once is not None and change.once.key.endswith(self._ends):
            raise StorageUnavailableError
        return await self._committer.commit(change, outcome)


class Headless(RecordBatches):
    """Broken: takes no request id for the batch as a whole."""

    async def _begin(self, call: object, tenant: str) -> None:
        pass


def _asked(tenant: str, number: int) -> list[NewRecord]:
    return [
        NewRecord(
            who=subject_id(end_user(tenant)),
            purpose="optimise_interactions",
            category=PROFILE.removeprefix("categories/"),
            key="default",
            fields={"name": "Ada"},
        )
        for _ in range(number)
    ]


async def _service(kind: type[RecordBatches], ports: Ports) -> RecordBatches:
    return kind(ports, Tenants(ports), await made(Records, ports))
