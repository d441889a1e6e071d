"""Lists far longer than any may be are refused before anybody else has to wait for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor

from tests.rpc.contract import Method, methods
from tests.rpc.wire import refused

COUNT = 500_000
"""Empty values that are sent, in 1 MB: a hundred times fewer are the most of any list."""

SECONDS = 4
"""Far more than decoding takes; looking at each of them took three times as long and more."""

DEPTH = 3

IGNORED = {
    "breach.measures": "only read from us: what is sent is ignored, as the contract says",
}
"""Lists that may be of any length, with the reason."""

Path = tuple[Any, ...]


def paths(descriptor: Any, depth: int = 0) -> Iterator[Path]:
    """Yield how each list in a message is reached, itself last."""
    for field in descriptor.fields:
        if field.is_repeated:
            yield (field,)
        elif field.message_type is not None and depth < DEPTH:
            for path in paths(field.message_type, depth + 1):
                yield (field, *path)


FLOODS = [
    pytest.param(method, path, id=f"{method.rpc}-{'.'.join(field.name for field in path)}")
    for _, method in sorted(methods().items())
    if method.is_built
    for path in paths(method.request.DESCRIPTOR)
    if ".".join(field.name for field in path) not in IGNORED
    and not path[-1].containing_type.full_name.startswith("google.")
]


def flooded(path: Path) -> bytes:
    """Return an encoded message that has, at *path*, nothing but empty values."""
    *parents, field = path
    if field.cpp_type in {FieldDescriptor.CPPTYPE_STRING, FieldDescriptor.CPPTYPE_MESSAGE}:
        encoded = (_tag(field) + b"\0") * COUNT
    else:
        encoded = _tag(field) + _varint(COUNT) + b"\0" * COUNT
    for parent in reversed(parents):
        encoded = _tag(parent) + _varint(len(encoded)) + encoded
    return encoded


@pytest.mark.parametrize(("method", "path"), FLOODS)
async def test_flood_is_refused_at_once(
    channel: grpc.aio.Channel, method: Method, path: Path
) -> None:
    """However long a list is, its values aren't looked at one by one."""

    told = await refused(channel, method.path, flooded(path), seconds=SECONDS)

    assert told.reason in {"FIELD_INVALID", "NOT_BUILT_YET"}
    assert len(told.violations) <= 100


async def test_flood_of_nothing_is_no_flood(channel: grpc.aio.Channel) -> None:
    """A list that is only read from us is ignored, however long it is."""

    ignored = [
        flooded(path)
        for path in paths(methods()["BreachService/ReportBreach"].request.DESCRIPTOR)
        if ".".join(field.name for field in path) in IGNORED
    ]
    told = await refused(
        channel, methods()["BreachService/ReportBreach"].path, *ignored, seconds=SECONDS
    )

    assert "breach.measures" not in str(told.fields)


def _tag(field: Any) -> bytes:
    return _varint(field.number << 3 | 2)


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
