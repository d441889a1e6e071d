"""Entities as documents and back: `id` is `_id`, empty defaults are left out."""

from __future__ import annotations

from dataclasses import MISSING, Field, dataclass, fields
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from server.storage.failures import NotStorableError
from server.storage.place import Document

E = TypeVar("E")

_BSON_TYPES = (datetime, bytes)
"""What BSON has a type of its own for; everything else becomes text, numbers and containers."""


@dataclass(frozen=True, slots=True)
class _Omission:
    """What of a type isn't stored.

    Shapes:
        empty: fields whose default is empty; stored only when they aren't.
        required: fields without a default, which must be given even if they are None.
    """

    empty: frozenset[str]
    required: tuple[str, ...]


_omissions: dict[type[Any], _Omission] = {}


def _omission(type: type[Any]) -> _Omission:
    known = _omissions.get(type)
    if known is not None:
        return known
    declared = fields(type)
    _omissions[type] = omission = _Omission(
        empty=frozenset(field.name for field in declared if not _default(field)),
        required=tuple(field.name for field in declared if _default(field) is MISSING),
    )
    return omission


def _default(field: Field[Any]) -> object:
    if field.default is not MISSING:
        # A number or a bool is stored even when it is 0: it says something.
        return True if isinstance(field.default, int | float) else field.default
    return field.default_factory() if field.default_factory is not MISSING else MISSING


def is_left_out(value: object) -> bool:
    """Tell whether a field that has *value* may be absent from its document."""
    return value is None or (not value and isinstance(value, str | bytes | tuple | list | dict))


def to_document(entity: Any) -> Document:
    """Return *entity* as the document that keeps it.

    Raises:
        NotStorableError: it holds something that has no form in BSON.
    """
    built = to_value(entity)
    document: Document = {"_id": built.pop("id")}
    empty = _omission(entity.__class__).empty
    for name, value in built.items():
        if value or (value is not None and (name not in empty or isinstance(value, int | float))):
            document[name] = value
    return document


def to_entity(document: Document, type: type[E]) -> E:
    """Return the entity that *document* keeps.

    Raises:
        NotStorableError: it isn't a *type*.
    """
    built = dict(document)
    built["id"] = built.pop("_id")
    for name in _omission(type).required:
        built.setdefault(name, None)
    return from_value(built, type)


def to_value(value: object) -> Any:
    """Return *value*, such as the outcome of a call, in the form that BSON keeps."""
    try:
        return msgspec.to_builtins(value, builtin_types=_BSON_TYPES, str_keys=True)
    except (TypeError, msgspec.MsgspecError):
        raise NotStorableError(f"{type(value).__name__} can't be stored") from None


def from_value(value: object, type: type[E]) -> E:
    """Return what `to_value` was given."""
    try:
        return msgspec.convert(value, type, builtin_types=_BSON_TYPES)
    except NameError as error:
        raise NotStorableError(
            f"{type.__name__}: import {error.name} outside TYPE_CHECKING;"
            " annotations of what is stored are read at run time"
        ) from None
    except msgspec.ValidationError:
        # The message may quote what is stored.
        raise NotStorableError(f"what is stored is no {type.__name__}") from None
