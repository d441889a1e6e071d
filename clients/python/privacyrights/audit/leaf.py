"""One line of an exported log: a ledger entry as canonical JSON (RFC 8785)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from privacyrights.audit.findings import Finding

MAX_BYTES = 1 << 20
"""The longest line that is read: far more than the longest entry."""

KINDS: dict[str, type] = {
    "actor": str,
    "commitment": str,
    "id": str,
    "position": int,
    "purpose": str,
    "reason": str,
    "role": str,
    "rpc": str,
    "subject": str,
    "target": str,
    "tenant": str,
    "time": str,
    "type": str,
}
"""Every member of a leaf, and what its value is."""

_TYPES = [*KINDS.values()]

MAX_POSITION = (1 << 53) - 1
"""The largest whole number that has one form in every JSON library (RFC 8785 section 3.2.2.3)."""

_ROLES = {"controller", "processor", ""}
# 32 bytes in base64url without padding leave two bits of the last character unused: zero.
_COMMITMENT = re.compile(r"(?:[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048])?")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")

# Strings and whole numbers are all that a leaf holds; for these, this is RFC 8785's form.
_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


class LeafError(ValueError):
    """A line isn't a leaf; `finding` says in which way."""

    def __init__(self, finding: Finding, detail: str) -> None:
        super().__init__(detail)
        self.finding = finding
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Leaf:
    """What of a leaf is compared with other leaves and with the checkpoint."""

    position: int
    tenant: str
    time: datetime


def read_leaf(line: bytes) -> Leaf:
    """Return the leaf that *line* is, given without its line end.

    Raises:
        LeafError: it isn't one.
    """
    try:
        text = line.decode()
        value = json.loads(text)
        canonical = is_canonical(text, value)
    except (ValueError, RecursionError):
        raise LeafError(Finding.LINE_NOT_CANONICAL, "It isn't JSON in UTF-8.") from None
    if not canonical:
        raise LeafError(Finding.LINE_NOT_CANONICAL, "It is JSON, but not in canonical form.")
    if not has_members(value):
        raise LeafError(Finding.LINE_MEMBERS, "A member is missing, unknown, or of another type.")
    time = time_of(value["time"])
    if time is None or not has_forms(value):
        raise LeafError(Finding.LINE_MEMBERS, "A role, time, position or commitment has no form.")
    return Leaf(value["position"], value["tenant"], time)


def is_canonical(text: str, value: Any) -> bool:
    """Tell whether *text* is the one way to write *value*.

    It isn't, for example, with blanks, members out of order or twice, or needless escapes.
    """
    return _encode(value) == text


def has_members(value: Any) -> bool:
    """Tell whether *value* is an object with exactly the members of a leaf, of their types."""
    if not isinstance(value, dict):
        return False
    members = cast("dict[str, Any]", value)
    # The very type: true is an int, but no position.
    return members.keys() == KINDS.keys() and [*map(type, map(members.get, KINDS))] == _TYPES


def has_forms(value: dict[str, Any]) -> bool:
    """Tell whether role, commitment and position have values that such members can have."""
    return (
        value["role"] in _ROLES
        and _COMMITMENT.fullmatch(value["commitment"]) is not None
        and 0 <= value["position"] <= MAX_POSITION
    )


def time_of(text: str) -> datetime | None:
    """Return *text* as a time in UTC (RFC 3339, to the millisecond); None: it isn't one."""
    if not _TIME.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
