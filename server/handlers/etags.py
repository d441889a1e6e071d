"""Etags (AIP-154): opaque to callers, and the count of a resource's state to us."""

from __future__ import annotations

import base64
import binascii
import re

_VERSION = re.compile(rb"v([1-9][0-9]{0,17})")


def etag(version: int) -> str:
    """Return the etag of the state with the count *version*."""
    return base64.urlsafe_b64encode(f"v{version}".encode()).decode().rstrip("=")


def version_of(etag: str) -> int:
    """Return the count that *etag* stands for; 0, which no state has, if it isn't one of ours."""
    try:
        decoded = base64.urlsafe_b64decode(etag + "=" * (-len(etag) % 4))
    except (binascii.Error, ValueError):
        return 0
    found = _VERSION.fullmatch(decoded)
    return int(found[1]) if found else 0
