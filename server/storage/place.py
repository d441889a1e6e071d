"""Where documents are, and what names them."""

from __future__ import annotations

from typing import Any, NamedTuple

Document = dict[str, Any]
"""A BSON document: field → value, nested as deep as the entity is."""


class Key(NamedTuple):
    """One document of a collection: whose it is, and its id."""

    tenant: str
    id: str


class Place(NamedTuple):
    """One collection of one database."""

    database: str
    collection: str
