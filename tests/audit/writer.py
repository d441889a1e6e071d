"""A small writer of exported logs, from the documents alone: it shares no line with the verifier.

Trees are hashed by RFC 6962's own recursive definition; notes are signed as C2SP says.
"""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from random import Random
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

LEDGER = "ledger.example"
BEGIN = datetime(2026, 3, 1, tzinfo=UTC)

Entry = dict[str, Any]

_REASONS = ("", "support case 81", "café, naïve, 東京 🗼", 'says "no"\n\tand \\ leaves', "\x7f/é")
_RPCS = ("ConsentService/RecordConsent", "RecordsService/PutRecord", "AuditService/ExportLedger")
_TYPES = ("consent.granted", "consent.withdrawn", "record.put", "ledger.exported")


@dataclass(frozen=True)
class Signer:
    """Who signs checkpoints: a name and a key."""

    name: str
    key: Ed25519PrivateKey

    @property
    def public(self) -> bytes:
        """The public key: 32 bytes."""
        return self.key.public_key().public_bytes_raw()

    @property
    def key_id(self) -> bytes:
        """The 4 bytes that a signature begins with."""
        return sha256(f"{self.name}\n".encode() + b"\x01" + self.public).digest()[:4]

    @property
    def verifier(self) -> str:
        """The verifier key: name+hash+base64."""
        encoded = b64encode(b"\x01" + self.public).decode()
        return f"{self.name}+{self.key_id.hex()}+{encoded}"

    @property
    def jwks(self) -> str:
        """The key in a JWK set, as ListKeys returns it."""
        x = urlsafe_b64encode(self.public).rstrip(b"=").decode()
        key = {"alg": "EdDSA", "crv": "Ed25519", "kid": "k1", "kty": "OKP", "use": "sig", "x": x}
        return json.dumps({"keys": [key]})

    def sign(self, text: str) -> bytes:
        """Return the note of *text*."""
        signature = b64encode(self.key_id + self.key.sign(text.encode())).decode()
        return f"{text}\n— {self.name} {signature}\n".encode()


def signer(name: str = LEDGER, seed: int = 1) -> Signer:
    """Return a signer that is the same in every run."""
    return Signer(name, Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32))


@cache
def _leaf_hash(line: bytes) -> bytes:
    return sha256(b"\x00" + line).digest()


def root(lines: Sequence[bytes]) -> bytes:
    """Return the root over *lines*, as RFC 6962 section 2.1 defines it."""
    if not lines:
        return sha256(b"").digest()
    if len(lines) == 1:
        return _leaf_hash(lines[0])
    split = 1
    while split * 2 < len(lines):
        split *= 2
    return sha256(b"\x01" + root(lines[:split]) + root(lines[split:])).digest()


def stamp(time: datetime) -> str:
    """Return *time* as a log writes it."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def line_of(entry: Entry) -> bytes:
    """Return *entry* as canonical JSON: sorted, no blanks, nothing escaped that needn't be."""
    return json.dumps(entry, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def make_entry(random: Random, tenant: str, position: int) -> Entry:
    """Return an entry such as a server writes, at *position* of *tenant*'s log."""
    commitment = urlsafe_b64encode(random.randbytes(32)).rstrip(b"=").decode()
    return {
        "actor": random.choice(("web-shop", "anonymous", "crm")),
        "commitment": random.choice((commitment, "")),
        "id": f"p{random.getrandbits(128):026x}",
        "position": position,
        "purpose": random.choice(("customise_messages", "")),
        "reason": random.choice(_REASONS),
        "role": random.choice(("controller", "processor", "")),
        "rpc": random.choice(_RPCS),
        "subject": random.choice((f"{random.getrandbits(88):022x}", "")),
        "target": f"tenants/{tenant}" if tenant else "catalogue",
        "tenant": tenant,
        # A little out of order, as the clocks of two servers may be.
        "time": stamp(BEGIN + timedelta(seconds=position, milliseconds=random.randint(0, 9_000))),
        "type": random.choice(_TYPES),
    }


def make_entries(random: Random, tenant: str, count: int) -> list[Entry]:
    """Return the entries of a log."""
    return [make_entry(random, tenant, position) for position in range(count)]


@dataclass(frozen=True)
class Log:
    """An exported log, before it is one file: `lines` and what the checkpoint says of them.

    `size` and `root` are the truth unless they are given.
    """

    tenant: str
    lines: tuple[bytes, ...]
    signer: Signer
    ledger: str = LEDGER
    size: str | None = None
    root: bytes | None = None
    extension: str = ""

    @property
    def origin(self) -> str:
        """The log's name among all logs."""
        return f"{self.ledger}/tenants/{self.tenant}" if self.tenant else f"{self.ledger}/platform"

    @property
    def text(self) -> str:
        """What the checkpoint says."""
        size = str(len(self.lines)) if self.size is None else self.size
        hash_ = root(self.lines) if self.root is None else self.root
        time = stamp(BEGIN + timedelta(seconds=len(self.lines) + 10))
        return f"{self.origin}\n{size}\n{b64encode(hash_).decode()}\ntime {time}\n{self.extension}"

    @property
    def note(self) -> bytes:
        """The signed checkpoint."""
        return self.signer.sign(self.text)

    @property
    def file(self) -> bytes:
        """The exported log."""
        return in_file(self.lines, self.note)

    def first(self, size: int) -> Log:
        """Return the log when it had *size* entries."""
        return replace(self, lines=self.lines[:size])


def in_file(lines: Sequence[bytes], note: bytes) -> bytes:
    """Return the exported log of *lines* and *note*."""
    return b"".join(line + b"\n" for line in lines) + b"\n" + note


def log_of(entries: Sequence[Entry], signed_by: Signer, tenant: str = "acme") -> Log:
    """Return the log of *entries*."""
    return Log(tenant, tuple(line_of(entry) for entry in entries), signed_by)
