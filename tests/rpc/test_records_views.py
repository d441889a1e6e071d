"""ReadRecords in parts: by category, by key, and without the data."""

from __future__ import annotations

import grpc
import pytest

from privacyrights.v1 import records_service_pb2 as pb
from privacyrights.v1 import types_pb2
from server.compose import App
from tests.rpc.kept import PROFILE, SESSION, ledger, put, read
from tests.rpc.people import end_user, new_tenant, refused


@pytest.fixture
async def subject(channel: grpc.aio.Channel) -> types_pb2.Subject:
    """Return somebody with three profiles and a session."""
    made = end_user(await new_tenant(channel))
    for key in ("a", "b", "c"):
        await put(channel, made, {"name": key}, key=key)
    await put(channel, made, {"duration_seconds": 30}, category=SESSION, key="b")
    return made


def places(response: pb.ReadRecordsResponse) -> list[tuple[str, str]]:
    """Return category and key of each record."""
    return [(record.category, record.key) for record in response.records]


async def test_by_key(channel: grpc.aio.Channel, subject: types_pb2.Subject) -> None:
    """Only records with one of the keys, in any category, page by page."""
    first = await read(channel, subject, keys=["b", "c", "none"], page_size=2)
    rest = await read(
        channel, subject, keys=["b", "c", "none"], page_size=2, page_token=first.next_page_token
    )

    assert [(PROFILE, "b"), (PROFILE, "c"), (SESSION, "b")] == [*places(first), *places(rest)]
    assert "" == rest.next_page_token


async def test_by_category_and_key(channel: grpc.aio.Channel, subject: types_pb2.Subject) -> None:
    """Both restrict."""

    assert [(SESSION, "b")] == places(
        await read(channel, subject, categories=[SESSION], keys=["b", "a"])
    )


async def test_a_token_is_of_one_list(
    channel: grpc.aio.Channel, subject: types_pb2.Subject
) -> None:
    """That of a list with other keys doesn't go on with this one."""
    first = await read(channel, subject, keys=["b", "c"], page_size=1)

    told = await refused(read(channel, subject, keys=["a"], page_token=first.next_page_token))

    assert "PAGE_TOKEN_INVALID" == told.reason


async def test_metadata_is_all_but_the_data(
    app: App, channel: grpc.aio.Channel, subject: types_pb2.Subject
) -> None:
    """It tells what is kept and why, and none of it; the ledger tells of that reading as well."""
    response = await read(channel, subject, view=pb.RECORD_VIEW_METADATA)
    full = await read(channel, subject, view=pb.RECORD_VIEW_FULL)

    assert 4 == len(response.records)
    assert not any(record.HasField("fields") for record in response.records)
    for record in full.records:
        assert record.HasField("fields")
        record.ClearField("fields")
    assert list(full.records) == list(response.records)
    entries = [entry.type for entry in await ledger(app.ports, subject.tenant)]
    assert 2 == entries.count("record.read")


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"keys": ["x"] * 101}, "keys"),
        ({"keys": ["fine", "Not fine"]}, "keys[1]"),
        ({"view": 9}, "view"),
    ],
)
async def test_bad_parts(
    channel: grpc.aio.Channel, subject: types_pb2.Subject, asked: dict[str, object], field: str
) -> None:
    """What no key or view can be is named."""
    told = await refused(read(channel, subject, **asked))  # type: ignore[arg-type]

    assert ("INVALID_ARGUMENT", (field,)) == (told.code, told.fields)
