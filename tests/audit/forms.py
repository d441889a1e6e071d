"""Other forms of a line: some mean the same entry, others no entry that there can be."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable

from privacyrights.audit import Finding
from tests.audit.writer import Entry, line_of

Form = Callable[[bytes], bytes]

_NOT_CANONICAL = Finding.LINE_NOT_CANONICAL
_MEMBERS = Finding.LINE_MEMBERS


def _with(**members: object) -> Form:
    return lambda line: line_of({**_entry(line), **members})


def _without(member: str) -> Form:
    return lambda line: line_of({k: v for k, v in _entry(line).items() if k != member})


def _entry(line: bytes) -> Entry:
    entry: Entry = json.loads(line)
    return entry


def _in_ascii(line: bytes) -> bytes:
    return json.dumps(_entry(line), separators=(",", ":")).encode()


def _reversed(line: bytes) -> bytes:
    backwards = dict(reversed(_entry(line).items()))
    return json.dumps(backwards, ensure_ascii=False, separators=(",", ":")).encode()


def _as_exponent(line: bytes) -> bytes:
    position = _entry(line)["position"]
    return line.replace(f'"position":{position},'.encode(), f'"position":{position}e0,'.encode())


def decomposed(line: bytes) -> bytes:
    """Return what looks the same, and is canonical JSON: of another text."""
    return unicodedata.normalize("NFD", line.decode()).encode()


# Of a line whose `reason` has an é.
SAME_MEANING: dict[str, Form] = {
    "a blank inside": lambda line: line.replace(b'":', b'": ', 1),
    "a blank before": lambda line: b" " + line,
    "a blank after": lambda line: line + b" ",
    "a carriage return": lambda line: line + b"\r",
    "a byte order mark": lambda line: b"\xef\xbb\xbf" + line,
    "members in another order": _reversed,
    "a member twice": lambda line: line.replace(b"{", b'{"actor":"somebody",', 1),
    "an escaped letter": lambda line: line.replace(b'"actor"', b'"\\u0061ctor"'),
    "an escaped slash": lambda line: line.replace(b"/", b"\\/"),
    "escaped letters beyond ASCII": _in_ascii,
    "another encoding": lambda line: line.decode().encode("utf-16-be"),
    "a Latin encoding": lambda line: line.replace("é".encode(), "é".encode("latin-1")),
    "a number with an exponent": _as_exponent,
}
"""Forms that mean the same entry; none of them is canonical."""

NO_ENTRY: dict[str, tuple[Form, Finding]] = {
    "an unknown member": (_with(zone="eu"), _MEMBERS),
    "a nested member": (_with(actor={"name": "crm"}), _MEMBERS),
    "a member of another name": (lambda line: line.replace(b'"actor"', b'"Actor"'), _MEMBERS),
    "no actor": (_without("actor"), _MEMBERS),
    "no commitment": (_without("commitment"), _MEMBERS),
    "null": (_with(reason=None), _MEMBERS),
    "a number for a text": (_with(purpose=7), _MEMBERS),
    "a text for a number": (_with(position="0"), _MEMBERS),
    "a truth for a number": (_with(position=False), _MEMBERS),
    "a negative position": (_with(position=-1), _MEMBERS),
    "a position beyond counting": (_with(position=1 << 53), _MEMBERS),
    "an unknown role": (_with(role="Controller"), _MEMBERS),
    "a time with an offset": (_with(time="2026-03-01T00:00:00.000+00:00"), _MEMBERS),
    "a time to the second": (_with(time="2026-03-01T00:00:00Z"), _MEMBERS),
    "a day that isn't": (_with(time="2026-02-30T00:00:00.000Z"), _MEMBERS),
    "a short commitment": (_with(commitment="AAAA"), _MEMBERS),
    "a commitment of two forms": (_with(commitment="A" * 42 + "B"), _MEMBERS),
    "a list": (lambda line: b"[" + line + b"]", _MEMBERS),
    "a word": (lambda _: b'"acme"', _MEMBERS),
    "no JSON": (lambda line: line[:-1], _NOT_CANONICAL),
    "deep nesting": (lambda _: b"[" * 100_000, _NOT_CANONICAL),
    "a number without end": (lambda _: b"9" * 10_000, _NOT_CANONICAL),
    "half a character": (lambda _: b'"\\ud800"', _NOT_CANONICAL),
}
"""Forms that mean no entry that there can be, and what is to be found."""
