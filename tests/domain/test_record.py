"""Ids of records: one life's are never another's, and they sort as people expect."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from server.domain.records.record import record_id
from server.domain.subject import Subject
from server.domain.values import Role

CATEGORIES = st.from_regex(r"[a-z][a-z0-9_-]{0,5}[a-z0-9]|[a-z]", fullmatch=True)
KEYS = st.from_regex(r"[a-z][a-z0-9_-]{0,5}", fullmatch=True)


def life(generation: int) -> Subject:
    """Return one life of the same person."""
    return Subject(
        id="acme/ada",
        tenant="acme",
        reference="ada",
        role=Role.PROCESSOR,
        version=1,
        generation=generation,
        created_time=datetime(2026, 3, 2, tzinfo=UTC),
        key=b"wrapped",
        sealed_id=b"sealed",
        entry="acme/entry",
    )


@given(places=st.lists(st.tuples(CATEGORIES, KEYS), unique=True))
def test_ids_sort_by_category_and_key(places: list[tuple[str, str]]) -> None:
    """Sorted by id, a person's records are sorted by category and then by key."""
    by_id = sorted(places, key=lambda place: record_id(life(1), *place))

    assert sorted(places) == by_id


@given(one=st.tuples(CATEGORIES, KEYS), other=st.tuples(CATEGORIES, KEYS))
def test_records_share_no_id(one: tuple[str, str], other: tuple[str, str]) -> None:
    """Two places have two ids, and so has the same place in two lives."""
    assert (one == other) == (record_id(life(1), *one) == record_id(life(1), *other))
    assert record_id(life(1), *one) != record_id(life(2), *one)
