"""ReadRecords over a real channel: what a purpose is given, page by page, and who is told."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from bson import Binary
from pymongo import AsyncMongoClient

from privacyrights.v1 import records_service_pb2 as pb
from privacyrights.v1 import types_pb2
from server.compose import App
from server.settings import Settings
from tests.rpc.kept import (
    NAME,
    PROFILE,
    SESSION,
    everything,
    ledger,
    put,
    put_request,
    read,
    stub,
)
from tests.rpc.people import end_user, new_id, new_tenant, refused


async def test_reading_is_limited_to_the_purpose(channel: grpc.aio.Channel) -> None:
    """A purpose sees the categories that it needs, a caller those of them that it asks for."""
    subject = end_user(await new_tenant(channel))
    session = {"duration_seconds": 30}
    await put(channel, subject)
    await put(channel, subject, session, category=SESSION)

    for_problems = await everything(channel, subject, purpose="purposes/resolve_problems")
    narrowed = await everything(channel, subject, categories=[PROFILE])
    found = await refused(
        read(channel, subject, purpose="purposes/resolve_problems", categories=[PROFILE])
    )

    assert [session] == for_problems
    assert [NAME] == narrowed
    assert ("FAILED_PRECONDITION", "CATEGORY_NOT_IN_PURPOSE") == (found.code, found.reason)


async def test_reading_is_an_entry_with_the_reason(app: App, channel: grpc.aio.Channel) -> None:
    """Who read whose data for what purpose, and why, is in the ledger."""
    tenant = await new_tenant(channel)
    subject = end_user(tenant)
    await put(channel, subject)

    response = await read(channel, subject, reason="support ticket 4711")

    entry = (await ledger(app.ports, tenant))[-1]
    assert response.ledger_entry.removeprefix(f"{tenant}/ledgerEntries/") == entry.id.split("/")[1]
    assert ("record.read", "optimise_interactions", "support ticket 4711") == (
        entry.type,
        entry.purpose,
        entry.reason,
    )


@pytest.mark.parametrize(
    "reason",
    ["", " ", "x" * 501, "asked by psid-canary himself", "mail from ada@example.org"],
)
async def test_the_reason_must_be_one(channel: grpc.aio.Channel, reason: str) -> None:
    """A reason is stated, and names nobody: the ledger can't forget it."""
    subject = end_user(await new_tenant(channel), "psid-canary")
    await put(channel, subject)

    found = await refused(read(channel, subject, reason=reason))

    assert ("FIELD_INVALID", ("reason",)) == (found.reason, found.fields)


async def test_pages_are_sorted_and_whole(channel: grpc.aio.Channel) -> None:
    """Page after page, each record comes once, by category and key."""
    subject = end_user(await new_tenant(channel))
    for key in ("b", "a-b", "a", "a_b"):
        await put(channel, subject, {"name": key}, key=key)
        await put(channel, subject, {"duration_seconds": 1}, category=SESSION, key=key)
    seen: list[tuple[str, str]] = []
    token = ""

    while True:
        response = await read(channel, subject, page_size=3, page_token=token)
        seen += [(record.category, record.key) for record in response.records]
        token = response.next_page_token
        if not token:
            break

    assert sorted(seen) == seen
    assert 8 == len(set(seen))


async def test_a_page_of_large_records_ends_early(channel: grpc.aio.Channel) -> None:
    """What is returned stays a message that clients accept; the rest is on the next page."""
    subject = end_user(await new_tenant(channel))
    reply = {"answer": "yes", "attributes": {"text": "x" * 16_000}}
    replies = "categories/quick_reply"
    batch = pb.BatchPutRecordsRequest(request_id=new_id())
    for number in range(40):
        request = put_request(subject, reply, category=replies, key=f"k{number}", request_id="")
        batch.requests.append(request)
    await stub(channel).BatchPutRecords(batch)

    first = await read(channel, subject, page_size=1000)
    second = await read(channel, subject, page_size=1000, page_token=first.next_page_token)

    assert 40 == len(first.records) + len(second.records)
    assert first.ByteSize() < 1024 * 1024
    assert not second.next_page_token


async def test_page_tokens_belong_to_their_list(channel: grpc.aio.Channel) -> None:
    """The token of one reading is refused by another."""
    subject = end_user(await new_tenant(channel))
    await put(channel, subject)
    await put(channel, subject, key="other")
    token = (await read(channel, subject, page_size=1)).next_page_token

    found = await refused(read(channel, subject, page_token=token, categories=[PROFILE]))

    assert "PAGE_TOKEN_INVALID" == found.reason


@pytest.mark.parametrize("kind", ["token", "linearizable"])
async def test_reading_sees_what_was_acknowledged(channel: grpc.aio.Channel, kind: str) -> None:
    """With the token of a write, or linearizable, a reading has that write."""
    subject = end_user(await new_tenant(channel))
    token = (await put(channel, subject)).consistency_token
    consistency = (
        types_pb2.Consistency(at_least_as_fresh=token)
        if kind == "token"
        else types_pb2.Consistency(linearizable=True)
    )

    assert [NAME] == await everything(channel, subject, consistency=consistency)


async def test_a_wrong_consistency_token_is_refused(channel: grpc.aio.Channel) -> None:
    """What isn't one of our tokens is refused by that reason."""
    subject = end_user(await new_tenant(channel))
    wrong = types_pb2.Consistency(at_least_as_fresh="tomorrow")

    assert (
        "CONSISTENCY_TOKEN_INVALID"
        == (await refused(read(channel, subject, consistency=wrong))).reason
    )


async def test_swapped_ciphertext_is_noticed(settings: Settings, channel: grpc.aio.Channel) -> None:
    """What was sealed as one record doesn't open as another: the database can't mix them up."""
    tenant = await new_tenant(channel)
    subject = end_user(tenant)
    await put(channel, subject, {"name": "one"}, key="one")
    await put(channel, subject, {"name": "two"}, key="two")
    assert settings.mongo_uri is not None
    async with AsyncMongoClient[dict[str, Any]](settings.mongo_uri.get_secret_value()) as client:
        kept = client[settings.database]["records_processor"]
        where = {"tenant": tenant.removeprefix("tenants/")}
        one, two = [document async for document in kept.find(where).sort("_id", 1)]
        swapped = {"$set": {"sealed": Binary(two["sealed"])}}
        await kept.update_one({"_id": one["_id"]}, swapped)

    found = await refused(read(channel, subject))

    assert ("DATA_LOSS", "STORED_DATA_CORRUPT") == (found.code, found.reason)
