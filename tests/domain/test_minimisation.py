"""What of somebody's data may be kept: purpose by purpose, field by field, byte by byte."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain.catalogue.catalogue import (
    Category,
    CategoryField,
    FieldType,
    LegalBasis,
    Purpose,
)
from server.domain.errors import (
    CategoryNotInPurposeError,
    DomainError,
    FieldNotInCategoryError,
    FieldTypeMismatchError,
    InvalidArgumentError,
    InvalidError,
    PurposeRetiredError,
    PurposeRoleMismatchError,
)
from server.domain.records.minimisation import (
    MAX_RECORD_BYTES,
    Json,
    canonical,
    in_category,
    parsed,
    record_key,
    require_fields,
    require_in_purpose,
    stated_reason,
)
from server.domain.values import InvalidValueError, Role

NOW = datetime(2026, 3, 2, tzinfo=UTC)

CATEGORY = Category(
    id="visit",
    role=Role.PROCESSOR,
    title="A visit",
    fields=(
        CategoryField("page", FieldType.STRING, max_bytes=20),
        CategoryField("seconds", FieldType.NUMBER),
        CategoryField("returning", FieldType.BOOL),
        CategoryField("begin", FieldType.TIMESTAMP),
        CategoryField("details", FieldType.JSON, max_bytes=65_536),
    ),
)
PURPOSE = Purpose(
    id="help",
    role=Role.PROCESSOR,
    title="To help",
    legal_basis=LegalBasis.CONTROLLER_INSTRUCTION,
    categories=("visit",),
    retention_rule="years",
)

GOOD: list[tuple[str, Json]] = [
    ("page", ""),
    ("page", "é" * 9),
    ("seconds", 0),
    ("seconds", -1.5e300),
    ("returning", False),
    ("begin", "2026-03-31T12:00:00Z"),
    ("begin", "2024-02-29T23:59:59.123456789+14:00"),
    ("details", {}),
    ("details", [[[[[[[["eight deep"]]]]]]]]),
    ("details", {"a": [None, True, 1, 2.5, "x", {"b": {}}]}),
]
BAD: list[tuple[str, Json]] = [
    ("page", 1),
    ("page", None),
    ("page", ["x"]),
    ("page", "é" * 10),
    ("seconds", "1"),
    ("seconds", True),
    ("seconds", float("nan")),
    ("seconds", float("inf")),
    ("returning", 0),
    ("returning", "true"),
    ("begin", 1_774_958_400),
    ("begin", "2026-03-31"),
    ("begin", "2026-03-31T12:00:00"),
    ("begin", "2026-02-30T12:00:00Z"),
    ("begin", "2026-03-31T25:00:00Z"),
    ("begin", "2026-03-31T12:00:00Z "),
    ("begin", "٢٠٢٦-03-31T12:00:00Z"),
    ("details", "text"),
    ("details", None),
    ("details", [[[[[[[[["nine deep"]]]]]]]]]),
    ("details", {"a": [{"b": float("-inf")}]}),
    ("details", {"a": float("nan")}),
]

DEEP = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)
FINITE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)


def refusal(fields: dict[str, Json], category: Category = CATEGORY) -> InvalidError:
    """Return how *fields* are refused."""
    with pytest.raises(InvalidError) as caught:
        require_fields(fields, category)
    return caught.value


@pytest.mark.parametrize(("name", "value"), GOOD)
def test_values_of_their_type_are_kept(name: str, value: Json) -> None:
    """A field of its type and size is accepted."""
    require_fields({name: value}, CATEGORY)


@pytest.mark.parametrize(("name", "value"), BAD)
def test_other_values_are_refused(name: str, value: Json) -> None:
    """Another type, a larger size, or what is no value of the type is a mismatch of that field."""
    found = refusal({name: value})

    assert FieldTypeMismatchError is type(found)
    assert [f"record.fields[{name}]"] == [each.field for each in found.violations]


def test_a_field_that_is_not_declared_is_refused() -> None:
    """What the category doesn't declare is named; nothing else is wrong with the record."""
    found = refusal({"page": "home", "shoe_size": 42})

    assert FieldNotInCategoryError is type(found)
    assert ["record.fields[shoe_size]"] == [each.field for each in found.violations]


@pytest.mark.parametrize("name", ["Ada", "ada lovelace", "ada@example.org", "", "x" * 64, "é"])
def test_a_name_that_is_no_field_name_is_not_told(name: str) -> None:
    """A name that a caller made up may be somebody's: it isn't echoed."""
    assert ["record.fields"] == [each.field for each in refusal({name: 1}).violations]


def test_everything_wrong_is_told_at_once() -> None:
    """All violations come together, under the reason of the gravest."""
    category = replace(CATEGORY, fields=(*CATEGORY.fields, CategoryField("id", FieldType.STRING)))
    category = replace(category, fields=tuple(replace(f, required=True) for f in category.fields))

    found = refusal({"page": 1, "shoe_size": 1, "seconds": 1}, category)

    assert FieldNotInCategoryError is type(found)
    assert {
        "record.fields[shoe_size]",
        "record.fields[returning]",
        "record.fields[begin]",
        "record.fields[details]",
        "record.fields[id]",
        "record.fields[page]",
    } == {each.field for each in found.violations}


@given(fields=st.dictionaries(st.text() | st.sampled_from(["page", "details"]), DEEP))
def test_no_value_is_ever_told(fields: dict[str, Json]) -> None:
    """Whatever is sent is accepted or refused by a rule; a refusal says the same for all values."""
    try:
        require_fields(fields, CATEGORY)
    except InvalidError as error:
        rules = {violation.rule for violation in error.violations}
        assert rules <= {
            "is no field of visit",
            "must not be empty",
            "must be text",
            "must not be larger than 20 bytes as JSON",
            "must be an object or a list, at most 8 deep, of finite numbers",
        }


def test_a_record_has_a_size() -> None:
    """However many fields a category has, a record stays within what a page can hold."""
    names = [f"f{number}" for number in range(5)]
    declared = tuple(CategoryField(name, FieldType.STRING, max_bytes=65_536) for name in names)
    category = replace(CATEGORY, fields=declared)

    found = refusal(dict.fromkeys(names, "x" * 65_000), category)

    assert InvalidArgumentError is type(found)
    assert str(MAX_RECORD_BYTES) in found.message


def test_an_empty_record_is_refused() -> None:
    """A record without data is none."""
    assert ["record.fields"] == [each.field for each in refusal({}).violations]


@pytest.mark.parametrize(
    ("purpose", "category", "error"),
    [
        (replace(PURPOSE, role=Role.CONTROLLER), CATEGORY, PurposeRoleMismatchError),
        (replace(PURPOSE, retire_time=NOW), CATEGORY, PurposeRetiredError),
        (replace(PURPOSE, categories=("other",)), CATEGORY, CategoryNotInPurposeError),
        (PURPOSE, replace(CATEGORY, role=Role.CONTROLLER), CategoryNotInPurposeError),
        (PURPOSE, replace(CATEGORY, retire_time=NOW), CategoryNotInPurposeError),
    ],
)
def test_purpose_and_category_must_fit(
    purpose: Purpose, category: Category, error: type[DomainError]
) -> None:
    """Nothing new is kept for a purpose that is over, or doesn't need it."""
    with pytest.raises(error):
        require_in_purpose(purpose, category, Role.PROCESSOR, NOW)


def test_what_fits_is_not_refused() -> None:
    """An end that lies ahead is none yet."""
    ahead = NOW + timedelta(seconds=1)

    require_in_purpose(
        replace(PURPOSE, retire_time=ahead),
        replace(CATEGORY, retire_time=ahead),
        Role.PROCESSOR,
        NOW,
    )


@given(fields=st.dictionaries(st.text(), FINITE))
def test_canonical_json_has_one_form(fields: dict[str, Json]) -> None:
    """The same fields in another order give the same bytes, and come back as they were."""
    backwards = dict(reversed(fields.items()))

    assert canonical(fields) == canonical(backwards)
    assert fields == parsed(canonical(fields)) == json.loads(canonical(fields))


def test_fields_that_a_category_lost_are_not_given_out() -> None:
    """What was kept under an earlier version of the category isn't used any more."""
    assert {"page": "home"} == in_category({"page": "home", "shoe_size": 42}, CATEGORY)


@pytest.mark.parametrize("key", ["a", "a-", "a_b-9", "x" * 63])
def test_keys(key: str) -> None:
    """A key is a short plain word."""
    assert key == record_key(key)


@pytest.mark.parametrize("key", ["", "A", "9", "-", "a b", "a/b", "a,b", "é", "x" * 64, "a\n"])
def test_what_is_no_key_is_refused(key: str) -> None:
    """Nothing else is one; above all nothing that would change where the record is kept."""
    with pytest.raises(InvalidValueError):
        record_key(key)


@pytest.mark.parametrize("reason", ["ticket 42", "psid-1234 is another's", "@support asked"])
def test_reasons(reason: str) -> None:
    """A reason without the person's id, or an e-mail address, is taken as it is."""
    assert reason == stated_reason(reason, "psid-123")


@pytest.mark.parametrize(
    "reason", ["", "about psid-123.", "(psid-123)", "ada@example.org called", "x" * 501]
)
def test_reasons_that_name_somebody_are_refused(reason: str) -> None:
    """The ledger can't forget: what names the person is kept out of it."""
    with pytest.raises(InvalidValueError) as caught:
        stated_reason(reason, "psid-123")

    assert "123" not in str(caught.value)
