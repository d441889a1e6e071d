"""Checkpoints: signed statements of a log's size and root, as notes that others can verify.

Sources: C2SP signed-note and tlog-checkpoint. The signed text has the lines origin, size,
root in base64, and `time` with the time of signing; an empty line parts it from signatures.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from server.domain.change import Kind, Table
from server.domain.ledger.leaf import rfc3339

CHECKPOINTS = Table(Kind.LEDGER_CHECKPOINTS)

KEY_ID_BYTES = 4

_ED25519 = b"\1"
"""The kind of signature in a key id."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The newest checkpoint of a log; each one replaces the one before.

    Shapes:
        id: as the head's (`heads.head_id`).
        key: the id (`kid`) of the key that signed, as in the JWK set.
        note: the whole signed note, ending in a newline.
    """

    id: str
    tenant: str
    size: int
    root: bytes
    sign_time: datetime
    key: str
    note: str
    version: int


def origin(ledger: str, tenant: str) -> str:
    """Return the name of a log in the whole world: that of the *ledger*, and whose it is."""
    return f"{ledger}/tenants/{tenant}" if tenant else f"{ledger}/platform"


def checkpoint_text(origin: str, size: int, root: bytes, time: datetime) -> str:
    """Return what is signed, ending in a newline."""
    return f"{origin}\n{size}\n{b64encode(root).decode()}\ntime {rfc3339(time)}\n"


def signed_note(text: str, *, name: str, public_key: bytes, signature: bytes) -> str:
    """Return *text* with its Ed25519 *signature* by the key of that *name*.

    Shapes:
        public_key: 32 bytes.
        signature: 64 bytes, of the text in UTF-8.
    """
    marked = b64encode(note_key_id(name, public_key) + signature).decode()
    return f"{text}\n— {name} {marked}\n"


def note_key_id(name: str, public_key: bytes) -> bytes:
    """Return the four bytes by which a note names an Ed25519 key."""
    return sha256(name.encode() + b"\n" + _ED25519 + public_key).digest()[:KEY_ID_BYTES]
