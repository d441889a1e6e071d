"""Signatures that any language verifies: JWS with Ed25519, public keys as JWK.

Sources: RFC 7515 (JWS), RFC 7517 (JWK), RFC 7638 (thumbprints), RFC 8037 (Ed25519 in both).
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

ALGORITHM = "EdDSA"

Jwk = dict[str, str]


def base64url(content: bytes) -> str:
    """Return *content* in base64url without padding (RFC 7515 section 2)."""
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def signing_input(payload: bytes, *, key_id: str, type: str) -> str:
    """Return what a JWS signs: header and *payload*, both in base64url (RFC 7515 section 5.1)."""
    header = _json({"alg": ALGORITHM, "kid": key_id, "typ": type})
    return f"{base64url(header)}.{base64url(payload)}"


def thumbprint(key: Ed25519PublicKey) -> str:
    """Return the id of *key*: its SHA-256 thumbprint (RFC 7638, RFC 8037 section 2)."""
    return base64url(sha256(_json(_required_members(key))).digest())


def public_jwk(key: Ed25519PublicKey) -> Jwk:
    """Return *key* as a JWK that verifies signatures (RFC 8037 section 2)."""
    members = _required_members(key)
    return {**members, "kid": thumbprint(key), "use": "sig", "alg": ALGORITHM}


def raw_public_key(key: Jwk) -> bytes:
    """Return the 32 bytes of a public *key* (RFC 8037 section 2)."""
    return urlsafe_b64decode(key["x"] + "=")


def _required_members(key: Ed25519PublicKey) -> Jwk:
    return {"crv": "Ed25519", "kty": "OKP", "x": base64url(key.public_bytes_raw())}


def _json(members: Jwk) -> bytes:
    # Thumbprints are defined over sorted members without blanks.
    return json.dumps(members, separators=(",", ":"), sort_keys=True).encode()
