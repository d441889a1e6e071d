"""Signed notes: a text and who signed it.

Source: https://c2sp.org/signed-note, Ed25519 signatures only.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from dataclasses import dataclass

MAX_BYTES = 1 << 16
"""The longest note that is read; C2SP asks for room for 16 signatures at least."""

ID_BYTES = 4

_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_SIGNATURE = re.compile(r"— (?P<name>[^\s+]+) (?P<signature>[A-Za-z0-9+/=]+)")


class NoteError(ValueError):
    """It isn't a signed note, or none of a checkpoint; the message quotes nothing of it."""


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature: the key's name, its id of 4 bytes, and what it signed with."""

    name: str
    key_id: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A text, with its last line end, and its signatures; none of them is verified yet."""

    text: str
    signatures: tuple[Signature, ...]


def read_note(content: bytes) -> Note:
    """Return the note that *content* is, all of it.

    Raises:
        NoteError: it isn't one.
    """
    if len(content) > MAX_BYTES:
        raise NoteError(f"It is longer than {MAX_BYTES} bytes.")
    try:
        whole = content.decode()
    except UnicodeDecodeError:
        raise NoteError("It isn't UTF-8.") from None
    if _CONTROL.search(whole):
        raise NoteError("It has control characters.")
    text, parted, signed = whole.rpartition("\n\n")
    if not parted or not signed.endswith("\n"):
        raise NoteError("It isn't a text, an empty line, and signatures.")
    return Note(text + "\n", tuple(_signature(line) for line in signed[:-1].split("\n")))


def strict_base64(text: str) -> bytes:
    """Return the bytes that *text* is the one base64 form of (RFC 4648 section 4).

    Raises:
        NoteError: it isn't.
    """
    try:
        content = b64decode(text, validate=True)
    except ValueError:
        raise NoteError("It has something that isn't base64.") from None
    # A decoder overlooks unused bits, which would let a note be changed unseen.
    if b64encode(content).decode() != text:
        raise NoteError("It has base64 in a form of which there is another.")
    return content


def _signature(line: str) -> Signature:
    found = _SIGNATURE.fullmatch(line)
    if found is None:
        raise NoteError("It has a line after the empty one that isn't a signature.")
    content = strict_base64(found["signature"])
    if len(content) <= ID_BYTES:
        raise NoteError("It has a signature that is too short.")
    return Signature(found["name"], content[:ID_BYTES], content[ID_BYTES:])
