"""What makes a disclosure lawful, and that a weaker rule would be noticed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from server.domain.catalogue.catalogue import Catalogue, Category, LegalBasis, Purpose
from server.domain.disclosure.disclosure import LegalDemand, NewDisclosure, require_lawful
from server.domain.disclosure.recipients import Recipient, RecipientKind, Safeguard, violations
from server.domain.errors import (
    CategoryNotInPurposeError,
    CommercialDisclosureError,
    DomainError,
    InvalidArgumentError,
    LegalGroundMissingError,
    PurposeRetiredError,
    PurposeRoleMismatchError,
    RecipientNotVettedError,
)
from server.domain.values import Role, SubjectId

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
DAY = timedelta(days=1)


def purpose(id: str, role: Role, *categories: str, **fields: Any) -> Purpose:
    """Return a purpose of the catalogue."""
    return Purpose(id, role, id, LegalBasis.CONTRACT, categories, "rule", **fields)


CATALOGUE = Catalogue(
    id="",
    tenant="",
    purposes={
        found.id: found
        for found in (
            purpose("support", Role.PROCESSOR, "profile"),
            purpose("hosting", Role.PROCESSOR, "profile"),
            purpose("news", Role.PROCESSOR, "profile", direct_marketing=True),
            purpose("billing", Role.CONTROLLER, "account"),
            purpose("old", Role.PROCESSOR, "profile", retire_time=NOW),
        )
    },
    categories={
        found.id: found
        for found in (
            Category("profile", Role.PROCESSOR, "Profile", ()),
            Category("session", Role.PROCESSOR, "Session", ()),
            Category("account", Role.CONTROLLER, "Account", ()),
        )
    },
)
PARTNER = Recipient(
    id="host",
    tenant="",
    version=1,
    display_name="Host",
    kind=RecipientKind.PROCESSOR,
    country="US",
    purposes=("support", "news", "billing", "old"),
    contract="DPA",
    safeguard=Safeguard.STANDARD_CONTRACTUAL_CLAUSES,
    vetting_digest="ab" * 32,
    vetting_time=NOW - 10 * DAY,
    create_time=NOW - 10 * DAY,
    safeguard_expire_time=NOW + DAY,
)
AUTHORITY = replace(
    PARTNER, id="court", kind=RecipientKind.AUTHORITY, purposes=(), contract="", country="FR"
)
GIVEN = NewDisclosure(SubjectId(Role.PROCESSOR, "acme", "x"), "host", "support", ("profile",))
DEMAND = LegalDemand("Art. 60-1", "The profile", "Counsel")
DEMANDED = replace(GIVEN, recipient="court", purpose="", legal_demand=DEMAND)

Rule = Callable[[NewDisclosure, Recipient, Catalogue, datetime], None]
Case = tuple[NewDisclosure, Recipient, datetime, type[DomainError]]

REFUSED: dict[str, Case] = {
    "before vetting": (GIVEN, PARTNER, NOW - 11 * DAY, RecipientNotVettedError),
    "safeguard expired": (GIVEN, PARTNER, NOW + DAY, RecipientNotVettedError),
    "authority's safeguard expired": (DEMANDED, AUTHORITY, NOW + DAY, RecipientNotVettedError),
    "other purpose": (replace(GIVEN, purpose="hosting"), PARTNER, NOW, RecipientNotVettedError),
    "commerce": (replace(GIVEN, purpose="news"), PARTNER, NOW, CommercialDisclosureError),
    "commerce by an authority": (
        replace(DEMANDED, purpose="news"),
        AUTHORITY,
        NOW,
        CommercialDisclosureError,
    ),
    "other role's purpose": (
        replace(GIVEN, purpose="billing", categories=("account",)),
        PARTNER,
        NOW,
        PurposeRoleMismatchError,
    ),
    "other role's category": (
        replace(DEMANDED, categories=("account",)),
        AUTHORITY,
        NOW,
        InvalidArgumentError,
    ),
    "retired purpose": (replace(GIVEN, purpose="old"), PARTNER, NOW, PurposeRetiredError),
    "more than needed": (
        replace(GIVEN, categories=("profile", "session")),
        PARTNER,
        NOW,
        CategoryNotInPurposeError,
    ),
    "no purpose": (replace(GIVEN, purpose=""), PARTNER, NOW, InvalidArgumentError),
    "demand of a partner": (
        replace(GIVEN, legal_demand=DEMAND),
        PARTNER,
        NOW,
        InvalidArgumentError,
    ),
    "no demand": (replace(DEMANDED, legal_demand=None), AUTHORITY, NOW, LegalGroundMissingError),
    **{
        f"no {part}": (
            replace(DEMANDED, legal_demand=replace(DEMAND, **{part: " "})),
            AUTHORITY,
            NOW,
            LegalGroundMissingError,
        )
        for part in ("legal_ground", "scope", "approver")
    },
}


@pytest.mark.parametrize("new", [GIVEN, replace(GIVEN, categories=("profile",))])
def test_what_is_lawful_is_taken(new: NewDisclosure) -> None:
    """A vetted partner gets what its purpose needs, and an authority what it demands."""

    require_lawful(new, PARTNER, CATALOGUE, NOW)
    require_lawful(DEMANDED, AUTHORITY, CATALOGUE, NOW)
    require_lawful(replace(DEMANDED, categories=("session",)), AUTHORITY, CATALOGUE, NOW)


@pytest.mark.parametrize("case", REFUSED.values(), ids=list(REFUSED))
def test_what_is_unlawful_is_refused(case: Case) -> None:
    """Each ground of refusal is found by itself."""

    new, recipient, at, error = case
    with pytest.raises(error):
        require_lawful(new, recipient, CATALOGUE, at)


def blind_to_expiry(
    new: NewDisclosure, recipient: Recipient, catalogue: Catalogue, at: datetime
) -> None:
    """Broken: doesn't look at when the safeguard ends."""
    require_lawful(new, replace(recipient, safeguard_expire_time=None), catalogue, at)


def blind_to_commerce(
    new: NewDisclosure, recipient: Recipient, catalogue: Catalogue, at: datetime
) -> None:
    """Broken: takes marketing for a purpose like others."""
    purposes = {
        id: replace(found, direct_marketing=False) for id, found in catalogue.purposes.items()
    }
    require_lawful(new, recipient, replace(catalogue, purposes=purposes), at)


def blind_to_vetted_purposes(
    new: NewDisclosure, recipient: Recipient, catalogue: Catalogue, at: datetime
) -> None:
    """Broken: vetted for one purpose is vetted for all."""
    require_lawful(new, replace(recipient, purposes=(new.purpose,)), catalogue, at)


def content_with_any_demand(
    new: NewDisclosure, recipient: Recipient, catalogue: Catalogue, at: datetime
) -> None:
    """Broken: a demand need not be complete."""
    demand = DEMAND if recipient.is_authority else new.legal_demand
    require_lawful(replace(new, legal_demand=demand), recipient, catalogue, at)


@pytest.mark.parametrize(
    ("broken", "case"),
    [
        (blind_to_expiry, "safeguard expired"),
        (blind_to_commerce, "commerce"),
        (blind_to_vetted_purposes, "other purpose"),
        (content_with_any_demand, "no scope"),
    ],
)
def test_weaker_rules_are_caught(broken: Rule, case: str) -> None:
    """A rule that lets one ground pass fails the test of that ground."""

    new, recipient, at, _ = REFUSED[case]
    broken(new, recipient, CATALOGUE, at)


def test_demand_is_never_shown_in_passing() -> None:
    """The words of a demand, which may be about the person, are in no representation."""

    assert "60-1" not in repr(DEMANDED)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, []),
        ({"country": "FR", "safeguard": Safeguard.NONE}, []),
        ({"country": "RE", "safeguard": Safeguard.EEA}, []),
        ({"country": "CH", "safeguard": Safeguard.ADEQUACY_DECISION}, []),
        ({"country": "CH", "safeguard": Safeguard.NONE}, ["recipient.safeguard"]),
        ({"country": "GB", "safeguard": Safeguard.EEA}, ["recipient.safeguard"]),
        ({"purposes": (), "contract": ""}, ["recipient.purposes", "recipient.contract"]),
        ({"kind": RecipientKind.AUTHORITY, "purposes": (), "contract": ""}, []),
    ],
)
def test_recipient_lacks_nothing(fields: dict[str, Any], expected: list[str]) -> None:
    """Outside the EEA a safeguard is needed; whoever is no authority serves a purpose."""

    assert expected == [found.field for found in violations(replace(PARTNER, **fields))]
