"""Requests that nobody should send: right ones with something wrong, and none right at all."""

from __future__ import annotations

import base64
import functools
import itertools
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from bson.timestamp import Timestamp
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from hypothesis import strategies as st

from server.handlers.fields import Fields
from server.handlers.pages import page
from server.storage import token
from tests.rpc.world import CANARY

M = TypeVar("M", bound=Message)
Draw = st.DrawFn

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
MANY = 1001
"""One more than any list may have."""

MAX_BYTES = 4_000_000
"""What gRPC lets through; more is refused before it reaches us, and tested elsewhere."""

TEXTS = (
    "",
    " ",
    "\0",
    f"{CANARY}\0{CANARY}",
    CANARY,
    f"{CANARY}@example.org",
    f"tenants/{CANARY}",
    f"tenants/{CANARY}/{CANARY}/{CANARY}",
    f"purposes/{CANARY}",
    f"categories/{CANARY}",
    "tenants/",
    "tenants//",
    "tenants/a/chatbots/",
    "tenants/a/notices/p0",
    "tenants/" + "a" * 64,
    "policyVersions/9999-12-31",
    "policyVersions/2026-02-30",
    CANARY * 30,
    "x" * 20_001,
    "漢" * 10_001,
    "\u202e\u200b\ufeff",
    "é" * 129,
    "\U0010ffff",
    "$where",
    '{"$gt": ""}',
    "a.b",
    "../../etc/passwd",
    "-1",
    "NaN",
    "AAAA",
    "g" * 26,
    "ab" * 32,
    "AB" * 32,
    "en",
    "xx-YY-zz",
    "UTC",
    "../UTC",
    "Europe",
)

INTEGERS = (0, 1, -1, 2, 99, 1000, 1001, 2**31 - 1, -(2**31), 2**53, 2**63 - 1, -(2**63))
SECONDS = (0, -1, int(NOW.timestamp()), int(NOW.timestamp()) + 30, 253402300799, 253402300800)
SECONDS_BEYOND = (-62135596800, -62135596801, 2**63 - 1, -(2**63), 1 << 40)
NUMBERS = (0.0, -0.0, 1.5, 1e308, math.inf, -math.inf, math.nan)

ORDER_VALUES = (
    None,
    "",
    CANARY,
    0,
    -1,
    2**63 - 1,
    2**63,
    2**64 - 1,
    -(2**63),
    1.5,
    True,
    b"bytes",
    ["list"],
    {"$gt": ""},
    {"$where": "sleep(1)"},
    NOW,
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(9999, 12, 31, tzinfo=UTC),
)
"""What a page token may claim that its list is ordered by."""

TIMES = (Timestamp(0, 0), Timestamp(0, 1), Timestamp(1, 0), Timestamp(2**32 - 1, 2**32 - 1))


def _deep(levels: int) -> dict[str, Any]:
    made: dict[str, Any] = {"x": CANARY}
    for _ in range(levels):
        made = {"x": made}
    return made


_STRUCTS: tuple[dict[str, Any], ...] = (
    {},
    {"": CANARY},
    {CANARY: CANARY},
    {"a.b": 1, "$set": 2},
    {"name": None, "email": True},
    {"question": [[[CANARY]]], "answer": _deep(5)},
    {"question": math.nan, "answer": math.inf},
    {"question": "x" * 300_000},
    {f"f{number}": number for number in range(2000)},
    _deep(40),
    _deep(80),
    {"question": "size", "answer": [_deep(20)] * 20},
)


@st.composite
def mutated(draw: Draw, base: M, names: Sequence[str]) -> M:
    """Return *base* with up to three things changed; *names* exist, but elsewhere."""
    made = type(base)()
    made.CopyFrom(base)
    for _ in range(draw(st.integers(1, 3))):
        _spoil(draw, made, names)
    return made if made.ByteSize() < MAX_BYTES else type(base)()


@st.composite
def garbage(draw: Draw, request: type[M]) -> M:
    """Return a *request* in which every field may be anything."""
    made = request()
    for field in request.DESCRIPTOR.fields:
        if draw(st.booleans()):
            _change(draw, made, field, ())
    return made if made.ByteSize() < MAX_BYTES else request()


# Fields are Any: protobuf has two descriptor classes, of which type checkers know one each.


def _spoil(draw: Draw, message: Message, names: Sequence[str]) -> None:
    if isinstance(message, Struct):
        message.Clear()
        message.update(draw(st.sampled_from(_STRUCTS)))
    elif fields := message.DESCRIPTOR.fields:
        _change(draw, message, draw(st.sampled_from(list(fields))), names)


def _change(draw: Draw, message: Message, field: Any, names: Sequence[str]) -> None:
    if field.is_repeated:
        _change_list(draw, message, field, names)
    elif field.message_type is not None:
        if draw(st.integers(0, 4)) == 0:
            message.ClearField(field.name)
        else:
            nested = getattr(message, field.name)
            nested.SetInParent()
            _spoil(draw, nested, names)
    elif field.name == "page_token" and draw(st.booleans()):
        setattr(message, field.name, _forged(draw, message))
    else:
        setattr(message, field.name, _scalar(draw, field, names))


def _change_list(draw: Draw, message: Message, field: Any, names: Sequence[str]) -> None:
    values = getattr(message, field.name)
    # Each again, too many of them, none, one that is changed, one more.
    way = draw(st.sampled_from(("again", "many", "none", "changed", "added")))
    if way == "none":
        message.ClearField(field.name)
    elif way in ("again", "many"):
        wanted = 2 * len(values) if way == "again" else MANY
        # No more than can be sent: three changes of lists in lists would fill the memory.
        most = min(wanted, MANY, len(values) * MAX_BYTES // (message.ByteSize() + 1))
        missing = max(0, most - len(values))
        values.extend(itertools.islice(itertools.cycle(list(values)), missing))
    elif field.message_type is None:
        values.append(_scalar(draw, field, names))
    else:
        one = values[0] if values and way == "changed" else values.add()
        _spoil(draw, one, names)


def _scalar(draw: Draw, field: Any, names: Sequence[str]) -> Any:
    match field.cpp_type:
        case FieldDescriptor.CPPTYPE_STRING if field.type == FieldDescriptor.TYPE_BYTES:
            return draw(st.binary(max_size=64))
        case FieldDescriptor.CPPTYPE_STRING:
            return draw(_text(field.name, names))
        case FieldDescriptor.CPPTYPE_BOOL:
            return draw(st.booleans())
        case FieldDescriptor.CPPTYPE_ENUM:
            known = [value.number for value in field.enum_type.values]
            return draw(st.sampled_from((*known, -1, 99, 2**31 - 1)))
        case FieldDescriptor.CPPTYPE_DOUBLE | FieldDescriptor.CPPTYPE_FLOAT:
            return draw(st.sampled_from(NUMBERS))
        case _:
            return draw(st.sampled_from(_integers(field)))


def _integers(field: Any) -> Sequence[int]:
    if field.name == "seconds":
        return (*SECONDS, *SECONDS_BEYOND)
    bits = 32 if field.cpp_type in _SMALL else 64
    low, high = (
        (0, 2**bits - 1)
        if field.cpp_type in _UNSIGNED
        else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    )
    return [number for number in INTEGERS if low <= number <= high]


_SMALL = {FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_UINT32}
_UNSIGNED = {FieldDescriptor.CPPTYPE_UINT32, FieldDescriptor.CPPTYPE_UINT64}


@functools.cache
def _text(name: str, names: Sequence[str]) -> st.SearchStrategy[str]:
    if name == "at_least_as_fresh":
        made_up = [token.encode(time) for time in TIMES]
        return st.sampled_from((*made_up, *(text[::-1] for text in made_up), *TEXTS))
    # What is right as a request id is no secret: it is logged, so that calls can be found.
    texts = [text for text in TEXTS if name != "request_id" or text != CANARY]
    return st.one_of(
        st.sampled_from((*names, *texts)), st.sampled_from(texts), st.text(max_size=20)
    )


def _forged(draw: Draw, message: Message) -> str:
    """Return a page token that fits the list, but names what the list never had.

    Its list is told by a digest that anybody can compute.
    """
    bare = type(message)()
    bare.CopyFrom(message)
    bare.ClearField("page_token")
    bare.ClearField("page_size")
    value = draw(st.sampled_from(ORDER_VALUES))
    id = draw(st.sampled_from(("", CANARY, "\0", "\U0010ffff", "a/b", "notices-processor/x")))
    made = page(Fields(NOW), bare).token((value, id))
    return draw(st.sampled_from((made, made[:-1], made + "A", base64.b64encode(b"x").decode())))
