"""ImportRecords against a raw insert_many of the same bytes: `python -m tests.bench.bulk_records`.

The documents of the raw runs are those that the server has written – the records alone,
without ledger, request ids and people – a thousand in one command, durable by the same
concerns. Both take turns on one MongoDB.
"""

from __future__ import annotations

import asyncio
import itertools
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import uvloop
from google.protobuf.struct_pb2 import Struct
from pymongo import AsyncMongoClient
from pymongo.write_concern import WriteConcern

from privacyrights.v1 import (
    records_service_pb2,
    records_service_pb2_grpc,
    tenant_service_pb2,
    tenant_service_pb2_grpc,
    types_pb2,
)
from tests.bench.report import Ratio
from tests.served import ServerProcess

NAME, GOAL = "bulk_records_vs_insert_many", 0.5
TENANT = "bulk"
BATCH = 1000
BATCHES, ROUNDS = 4, 4

_numbers = itertools.count()


async def ratios(*, is_quick: bool) -> list[Ratio]:
    """Return how many records a second are imported for each one that is inserted raw."""
    batches, rounds = (1, 1) if is_quick else (BATCHES, ROUNDS)
    with tempfile.TemporaryDirectory() as folder:
        async with (
            ServerProcess(Path(folder)) as server,
            AsyncMongoClient[dict[str, Any]](server.database_uri, tz_aware=True) as client,
            grpc.aio.insecure_channel(server.address) as channel,
        ):
            await _create(channel)
            await _imported(channel, 1)
            pairs = [
                (await _imported(channel, batches), await _inserted(client, batches))
                for _ in range(rounds)
            ]
    for ours, theirs in pairs:
        print(f"ImportRecords {ours:7.0f} records/s  insert_many {theirs:7.0f} documents/s")
    return [Ratio(NAME, statistics.median(ours / theirs for ours, theirs in pairs), GOAL)]


async def _create(channel: grpc.aio.Channel) -> None:
    await tenant_service_pb2_grpc.TenantServiceStub(channel).CreateTenant(
        tenant_service_pb2.CreateTenantRequest(
            tenant_id=TENANT,
            tenant=tenant_service_pb2.Tenant(display_name="Bench", time_zone="UTC"),
            request_id=TENANT,
        )
    )


async def _imported(channel: grpc.aio.Channel, batches: int) -> float:
    """Return the records a second of one stream."""
    messages = [_message() for _ in range(batches)]
    stub = records_service_pb2_grpc.RecordsServiceStub(channel)
    started = time.perf_counter()
    response = await stub.ImportRecords(_each(messages))
    took = time.perf_counter() - started
    assert batches * BATCH == response.stored_count
    return response.stored_count / took


async def _inserted(client: AsyncMongoClient[dict[str, Any]], batches: int) -> float:
    """Return the documents a second of as many that the server has written."""
    found = client["privacyrights"]["records_processor"].find({}, limit=BATCH)
    documents = await found.to_list(None)
    durable = WriteConcern("majority", j=True)
    plain = client["bench"].get_collection("records", write_concern=durable)
    made = [
        [{**each, "_id": f"{each['_id']}{next(_numbers)}"} for each in documents]
        for _ in range(batches)
    ]
    started = time.perf_counter()
    for each in made:
        await plain.insert_many(each)
    return len(documents) * batches / (time.perf_counter() - started)


def _message() -> records_service_pb2.ImportRecordsRequest:
    fields = Struct()
    fields.update({"name": "Ada Lovelace", "locale": "en_GB"})
    requests = [
        records_service_pb2.PutRecordRequest(
            subject=types_pb2.Subject(
                role=types_pb2.ROLE_PROCESSOR,
                tenant=f"tenants/{TENANT}",
                subject_id=f"psid-{next(_numbers)}",
            ),
            purpose="purposes/optimise_interactions",
            record=records_service_pb2.Record(category="categories/profile", fields=fields),
        )
        for _ in range(BATCH)
    ]
    return records_service_pb2.ImportRecordsRequest(
        batch=records_service_pb2.BatchPutRecordsRequest(
            requests=requests, request_id=f"batch-{next(_numbers)}"
        )
    )


def _each(
    messages: list[records_service_pb2.ImportRecordsRequest],
) -> Iterator[records_service_pb2.ImportRecordsRequest]:
    yield from messages


def main() -> None:
    """Measure and print."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for each in runner.run(ratios(is_quick=False)):
            print(each.line)


if __name__ == "__main__":
    main()
