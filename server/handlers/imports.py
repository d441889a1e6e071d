"""ImportRecords of RecordsService: batch after batch of a stream, in bounded memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

from privacyrights.v1 import records_service_pb2 as pb
from server.domain.call import Call
from server.domain.errors import DomainError, InvalidArgumentError, Violation
from server.domain.ports import Clock
from server.domain.records.batches import RecordBatches
from server.handlers.failures import item_failure
from server.handlers.fields import Fields
from server.handlers.record_messages import asked_for, tenant_of_all

MAX_FAILURES = 1000
"""How many failures are told one by one; all are counted."""


class ImportCalls:
    """Answers ImportRecords.

    One batch is in memory at a time: the next is taken from the stream when this one is
    durable, and until then gRPC holds the caller back. Each is idempotent by itself, so that a
    stream that was cut off is sent again from its beginning, or from the first batch that the
    caller isn't sure of.
    """

    def __init__(self, batches: RecordBatches, clock: Clock) -> None:
        """Put through *batches*."""
        self._batches = batches
        self._clock = clock

    async def ImportRecords(
        self, requests: AsyncIterator[pb.ImportRecordsRequest], call: Call
    ) -> pb.ImportRecordsResponse:
        """Keep what a stream brings."""
        told = pb.ImportRecordsResponse()
        index = 0
        async for request in requests:
            await self._import(request.batch, index, call, told)
            index += 1
        return told

    async def _import(
        self,
        batch: pb.BatchPutRecordsRequest,
        index: int,
        call: Call,
        told: pb.ImportRecordsResponse,
    ) -> None:
        """Keep *batch*, and add to what the caller is *told* at the end."""
        now = self._clock.now()
        tenant = _tenant_of(batch, index, Fields(now))
        content = f"{call.rpc}\0".encode() + batch.SerializeToString(deterministic=True)
        own = replace(call, request_id=batch.request_id, content=content, notes={})
        done = await self._batches.put(
            own, tenant, [asked_for(item, now) for item in batch.requests]
        )
        for number, outcome in enumerate(done.outcomes):
            if not isinstance(outcome, DomainError):
                told.stored_count += 1
                continue
            told.failed_count += 1
            if len(told.failures) < MAX_FAILURES:
                told.failures.add(
                    batch_index=index, record_index=number, failure=item_failure(outcome)
                )
        told.consistency_token = done.token


def _tenant_of(batch: pb.BatchPutRecordsRequest, index: int, fields: Fields) -> str:
    """Return the tenant of *batch*, which is right as a whole.

    Raises:
        InvalidArgumentError: it isn't; the metadata says which of the stream it is.
    """
    try:
        fields.request_id(batch.request_id)
        tenant = tenant_of_all(fields, batch)
        if any(_is_id_of(batch.request_id, item) for item in batch.requests):
            fields.wrong("request_id", "must not be the subject's id")
        fields.done()
    except InvalidArgumentError as error:
        found = tuple(Violation(f"batch.{each.field}", each.rule) for each in error.violations)
        raise InvalidArgumentError(found, batch_index=index) from None
    return tenant


def _is_id_of(request_id: str, item: pb.PutRecordRequest) -> bool:
    # What a stream brings is looked at here, and not where single requests are.
    who = item.subject
    return bool(request_id) and request_id in {who.subject_id, who.visitor_id}
