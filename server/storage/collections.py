"""The collections: which database each is in, and what it is declared to hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from server.domain.change import PLATFORM_KINDS, Kind, Table
from server.domain.values import Role
from server.storage.place import Document, Place

IN_KEYS = frozenset({Kind.SUBJECTS, Kind.TENANTS})
"""Kinds that hold wrapped keys: in a database of their own, which can be backed up apart."""

TABLES = tuple(
    Table(kind, role)
    for kind in Kind
    for role in ((None,) if kind in PLATFORM_KINDS else tuple(Role))
)


@dataclass(frozen=True, slots=True)
class Index:
    """An index: fields ascending, or descending where they start with "-".

    `expire` makes the database delete a document when the time in the field has come.
    `where` restricts a unique index, or a small one, to the documents that match.
    """

    fields: tuple[str, ...]
    is_unique: bool = False
    expire: bool = False
    where: Document | None = None

    @property
    def name(self) -> str:
        """The name, which tells the fields."""
        return "_".join(f"{name[1:]}_desc" if name[0] == "-" else name for name in self.fields)

    def specification(self) -> Document:
        """Return what `createIndexes` takes."""
        keys = {name.removeprefix("-"): -1 if name[0] == "-" else 1 for name in self.fields}
        made: Document = {"key": keys, "name": self.name}
        if self.is_unique:
            made["unique"] = True
        if self.expire:
            made["expireAfterSeconds"] = 0
        if self.where is not None:
            made["partialFilterExpression"] = self.where
        return made


@dataclass(frozen=True, slots=True)
class Declaration:
    """What a collection holds.

    Shapes:
        shard_key: fields that every write carries, so that a sharded cluster can route it.
        required: fields that every document must have.
        properties: field → JSON schema; fields that aren't named may be added.
    """

    shard_key: tuple[str, ...] = ("tenant", "_id")
    required: tuple[str, ...] = ()
    properties: Document = field(default_factory=dict[str, Any])
    indexes: tuple[Index, ...] = ()

    def validator(self) -> Document:
        """Return the validator as `create` and `collMod` take it."""
        return {
            "$jsonSchema": {
                "bsonType": "object",
                "required": ["_id", *self.required],
                "properties": self.properties,
                # Whatever is sealed is ciphertext: plaintext has no place to be in.
                "patternProperties": {"^sealed": {"bsonType": "binData"}},
            }
        }


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything is, under one prefix of database names."""

    prefix: str

    @property
    def keys(self) -> str:
        """The database of wrapped keys."""
        return f"{self.prefix}_keys"

    @property
    def idempotency(self) -> Place:
        """Outcomes of calls, by request."""
        return Place(self.prefix, "idempotency")

    @property
    def leases(self) -> Place:
        """Who may do what only one may do at a time."""
        return Place(self.prefix, "leases")

    @property
    def schema(self) -> Place:
        """The version of collections, validators and indexes."""
        return Place(self.prefix, "schema")

    def place(self, table: Table) -> Place:
        """Return where the documents of *table* are."""
        return Place(self.keys if table.kind in IN_KEYS else self.prefix, table.name)

    def places(self) -> Iterator[tuple[Table, Place]]:
        """Yield every table with its place."""
        for table in TABLES:
            yield table, self.place(table)
