"""Checkpoints: what a log's operator signed about its size and its root.

Source: https://c2sp.org/tlog-checkpoint, with one extension line, the time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from privacyrights.audit.findings import Finding
from privacyrights.audit.keys import PublicKey
from privacyrights.audit.leaf import time_of
from privacyrights.audit.note import Note, NoteError, Signature, strict_base64

HASH_BYTES = 32

# Ledger names are key names (no blanks, no plus); only what can be printed safely is read.
_LEDGER = r"(?P<ledger>[!-*,-~]+)"
_OF_TENANT = re.compile(_LEDGER + r"/tenants/(?P<tenant>[a-z](?:[a-z0-9_-]{0,61}[a-z0-9])?)")
_OF_PLATFORM = re.compile(_LEDGER + r"/platform")
_SIZE = re.compile(r"0|[1-9][0-9]{0,17}")
_TIME = "time "


class SignatureError(ValueError):
    """A checkpoint isn't signed by whom it should be; `finding` says in which way."""

    def __init__(self, finding: Finding, detail: str) -> None:
        super().__init__(detail)
        self.finding = finding
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A log's size and root at a time; `tenant` is empty for the platform's own log."""

    ledger: str
    tenant: str
    size: int
    root: bytes
    time: datetime

    @property
    def log(self) -> str:
        """The log's resource name: `tenants/{tenant}` or `platform`."""
        return f"tenants/{self.tenant}" if self.tenant else "platform"

    @property
    def origin(self) -> str:
        """The log's name among all logs: the note's first line."""
        return f"{self.ledger}/{self.log}"


def read_checkpoint(note: Note) -> Checkpoint:
    """Return the checkpoint that the text of *note* is.

    Raises:
        NoteError: it isn't one.
    """
    lines = note.text.removesuffix("\n").split("\n")
    if len(lines) != len(("origin", "size", "root", "time")):
        raise NoteError("It isn't origin, size, root and time, each in a line of its own.")
    ledger, tenant = _origin(lines[0])
    return Checkpoint(ledger, tenant, _size(lines[1]), _root(lines[2]), _time(lines[3]))


def signed_by(note: Note, checkpoint: Checkpoint, keys: Sequence[PublicKey]) -> None:
    """Make sure that one of *keys* signed *note*, which is *checkpoint*, in its ledger's name.

    Signatures by others, such as witnesses, are no matter.

    Raises:
        SignatureError: none did, or one of them didn't sign this.
    """
    known = [
        (signature, key)
        for signature in note.signatures
        for key in keys
        if is_signer(signature, key, checkpoint.ledger)
    ]
    if not known:
        raise SignatureError(
            Finding.KEY_UNKNOWN,
            "If the ledger's key has changed since, the keys of then are needed as well.",
        )
    if not all(key.verifies(signature.value, note.text) for signature, key in known):
        raise SignatureError(Finding.SIGNATURE_INVALID, "The key is known; it didn't sign this.")


def is_signer(signature: Signature, key: PublicKey, ledger: str) -> bool:
    """Tell whether *signature* claims to be by *key* in the name of *ledger*."""
    return (
        signature.name == ledger
        and key.name in ("", ledger)
        and signature.key_id == key.key_id(ledger)
    )


def _origin(line: str) -> tuple[str, str]:
    found = _OF_TENANT.fullmatch(line)
    if found is not None:
        return found["ledger"], found["tenant"]
    found = _OF_PLATFORM.fullmatch(line)
    if found is not None:
        return found["ledger"], ""
    raise NoteError("Its first line isn't a ledger's name and a tenant's log or the platform's.")


def _size(line: str) -> int:
    if not _SIZE.fullmatch(line):
        raise NoteError("Its second line isn't a size.")
    return int(line)


def _root(line: str) -> bytes:
    root = strict_base64(line)
    if len(root) != HASH_BYTES:
        raise NoteError("Its third line isn't a root hash.")
    return root


def _time(line: str) -> datetime:
    time = time_of(line.removeprefix(_TIME)) if line.startswith(_TIME) else None
    if time is None:
        raise NoteError("Its fourth line isn't a time in UTC.")
    return time
