"""Contents as canonical JSON (RFC 8785): one form for one content, in every language.

msgspec writes text, whole numbers, lists and objects as RFC 8785 asks for; a test compares
the two. What it writes otherwise is prepared here: the order of names outside ASCII, and
fractions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, cast

import msgspec

from server.domain.ledger.leaf import rfc3339

_LONGEST = 21
_SMALLEST = -6
"""Powers of ten beyond which ECMAScript writes a number with an exponent."""

_AS_IT_IS = frozenset({str, int, bool, type(None)})

_encoder = msgspec.json.Encoder()
_names: dict[type, tuple[str, ...]] = {}


def canonical(content: Mapping[str, object]) -> bytes:
    """Return *content* as canonical JSON.

    Of the content and of the dataclasses in it, members that are null, false, 0 or empty are
    left out: a member that a later version adds then changes no earlier content. What is
    given as a dict is kept whole. Times are in UTC with milliseconds.
    """
    return _encoder.encode(
        {
            name: value if value.__class__ in _AS_IT_IS else _plain(value)
            for name, value in sorted(content.items())
            if value
        }
    )


def _plain(value: object) -> object:
    if value.__class__ in _AS_IT_IS or isinstance(value, StrEnum):
        return value
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, float):
        return msgspec.Raw(_number(value).encode())
    if isinstance(value, Mapping):
        given = cast("Mapping[str, object]", value)
        return {name: _plain(given[name]) for name in sorted(given, key=_code_units)}
    if isinstance(value, Sequence):
        return [_plain(each) for each in cast("Sequence[object]", value)]
    members = ((name, getattr(value, name)) for name in _members(value.__class__))
    return {name: _plain(member) for name, member in members if member}


def _members(type: type[Any]) -> tuple[str, ...]:
    known = _names.get(type)
    if known is None:
        if not is_dataclass(type):
            raise TypeError(f"{type.__name__} has no canonical form")
        known = _names[type] = tuple(sorted(field.name for field in fields(type)))
    return known


def _code_units(name: str) -> bytes:
    """Return what RFC 8785 sorts names by."""
    return name.encode("utf-16-be")


def _number(value: float) -> str:
    """Return *value* as ECMAScript writes it (RFC 8785, 3.2.2.3)."""
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    assert isinstance(exponent, int), "records take finite numbers only"  # noqa: S101 – narrows
    text = "".join(map(str, digits))
    if text == "0":
        return text
    point = len(text) + exponent
    if len(text) <= point <= _LONGEST:
        written = text + "0" * (point - len(text))
    elif 0 < point <= _LONGEST:
        written = f"{text[:point]}.{text[point:]}"
    elif _SMALLEST < point <= 0:
        written = f"0.{'0' * -point}{text}"
    else:
        fraction = f".{text[1:]}" if len(text) > 1 else ""
        written = f"{text[0]}{fraction}e{point - 1:+d}"
    return f"-{written}" if sign else written
