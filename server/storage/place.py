"""Where documents are."""

from __future__ import annotations

from typing import Any, NamedTuple

Document = dict[str, Any]
"""A BSON document: field → value, nested as deep as the entity is."""


class Place(NamedTuple):
    """One collection of one database."""

    database: str
    collection: str
