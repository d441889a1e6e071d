"""The public keys that a person trusts: a JWK set, or verifier keys of signed notes.

Sources: RFC 7517 and RFC 8037 (JWK), https://c2sp.org/signed-note (verifier keys, key ids).
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from binascii import unhexlify
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, cast

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from privacyrights.audit.note import ID_BYTES, NoteError, strict_base64

_ED25519 = b"\x01"
_CURVE = "Ed25519"
_KEY_BYTES = 32


class KeysError(ValueError):
    """The given keys can't be used; the message says why."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """An Ed25519 key of 32 bytes; `name` is empty where its holder isn't named, as in a JWK."""

    content: bytes
    name: str = ""

    def key_id(self, name: str) -> bytes:
        """Return the 4 bytes that stand for this key in signatures under *name*."""
        return sha256(name.encode() + b"\n" + _ED25519 + self.content).digest()[:ID_BYTES]

    def verifies(self, signature: bytes, text: str) -> bool:
        """Tell whether *signature* is this key's over *text*."""
        try:
            Ed25519PublicKey.from_public_bytes(self.content).verify(signature, text.encode())
        except (InvalidSignature, ValueError):
            return False
        return True


def read_keys(content: bytes) -> tuple[PublicKey, ...]:
    """Return the keys in *content*: a JWK set, or verifier keys, one a line.

    `ListKeys` returns such a set. Keys of a JWK set that aren't Ed25519 are left out.

    Raises:
        KeysError: it is neither, or has no key.
    """
    try:
        text = content.decode().strip()
        keys = _of_set(json.loads(text)) if text.startswith("{") else _of_lines(text)
    except KeysError:
        raise
    except ValueError:
        raise KeysError("neither a JWK set nor verifier keys, one a line") from None
    if not keys:
        raise KeysError("there is no Ed25519 key in it")
    return keys


def _of_set(value: Any) -> tuple[PublicKey, ...]:
    keys: list[Any] | None = value.get("keys")
    if not isinstance(keys, list):
        raise KeysError("a JWK set has a member `keys`, which is a list")
    jwks = [cast("dict[str, Any]", jwk) for jwk in keys if isinstance(jwk, dict)]
    return tuple(
        _of_jwk(jwk) for jwk in jwks if jwk.get("kty") == "OKP" and jwk.get("crv") == _CURVE
    )


def _of_jwk(jwk: dict[str, Any]) -> PublicKey:
    if "d" in jwk:
        raise KeysError("it has a private key: nobody but the signer may have that")
    x = jwk.get("x")
    if not isinstance(x, str):
        raise KeysError("a key has no `x`")
    return PublicKey(_key(urlsafe_b64decode(x + "=" * (-len(x) % 4))))


def _of_lines(text: str) -> tuple[PublicKey, ...]:
    return tuple(_of_line(line.strip()) for line in text.splitlines() if line.strip())


def _of_line(line: str) -> PublicKey:
    name, plus, rest = line.partition("+")
    key_id, another, encoded = rest.partition("+")
    if not (name and plus and another):
        raise KeysError("a verifier key is name+hash+base64")
    try:
        content = strict_base64(encoded)
    except NoteError:
        raise KeysError("a verifier key is name+hash+base64") from None
    if content[:1] != _ED25519:
        raise KeysError("a verifier key isn't an Ed25519 key")
    key = PublicKey(_key(content[1:]), name)
    if unhexlify(key_id) != key.key_id(name):
        raise KeysError("a verifier key doesn't fit its own hash: it was changed or mistyped")
    return key


def _key(content: bytes) -> bytes:
    if len(content) != _KEY_BYTES:
        raise KeysError(f"a key hasn't {_KEY_BYTES} bytes")
    return content
