"""ImportRecords over a real channel: a stream of batches, stored one after the other."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Sequence
from pathlib import Path

import grpc
import pytest

from privacyrights.v1 import error_reason_pb2, types_pb2
from privacyrights.v1 import records_service_pb2 as pb
from server.compose import App
from server.domain.call import Call
from server.domain.clock import SystemClock
from server.domain.errors import DomainError
from server.domain.records.batches import BatchPut
from server.domain.records.record import NewRecord, RecordPut
from server.handlers.imports import MAX_FAILURES, ImportCalls
from tests.bench.feed import resident_mib
from tests.rpc.kept import CALL, everything, ledger, put_request, stub
from tests.rpc.people import end_user, new_id, new_tenant, refused
from tests.rpc.test_records_batches import batch
from tests.served import ServerProcess

is_long = pytest.mark.skipif(
    "PRIVACYRIGHTS_TEST_LONG" not in os.environ, reason="takes minutes: make test-long"
)


def stream(*batches: pb.BatchPutRecordsRequest) -> Iterator[pb.ImportRecordsRequest]:
    """Yield *batches* as the messages of a stream."""
    for each in batches:
        yield pb.ImportRecordsRequest(batch=each)


async def sent(
    channel: grpc.aio.Channel, *batches: pb.BatchPutRecordsRequest
) -> pb.ImportRecordsResponse:
    """Return what the stream of *batches* is answered."""
    return await stub(channel).ImportRecords(stream(*batches))


async def puts(app: App, tenant: str) -> int:
    """Return how many records were put, by the ledger."""
    return sum(entry.type == "record.put" for entry in await ledger(app.ports, tenant))


async def test_what_was_stored_is_counted_and_what_was_not_is_listed(
    channel: grpc.aio.Channel,
) -> None:
    """Each record has its own outcome, found by its batch and its place in it."""
    tenant = await new_tenant(channel)
    subject = end_user(tenant)

    response = await sent(
        channel,
        batch(put_request(subject), put_request(end_user(tenant), {"shoe_size": 42})),
        batch(
            put_request(end_user(tenant), purpose="purposes/none"), put_request(subject, key="b")
        ),
    )

    assert (2, 2) == (response.stored_count, response.failed_count)
    assert [
        (0, 1, "FIELD_NOT_IN_CATEGORY", "record.fields[shoe_size]"),
        (1, 0, "PURPOSE_NOT_FOUND", ""),
    ] == [
        (
            each.batch_index,
            each.record_index,
            error_reason_pb2.ErrorReason.Name(each.failure.reason).removeprefix("ERROR_REASON_"),
            each.failure.field,
        )
        for each in response.failures
    ]
    consistency = types_pb2.Consistency(at_least_as_fresh=response.consistency_token)
    assert 2 == len(await everything(channel, subject, consistency=consistency))


async def test_batches_are_stored_in_order(channel: grpc.aio.Channel) -> None:
    """Of records in one place, that of the last batch stays."""
    subject = end_user(await new_tenant(channel))

    await sent(channel, *(batch(put_request(subject, {"name": str(n)})) for n in range(8)))

    assert [{"name": "7"}] == await everything(channel, subject)


async def test_an_empty_stream_stores_nothing(channel: grpc.aio.Channel) -> None:
    """A job that has nothing to hand over is no error."""

    assert pb.ImportRecordsResponse() == await sent(channel)


async def test_a_stream_is_resumed_by_sending_it_again(app: App, channel: grpc.aio.Channel) -> None:
    """What was stored before it was cut off is counted again, and stored once."""
    tenant = await new_tenant(channel)
    batches = [batch(*(put_request(end_user(tenant)) for _ in range(5))) for _ in range(4)]
    await sent(channel, *batches[:2])

    whole = await sent(channel, *batches)

    assert (20, 0) == (whole.stored_count, whole.failed_count)
    assert 20 == await puts(app, tenant)


async def test_a_wrong_batch_ends_the_stream(app: App, channel: grpc.aio.Channel) -> None:
    """It is told which one it was; what came before is stored, and what came after isn't."""
    tenant = await new_tenant(channel)
    good, bad = batch(put_request(end_user(tenant))), batch(put_request(end_user(tenant)))
    bad.request_id = ""

    told = await refused(sent(channel, good, bad, batch(put_request(end_user(tenant)))))

    assert ("INVALID_ARGUMENT", ("batch.request_id",)) == (told.code, told.fields)
    assert "1" == told.metadata["batch_index"]
    assert 1 == await puts(app, tenant)


async def test_a_request_id_names_nobody(channel: grpc.aio.Channel) -> None:
    """In a stream as elsewhere, it must not be the id of a person."""
    tenant = await new_tenant(channel)
    wrong = batch(put_request(end_user(tenant)), put_request(end_user(tenant, "psid-in-it")))
    wrong.request_id = "psid-in-it"

    told = await refused(sent(channel, wrong))

    assert ("INVALID_ARGUMENT", ("batch.request_id",)) == (told.code, told.fields)
    assert "psid-in-it" not in str(told)


async def test_another_batch_under_a_used_id_is_refused(channel: grpc.aio.Channel) -> None:
    """Also within one stream."""
    tenant = await new_tenant(channel)
    id = new_id()
    both = [batch(put_request(end_user(tenant)), request_id=id) for _ in range(2)]

    told = await refused(sent(channel, *both))

    assert ("ALREADY_EXISTS", "REQUEST_ID_REUSED") == (told.code, told.reason)


async def test_more_failures_than_are_listed_are_counted(channel: grpc.aio.Channel) -> None:
    """The answer stays a message that clients accept."""
    tenant = await new_tenant(channel)
    wrong = [put_request(end_user(tenant), {"x": 1}) for _ in range(600)]

    response = await sent(channel, batch(*wrong), batch(*wrong))

    assert (1200, MAX_FAILURES) == (response.failed_count, len(response.failures))


class Batches:
    """Stores nothing, and counts how many batches are done."""

    def __init__(self) -> None:
        self.done = 0

    async def put(
        self, _call: Call, _tenant: str, asked: Sequence[NewRecord | DomainError]
    ) -> BatchPut:
        """Be done."""
        self.done += 1
        return BatchPut([RecordPut(SystemClock().now(), 1) for _ in asked], "token")


class Greedy(ImportCalls):
    """Broken: takes the whole stream before it stores any of it."""

    async def ImportRecords(
        self, requests: AsyncIterator[pb.ImportRecordsRequest], call: Call
    ) -> pb.ImportRecordsResponse:
        """Take all, then store."""
        taken = [request async for request in requests]
        return await super().ImportRecords(_each(taken), call)


async def taken_ahead(kind: type[ImportCalls]) -> int:
    """Return how many batches were taken from a stream at most beyond those that were stored."""
    batches = Batches()
    most = 0

    async def coming() -> AsyncGenerator[pb.ImportRecordsRequest]:
        nonlocal most
        for number in range(20):
            most = max(most, number - batches.done)
            yield pb.ImportRecordsRequest(batch=batch(put_request(end_user("tenants/acme"))))

    handler = kind(batches, SystemClock())  # type: ignore[arg-type]  # it has the one method
    response = await handler.ImportRecords(coming(), CALL)
    assert 20 == response.stored_count
    return most


async def test_no_batch_is_taken_before_the_one_before_is_stored() -> None:
    """So memory doesn't grow with the stream: gRPC holds its sender back."""

    assert 0 == await taken_ahead(ImportCalls)


async def test_that_taking_the_whole_stream_would_be_noticed() -> None:
    """A handler that collects first breaks the promise above."""

    assert 19 == await taken_ahead(Greedy)


@is_long
@pytest.mark.timeout(3600)
async def test_a_million_lines_take_bounded_memory(tmp_path: Path) -> None:
    """The server's memory is no larger after a million records than after a hundred thousand."""
    sizes: list[float] = []
    async with (
        ServerProcess(tmp_path) as server,
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        tenant = await new_tenant(channel)
        for _ in range(10):
            made = (
                batch(*(put_request(end_user(tenant)) for _ in range(1000))) for _ in range(100)
            )
            response = await stub(channel).ImportRecords(_messages(made))
            assert 100_000 == response.stored_count
            sizes.append(resident_mib(server.pid))

    assert 100 > sizes[-1] - sizes[0], sizes


def _messages(
    batches: Iterable[pb.BatchPutRecordsRequest],
) -> Iterator[pb.ImportRecordsRequest]:
    for each in batches:
        yield pb.ImportRecordsRequest(batch=each)


async def _each(
    requests: Sequence[pb.ImportRecordsRequest],
) -> AsyncGenerator[pb.ImportRecordsRequest]:
    for each in requests:
        yield each
