"""Contents have one form, which a reference of RFC 8785 makes as well."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from typing import Any

import msgspec
import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from server.domain.ledger.canonical import canonical

FRACTIONS = {
    # RFC 8785, appendix B, but for those that a record can't hold.
    5e-324: "5e-324",
    1.7976931348623157e308: "1.7976931348623157e+308",
    295147905179352830000.0: "295147905179352830000",
    9.999999999999997e22: "9.999999999999997e+22",
    1e23: "1e+23",
    1.0000000000000001e23: "1.0000000000000001e+23",
    999999999999999700000.0: "999999999999999700000",
    999999999999999900000.0: "999999999999999900000",
    1e21: "1e+21",
    9.999999999999997e-7: "9.999999999999997e-7",
    0.000001: "0.000001",
    333333333.3333332: "333333333.3333332",
    0.00000999: "0.00000999",
    -0.0000033333333333333333: "-0.0000033333333333333333",
    1424953923781206.2: "1424953923781206.2",
    -0.0: "0",
    1.0: "1",
}

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


class Colour(StrEnum):
    """Something with a value."""

    RED = "red"


@dataclass(frozen=True, slots=True)
class Inner:
    """A part of a content."""

    name: str
    size: int = 0
    time: datetime | None = None


def of_msgspec(content: Mapping[str, object]) -> bytes:
    """Broken: writes fractions and sorts names as msgspec does."""
    return msgspec.json.encode(content, order="sorted")


def of_python(content: Mapping[str, object]) -> bytes:
    """Broken: writes as Python's own module does."""
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def assert_known_fractions(make: Callable[[Mapping[str, object]], bytes]) -> None:
    """Hold that *make* writes fractions as the RFC's own samples are."""
    for number, text in FRACTIONS.items():
        assert f'{{"x":[{text}]}}'.encode() == make({"x": [number]})


def assert_names_in_order(make: Callable[[Mapping[str, object]], bytes]) -> None:
    """Hold that *make* sorts names by their UTF-16 code units (RFC 8785, 3.2.3)."""
    names = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    ordered = ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]

    written = json.loads(make({"x": dict.fromkeys(names, 1)}), object_pairs_hook=list)

    assert ordered == [name for name, _ in written[0][1]]


def test_fractions_and_names_are_those_of_the_standard() -> None:
    """Numbers and the order of names are the samples of RFC 8785."""
    assert_known_fractions(canonical)
    assert_names_in_order(canonical)


@pytest.mark.parametrize("broken", [of_msgspec, of_python])
def test_other_forms_are_caught(broken: Callable[[Mapping[str, object]], bytes]) -> None:
    """What other encoders write is another form, and each assertion notices it."""
    with pytest.raises(AssertionError):
        assert_known_fractions(broken)
    with pytest.raises(AssertionError):
        assert_names_in_order(broken)


@settings(max_examples=300, deadline=None)
@given(json_values)
def test_whatever_a_record_holds_is_as_the_reference_writes_it(value: Any) -> None:
    """Any JSON that a record can hold becomes what the reference makes of it."""
    assert rfc8785.dumps({"fields": {"x": value}}) == canonical({"fields": {"x": value}})


def test_domain_values_become_plain_ones() -> None:
    """Times are in UTC with milliseconds, enums their values, dataclasses their members by name."""
    noon = datetime(2026, 3, 2, 12, 0, 0, 5000, tzinfo=timezone(timedelta(hours=1)))

    found = canonical(
        {"z": Inner("n", 2, noon), "a": (Colour.RED, True), "m": noon.astimezone(UTC)}
    )

    expected: Any = {
        "a": ["red", True],
        "m": "2026-03-02T11:00:00.005Z",
        "z": {"name": "n", "size": 2, "time": "2026-03-02T11:00:00.005Z"},
    }
    assert rfc8785.dumps(expected) == found


def test_what_is_empty_is_left_out_but_of_what_was_recorded() -> None:
    """A member that is added later changes no earlier content; a record's empty field stays."""
    content = {"none": None, "no": False, "zero": 0, "text": "", "list": (), "inner": Inner("n")}

    assert b'{"inner":{"name":"n"}}' == canonical(content)
    assert b'{"fields":{"a":"","b":null,"c":0}}' == canonical(
        {"fields": {"c": 0, "b": None, "a": ""}}
    )


def test_what_has_no_form_is_refused() -> None:
    """Something that nobody thought of is no content."""
    with pytest.raises(TypeError, match="object has no canonical form"):
        canonical({"x": object()})
    with pytest.raises(AssertionError):
        canonical({"x": math.inf})
