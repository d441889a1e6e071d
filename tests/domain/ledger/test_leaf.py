"""A leaf is what any other implementation of RFC 8785 makes of the same entry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from typing import Any

import msgspec
import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from server.domain.ledger import Entry
from server.domain.ledger.leaf import leaf_bytes
from server.domain.ledger.merkle import leaf_hash
from server.domain.values import Role

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)

ENTRY = Entry(
    id="acme/c0123456789",
    tenant="acme",
    type="consent.granted",
    time=datetime(2026, 3, 31, 9, 0, 0, 7000, tzinfo=UTC),
    actor="crm",
    rpc="ConsentService/RecordConsent",
    partition=3,
    role=Role.CONTROLLER,
    subject="Zm9vYmFyYmF6cXV4cXV1eA",
    purpose="platform_news",
    reason='said "yes"',
    target="tenants/acme/consentDecisions/c0123",
    commitment=sha256(b"").digest(),
    position=41,
)

LEAF = (
    b'{"actor":"crm","commitment":"47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU",'
    b'"id":"c0123456789","position":41,"purpose":"platform_news","reason":"said \\"yes\\"",'
    b'"role":"controller","rpc":"ConsentService/RecordConsent",'
    b'"subject":"Zm9vYmFyYmF6cXV4cXV1eA","target":"tenants/acme/consentDecisions/c0123",'
    b'"tenant":"acme","time":"2026-03-31T09:00:00.007Z","type":"consent.granted"}'
)


def test_a_leaf_is_written_once_and_for_ever() -> None:
    """The bytes of a known entry never change: logs that were exported must stay verifiable."""
    assert LEAF == leaf_bytes(ENTRY)
    assert sha256(b"\0" + LEAF).digest() == leaf_hash(leaf_bytes(ENTRY))


@settings(max_examples=300)
@given(
    entry=st.builds(
        Entry,
        id=TEXTS.map(lambda text: f"acme/{text.replace('/', '')}"),
        tenant=TEXTS,
        type=TEXTS,
        time=st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-11))])),
        actor=TEXTS,
        rpc=TEXTS,
        partition=st.just(0),
        role=st.sampled_from([None, *Role]),
        subject=TEXTS,
        purpose=TEXTS,
        reason=TEXTS,
        target=TEXTS,
        commitment=st.binary(max_size=32),
        position=st.integers(0, 2**53 - 1),
    )
)
def test_leaves_are_canonical(entry: Entry) -> None:
    """Whatever texts an entry holds, its leaf is the canonical form of what it says."""
    is_canonical(leaf_bytes(entry))


def is_canonical(leaf: bytes) -> None:
    """Show that *leaf* is what the reference makes of its content, with every member."""
    content = msgspec.json.decode(leaf)

    assert rfc8785.dumps(content) == leaf
    assert {
        *("actor", "commitment", "id", "position", "purpose", "reason", "role", "rpc"),
        *("subject", "target", "tenant", "time", "type"),
    } == content.keys()


def unsorted(content: dict[str, Any]) -> bytes:
    """Write the members in another order."""
    return msgspec.json.encode(dict(reversed(content.items())))


def spaced(content: dict[str, Any]) -> bytes:
    """Write it for people."""
    return msgspec.json.format(msgspec.json.encode(content))


def sparse(content: dict[str, Any]) -> bytes:
    """Leave out what is empty."""
    return msgspec.json.encode({name: value for name, value in content.items() if value})


def escaped(content: dict[str, Any]) -> bytes:
    """Escape what needs no escape."""
    return msgspec.json.encode(content).replace(b"crm", b"\\u0063rm")


@pytest.mark.parametrize("broken", [unsorted, spaced, sparse, escaped])
def test_that_another_form_would_be_noticed(broken: Callable[[dict[str, Any]], bytes]) -> None:
    """Any other JSON of the same content is no leaf."""
    empty = Entry("/x", "", "t", ENTRY.time, "crm", "", 0, position=0)

    with pytest.raises(AssertionError):
        is_canonical(broken(msgspec.json.decode(leaf_bytes(empty))))


@pytest.mark.parametrize(
    "edit",
    [
        {"tenant": "other"},
        {"type": "consent.refused"},
        {"time": ENTRY.time + timedelta(milliseconds=1)},
        {"actor": "other"},
        {"rpc": "other"},
        {"role": Role.PROCESSOR},
        {"subject": "other"},
        {"purpose": "other"},
        {"reason": "other"},
        {"target": "other"},
        {"commitment": b""},
        {"position": 42},
        {"id": "acme/c1"},
    ],
    ids=lambda edit: str(next(iter(edit))),
)
def test_every_edit_is_another_leaf(edit: dict[str, Any]) -> None:
    """Whatever an entry tells is in its leaf: nothing of it can be edited unnoticed."""
    assert leaf_bytes(ENTRY) != leaf_bytes(replace(ENTRY, **edit))


def test_an_entry_that_waits_has_no_leaf() -> None:
    """A position is part of the leaf, so that there is none before."""
    with pytest.raises(ValueError, match="position"):
        leaf_bytes(replace(ENTRY, position=None))

    assert LEAF == leaf_bytes(replace(ENTRY, position=None), 41)
