"""Entities survive storage, and documents hold no more than they must."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from bson import BSON
from bson.codec_options import CodecOptions
from hypothesis import given
from hypothesis import strategies as st

from server.domain.ledger import Entry
from server.domain.subject import Choice, ConsentState, Subject
from server.domain.values import Role, milliseconds
from server.storage.documents import from_value, to_document, to_entity, to_value
from server.storage.failures import NotStorableError
from server.storage.place import Document
from tests.contract.samples import NOW, Answer, Note, entry, note, person

CODEC: CodecOptions[Document] = CodecOptions(tz_aware=True)
# Naive by the strategy's wish, which adds the time zone itself.
EARLIEST, LATEST = datetime(1900, 1, 1), datetime(2200, 1, 1)  # noqa: DTZ001 – hypothesis adds the zone
times = st.datetimes(EARLIEST, LATEST, timezones=st.just(UTC)).map(milliseconds)
states = st.builds(
    ConsentState, choice=st.sampled_from(Choice), time=times, purpose_version=st.integers(1, 9)
)
subjects = st.builds(
    Subject,
    role=st.sampled_from(Role),
    version=st.integers(1, 2**40),
    generation=st.integers(1, 2**20),
    created_time=times,
    erased_time=st.none() | times,
    consents=st.dictionaries(st.from_regex(r"[a-z]{1,9}", fullmatch=True), states, max_size=3),
    objections=st.dictionaries(
        st.from_regex(r"[a-z]{1,9}", fullmatch=True), st.text(max_size=9), max_size=3
    ),
)


@given(subjects)
def test_every_subject_survives(subject: Subject) -> None:
    """Whatever a subject holds comes back from BSON as it was."""
    stored = BSON(BSON.encode(to_document(subject))).decode(CODEC)

    assert subject == to_entity(stored, Subject)


def test_what_is_empty_is_left_out() -> None:
    """Defaults that are empty take no space; numbers do, for they say something."""
    assert {"_id", "tenant", "type", "time", "actor", "rpc", "partition"} == set(
        to_document(entry("t"))
    )
    assert {"sealed", "rank"} <= set(to_document(note("t", "a")))
    assert "due" not in to_document(note("t", "a"))
    assert {"consents", "objections", "erased_time"}.isdisjoint(to_document(person("t")))


def test_what_is_left_out_comes_back() -> None:
    """An entity without its empty fields is the same entity."""
    for entity in (
        entry("t"),
        note("t", "a"),
        person("t"),
        person("t").erased(time=NOW, entry="e"),
    ):
        assert entity == to_entity(to_document(entity), type(entity))


def test_outcomes_survive() -> None:
    """What a call answered comes back as it was."""
    assert Answer("a", NOW) == from_value(to_value(Answer("a", NOW)), Answer)


@dataclass(frozen=True, slots=True)
class Opaque:
    """Holds something that no document can."""

    id: str
    thing: object = field(default_factory=object)


def test_what_can_not_be_stored_is_refused_by_type() -> None:
    """The error names the type of an entity, never what is in it."""
    with pytest.raises(NotStorableError, match="Opaque"):
        to_document(Opaque("ada"))
    with pytest.raises(NotStorableError, match="Note") as refused:
        to_entity({"_id": "ada", "tenant": 3}, Note)

    assert "ada" not in str(refused.value)
    assert Entry is type(to_entity(to_document(entry("t")), Entry))
