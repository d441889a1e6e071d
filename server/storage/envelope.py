"""Authenticated encryption bound to its place: what is moved or altered doesn't open.

Shapes:
    sealed: version byte | 12 random bytes (nonce) | AES-256-GCM ciphertext and its 16-byte tag
    binding: each part as four bytes of length, big-endian, and its UTF-8

A random nonce allows 2^32 sealings under one key (NIST SP 800-38D section 8.3). A subject's
key seals what is kept about one person; of those derived from a tenant's, one wraps a key
per subject and generation, and one seals contacts and inquiries: all stay far below.
"""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from server.domain.errors import SealedContentCorruptError

KEY_BYTES = 32
OVERHEAD_BYTES = 29
"""How much longer the sealed content is: version, nonce and tag."""

_VERSION = b"\x01"
_NONCE = slice(1, 13)
_NONCE_BYTES = 12


def binding(*parts: str) -> bytes:
    """Return *parts* as bytes that no other parts make, whatever they contain."""
    encoded = [part.encode() for part in parts]
    return b"".join([len(part).to_bytes(4, "big") + part for part in encoded])


def seal(cipher: AESGCM, content: bytes, bound_to: bytes) -> bytes:
    """Encrypt *content* so that it opens only with the same *bound_to*."""
    nonce = os.urandom(_NONCE_BYTES)
    return _VERSION + nonce + cipher.encrypt(nonce, content, bound_to)


def unseal(cipher: AESGCM, sealed: bytes, bound_to: bytes) -> bytes:
    """Decrypt what `seal` made with the same key and *bound_to*.

    Raises:
        SealedContentCorruptError: it was altered, or sealed elsewhere.
    """
    if len(sealed) < OVERHEAD_BYTES or sealed[:1] != _VERSION:
        raise SealedContentCorruptError
    try:
        return cipher.decrypt(sealed[_NONCE], sealed[_NONCE.stop :], bound_to)
    except InvalidTag:
        raise SealedContentCorruptError from None
