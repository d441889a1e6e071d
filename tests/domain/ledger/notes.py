"""Signed notes as anybody reads and verifies them, by the book (C2SP signed-note)."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import dataclass
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


@dataclass(frozen=True, slots=True)
class Note:
    """What a verified checkpoint says."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...]


def read_note(note: str, *, name: str, public_key: bytes) -> Note:
    """Return what *note* says, if the key of that *name* has signed it.

    Raises:
        ValueError: it isn't a checkpoint, or the key hasn't signed it.
        InvalidSignature: the signature isn't of this text.
    """
    text, _, signatures = note.partition("\n\n")
    signed = f"{text}\n"
    key_id = sha256(name.encode() + b"\n\x01" + public_key).digest()[:4]
    for line in signatures.split("\n")[:-1]:
        dash, signer, encoded = line.split(" ")
        decoded = b64decode(encoded, validate=True)
        if (dash, signer, decoded[:4]) == ("\N{EM DASH}", name, key_id):
            Ed25519PublicKey.from_public_bytes(public_key).verify(decoded[4:], signed.encode())
            origin, size, root, *extensions = text.split("\n")
            if size != str(int(size)):
                raise ValueError("a size has no leading zeros")
            return Note(origin, int(size), b64decode(root, validate=True), tuple(extensions))
    raise ValueError("nobody that is known has signed this")
