"""People and purposes for tests of pure decisions."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from server.domain.catalogue.catalogue import (
    Catalogue,
    Category,
    CategoryField,
    FieldType,
    LegalBasis,
    Purpose,
    TextRef,
)
from server.domain.subject import Choice, ConsentState, Subject
from server.domain.values import Role

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def person(**fields: Any) -> Subject:
    """Return an active subject of the processor's; *fields* override."""
    given: dict[str, Any] = {
        "id": "acme/reference",
        "tenant": "acme",
        "reference": "reference",
        "role": Role.PROCESSOR,
        "version": 1,
        "generation": 1,
        "created_time": NOW,
        "key": b"wrapped",
        "sealed_id": b"sealed",
        "entry": "acme/entry",
        **fields,
    }
    return Subject(**given)


def purpose(**fields: Any) -> Purpose:
    """Return a purpose of the processor's that rests on consent; *fields* override."""
    given: dict[str, Any] = {
        "id": "customise",
        "role": Role.PROCESSOR,
        "title": "Customise",
        "legal_basis": LegalBasis.CONSENT,
        "categories": ("profile",),
        "retention_rule": "rule",
        "texts": (TextRef("en", "0" * 64),),
        "version": 1,
        **fields,
    }
    return Purpose(**given)


def catalogue(*, special: bool = False) -> Catalogue:
    """Return a catalogue with the category `profile`, a special one if so wanted."""
    profile = Category(
        id="profile",
        role=Role.PROCESSOR,
        title="Profile",
        fields=(CategoryField("name", FieldType.STRING),),
        special_category=special,
    )
    return replace(Catalogue(id="", tenant=""), categories={"profile": profile})


def state(choice: Choice = Choice.GRANTED, **fields: Any) -> ConsentState:
    """Return the state of a consent; *fields* override."""
    given: dict[str, Any] = {
        "choice": choice,
        "decision": "acme/decision",
        "entry": "acme/decided",
        "time": NOW,
        "policy_version": "2019-01-01",
        "text_digest": "0" * 64,
        "purpose_version": 1,
        **fields,
    }
    return ConsentState(**given)
