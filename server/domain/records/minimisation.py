"""Data minimisation: what of somebody's data may be kept, down to the field (S3, Art. 5(1)(c), 25).

A refusal names the field and the rule, never the value. A name that the caller made up may
be personal data as well: it is told only where it looks like the name of a field.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import datetime
from math import isfinite
from typing import TYPE_CHECKING, TypeAlias, cast

from server.domain.catalogue.catalogue import FieldType
from server.domain.errors import (
    CategoryNotInPurposeError,
    FieldNotInCategoryError,
    FieldTypeMismatchError,
    InvalidArgumentError,
    PurposeRetiredError,
    PurposeRoleMismatchError,
    Violation,
)
from server.domain.values import InvalidValueError, names_an_address, resource_id, sentence

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from server.domain.catalogue.catalogue import Category, CategoryField, Purpose
    from server.domain.values import Role

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

MAX_RECORD_BYTES = 256 * 1024
"""Most bytes of a record's fields as JSON, whatever the category allows each of them."""

MAX_DEPTH = 8
MAX_REASON = 500
FIELDS = "record.fields"

_KEY = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_DATE_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?"
    r"(Z|[+-][0-9]{2}:[0-9]{2})"
)

_RULES = {
    FieldType.STRING: "must be text",
    FieldType.NUMBER: "must be a finite number",
    FieldType.BOOL: "must be true or false",
    FieldType.TIMESTAMP: "must be a time such as 2026-03-31T12:00:00Z (RFC 3339 date-time)",
    FieldType.JSON: f"must be an object or a list, at most {MAX_DEPTH} deep, of finite numbers",
}


def canonical(value: Json) -> bytes:
    """Return *value* as JSON: one form for one value, in UTF-8, without spaces."""
    text = json.dumps(
        value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True
    )
    return text.encode()


def require_in_purpose(purpose: Purpose, category: Category, role: Role, now: datetime) -> None:
    """Do nothing if new data of *category* may be kept for *purpose* about somebody of *role*.

    Raises:
        PurposeRoleMismatchError: the purpose belongs to the other role.
        PurposeRetiredError: the purpose takes no new data.
        CategoryNotInPurposeError: the purpose doesn't need the category, or nobody does any more.
    """
    require_purpose(purpose, role, now)
    is_retired = category.retire_time is not None and category.retire_time <= now
    if category.id not in purpose.categories or category.role is not role or is_retired:
        raise CategoryNotInPurposeError(purpose=purpose.id, category=category.id)


def require_purpose(purpose: Purpose, role: Role, now: datetime) -> None:
    """Do nothing if new data about somebody of *role* may be kept for *purpose*.

    Raises:
        PurposeRoleMismatchError: the purpose belongs to the other role.
        PurposeRetiredError: the purpose takes no new data.
    """
    if purpose.role is not role:
        raise PurposeRoleMismatchError(purpose=purpose.id)
    if purpose.is_retired(now):
        raise PurposeRetiredError(purpose=purpose.id)


def require_fields(fields: Mapping[str, Json], category: Category) -> None:
    """Do nothing if *fields* are fields of *category*, and as it says that they must be.

    All violations are told at once, under the reason of the gravest.

    Raises:
        FieldNotInCategoryError: the category has no such field.
        InvalidArgumentError: a required field is missing, or there is too much altogether.
        FieldTypeMismatchError: a field has another type, or is larger than the category says.
    """
    found = _Violations()
    declared = {each.name: each for each in category.fields}
    for name, value in fields.items():
        if name not in declared:
            found.undeclared.append(Violation(field_path(name), f"is no field of {category.id}"))
        else:
            found.mismatched.extend(_mismatches(declared[name], value))
    for each in category.fields:
        if each.required and each.name not in fields:
            found.invalid.append(Violation(field_path(each.name), "must be given"))
    if not fields:
        found.invalid.append(Violation(FIELDS, "must not be empty"))
    found.refuse()
    if len(canonical(dict(fields))) > MAX_RECORD_BYTES:
        rule = f"must not be larger than {MAX_RECORD_BYTES} bytes as JSON"
        raise InvalidArgumentError((Violation(FIELDS, rule),))


def in_category(fields: Mapping[str, Json], category: Category) -> dict[str, Json]:
    """Return those of *fields* that *category* has: one that was taken out of it isn't used."""
    declared = {each.name for each in category.fields}
    return {name: value for name, value in fields.items() if name in declared}


def record_key(text: str) -> str:
    """Return *text* as the key that tells several records of a category apart."""
    if not _KEY.fullmatch(text):
        raise InvalidValueError(
            "must be 1-63 characters of a-z, 0-9, '_' and '-', and start with a letter"
        )
    return text


def stated_reason(text: str, subject_id: str) -> str:
    """Return *text* as the reason for a reading about *subject_id*; the ledger keeps it for ever.

    The ledger can't forget: the person's id and e-mail addresses are kept out of it here, and
    what else is personal by whoever states the reason.
    """
    sentence(text, most=MAX_REASON)
    if names_an_address(text) or (subject_id and _names(text, subject_id)):
        raise InvalidValueError("must not have the subject's id or an e-mail address in it")
    return text


@dataclass(slots=True)
class _Violations:
    undeclared: list[Violation] = field(default_factory=list[Violation])
    invalid: list[Violation] = field(default_factory=list[Violation])
    mismatched: list[Violation] = field(default_factory=list[Violation])

    def refuse(self) -> None:
        """Raise the error of the gravest violations, with all of them."""
        every = (*self.undeclared, *self.invalid, *self.mismatched)
        if self.undeclared:
            raise FieldNotInCategoryError(every)
        if self.invalid:
            raise InvalidArgumentError(every)
        if self.mismatched:
            raise FieldTypeMismatchError(every)


def _mismatches(declared: CategoryField, value: Json) -> Iterator[Violation]:
    path = field_path(declared.name)
    if not _fits(declared.type, value):
        yield Violation(path, _RULES[declared.type])
    elif len(canonical(value)) > declared.max_bytes:
        yield Violation(path, f"must not be larger than {declared.max_bytes} bytes as JSON")


def _fits(type: FieldType, value: Json) -> bool:
    match type:
        case FieldType.STRING:
            return isinstance(value, str)
        case FieldType.NUMBER:
            return _is_number(value)
        case FieldType.BOOL:
            return isinstance(value, bool)
        case FieldType.TIMESTAMP:
            return isinstance(value, str) and _is_date_time(value)
        case FieldType.JSON:
            return isinstance(value, list | dict) and _is_bounded(value, MAX_DEPTH)


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _is_date_time(text: str) -> bool:
    if not _DATE_TIME.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _is_bounded(value: Json, depth: int) -> bool:
    """Whether *value* has at most *depth* levels of objects and lists, and finite numbers."""
    if not isinstance(value, list | dict):
        return value is None or isinstance(value, str | bool) or _is_number(value)
    inner = value.values() if isinstance(value, dict) else value
    return depth > 0 and all(_is_bounded(each, depth - 1) for each in inner)


def field_path(name: str) -> str:
    """Return what a violation calls the field *name*, which may be personal data itself."""
    try:
        return f"{FIELDS}[{resource_id(name)}]"
    except InvalidValueError:
        return FIELDS


def _names(text: str, id: str) -> bool:
    """Whether *id* stands in *text* as a word of its own."""
    return re.search(rf"(?<!\w){re.escape(id)}(?!\w)", text) is not None


def parsed(content: bytes) -> dict[str, Json]:
    """Return the fields that `canonical` was given."""
    return cast("dict[str, Json]", json.loads(content))
