"""Consistency tokens: the database's time of a commit, opaque to callers."""

from __future__ import annotations

import base64
import binascii
import struct
import zlib

from bson.timestamp import Timestamp

from server.domain.errors import ConsistencyTokenInvalidError

_LAYOUT = struct.Struct(">BII")
_CHECKSUM = struct.Struct(">I")
_VERSION = 1
_BYTES = _LAYOUT.size + _CHECKSUM.size
_CHARACTERS = (_BYTES * 8 + 5) // 6


def encode(time: Timestamp) -> str:
    """Return *time* as a token of 18 characters that are safe in URLs."""
    packed = _LAYOUT.pack(_VERSION, time.time, time.inc)
    return (
        base64.urlsafe_b64encode(packed + _CHECKSUM.pack(zlib.crc32(packed))).rstrip(b"=").decode()
    )


def decode(token: str) -> Timestamp:
    """Return the time in *token*.

    Raises:
        ConsistencyTokenInvalidError: it isn't one of ours.
    """
    if len(token) != _CHARACTERS:
        raise ConsistencyTokenInvalidError
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise ConsistencyTokenInvalidError from None
    packed = raw[: _LAYOUT.size]
    version, seconds, increment = _LAYOUT.unpack(packed)
    if version != _VERSION or raw[_LAYOUT.size :] != _CHECKSUM.pack(zlib.crc32(packed)):
        raise ConsistencyTokenInvalidError
    return Timestamp(seconds, increment)
