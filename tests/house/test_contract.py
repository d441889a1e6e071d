"""The contract's comments are its manual: each method lists its errors, by reasons that exist."""

from __future__ import annotations

import re

import pytest

from privacyrights.v1 import error_reason_pb2
from server.handlers.registry import handler_classes
from tests.house.pages import ROOT
from tools.contract import descriptors

_RPC = re.compile(r"(?P<comment>(?:^  //.*\n)+)^  rpc (?P<name>\w+)\(", re.MULTILINE)
_REASON = re.compile(r"\b[A-Z]+(?:_[A-Z]+)+\b")
_CODES = {
    "INVALID_ARGUMENT",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "FAILED_PRECONDITION",
    "RESOURCE_EXHAUSTED",
    "DATA_LOSS",
}

METHODS = {
    found["name"]: found["comment"]
    for file in sorted((ROOT / "protos/privacyrights/v1").glob("*_service.proto"))
    for found in _RPC.finditer(file.read_text(encoding="utf-8"))
}


def errors(comment: str) -> str | None:
    """Return the list of errors in a method's comment, or None if it has none."""
    _, found, listed = comment.partition("// Errors:")
    return listed if found else None


@pytest.mark.parametrize("name", METHODS)
def test_method_lists_its_errors(name: str) -> None:
    """Every method says how it refuses, and every reason that it names is in ErrorReason."""
    listed = errors(METHODS[name])

    assert listed is not None
    reasons = set(_REASON.findall(listed)) - _CODES
    values = error_reason_pb2.DESCRIPTOR.enum_types_by_name["ErrorReason"].values_by_name
    assert reasons <= {value.removeprefix("ERROR_REASON_") for value in values}


def test_missing_list_would_be_noticed() -> None:
    """A comment of one sentence has no list of errors."""

    assert errors("  // Withdraws every consent.\n") is None


LEFT_EMPTY = [field for kind in handler_classes() for field in vars(kind).get("LEFT_EMPTY", ())]


@pytest.mark.parametrize("field", LEFT_EMPTY)
def test_what_is_left_empty_is_in_the_contract(field: str) -> None:
    """The page on what is built names fields that there are."""
    message, name = field.split(".")

    known = [
        found
        for file in descriptors().file
        for found in file.message_type
        if found.name == message and name in {one.name for one in found.field}
    ]

    assert known
