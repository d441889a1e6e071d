"""Etags (AIP-154): opaque to callers, and the count of a resource's state to us."""

from __future__ import annotations

import base64


def etag(version: int) -> str:
    """Return the etag of the state with the count *version*."""
    return base64.urlsafe_b64encode(f"v{version}".encode()).decode().rstrip("=")
