"""The verdict: one answer out of everything that the law puts in the way."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from server.domain.catalogue.catalogue import LegalBasis
from server.domain.consent.processing import VerdictReason, ending, judge
from server.domain.consent.standing import EVERY_PURPOSE
from server.domain.errors import ProcessingNotAllowedError
from server.domain.subject import Choice
from server.domain.values import Role
from tests.domain.subjects import NOW, catalogue, person, purpose, state

GRANTED = {"consents": {"customise": state()}}
INTEREST = {"legal_basis": LegalBasis.LEGITIMATE_INTERESTS}


@pytest.mark.parametrize(
    ("who", "what", "reasons"),
    [
        (GRANTED, {}, ["CONSENT_GRANTED"]),
        ({}, {}, ["CONSENT_MISSING"]),
        ({"consents": {"customise": state(Choice.REFUSED)}}, {}, ["CONSENT_REFUSED"]),
        ({"consents": {"customise": state(Choice.WITHDRAWN)}}, {}, ["CONSENT_WITHDRAWN"]),
        ({"consents": {"customise": state(expire_time=NOW)}}, {}, ["CONSENT_EXPIRED"]),
        (
            {"consents": {"customise": state(expire_time=NOW + timedelta(milliseconds=1))}},
            {},
            ["CONSENT_GRANTED"],
        ),
        (
            {"consents": {"customise": state(time=NOW - timedelta(days=1))}},
            {"renewal_time": NOW},
            ["CONSENT_RENEWAL_NEEDED"],
        ),
        (GRANTED, {"renewal_time": NOW}, ["CONSENT_GRANTED"]),
        (GRANTED, {"renewal_time": NOW + timedelta(days=1)}, ["CONSENT_GRANTED"]),
        ({"consents": {"other": state()}}, {}, ["CONSENT_MISSING"]),
        ({}, {"legal_basis": LegalBasis.CONTRACT}, ["OTHER_LEGAL_BASIS"]),
        ({"objections": {"customise": "x"}}, INTEREST, ["OBJECTION"]),
        ({"objections": {EVERY_PURPOSE: "x"}}, INTEREST, ["OBJECTION"]),
        ({"objections": {"other": "x"}}, INTEREST, ["OTHER_LEGAL_BASIS"]),
        (
            {"objections": {EVERY_PURPOSE: "x"}},
            {"legal_basis": LegalBasis.CONTRACT},
            ["OTHER_LEGAL_BASIS"],
        ),
        (
            {"objections": {"customise": "x"}, **GRANTED},
            {"direct_marketing": True},
            ["OBJECTION"],
        ),
        ({"restriction": "disputed", **GRANTED}, {}, ["RESTRICTION"]),
        ({"key": None, "erased_time": NOW, **GRANTED}, {}, ["SUBJECT_ERASED"]),
        (GRANTED, {"retire_time": NOW}, ["PURPOSE_RETIRED"]),
        (GRANTED, {"role": Role.CONTROLLER}, ["PURPOSE_ROLE_MISMATCH"]),
        (
            {"restriction": "disputed"},
            {"retire_time": NOW},
            ["PURPOSE_RETIRED", "RESTRICTION", "CONSENT_MISSING"],
        ),
    ],
)
def test_verdict(who: dict[str, Any], what: dict[str, Any], reasons: list[str]) -> None:
    """Each state of a person and a purpose has the verdict, and all the reasons, that it must."""

    found = judge(
        purpose(**what), catalogue(), person(**who), Role.PROCESSOR, NOW, instructed=("profile",)
    )

    allowed = {VerdictReason.CONSENT_GRANTED, VerdictReason.OTHER_LEGAL_BASIS}
    assert reasons == list(found.reasons)
    assert found.allowed == set(found.reasons).issubset(allowed)


def test_unknown_person_has_agreed_to_nothing() -> None:
    """Nothing is known of the person: consent is missing, another basis stands."""

    asked = judge(purpose(), catalogue(), None, Role.PROCESSOR, NOW, instructed=("profile",))
    other = judge(
        purpose(legal_basis=LegalBasis.CONTRACT),
        catalogue(),
        None,
        Role.PROCESSOR,
        NOW,
        instructed=("profile",),
    )

    assert ["SUBJECT_UNKNOWN", "CONSENT_MISSING"] == list(asked.reasons)
    assert other.allowed


def test_special_category_needs_an_explicit_statement() -> None:
    """Art. 9(2)(a): a grant that wasn't explicit isn't enough for special-category data."""

    def reasons(*, explicit: bool) -> list[str]:
        who = person(consents={"customise": state(explicit=explicit)})
        return list(
            judge(
                purpose(),
                catalogue(special=True),
                who,
                Role.PROCESSOR,
                NOW,
                instructed=("profile",),
            ).reasons
        )

    assert ["CONSENT_NOT_EXPLICIT"] == reasons(explicit=False)
    assert ["CONSENT_GRANTED"] == reasons(explicit=True)


def test_verdict_names_the_entry_that_decides() -> None:
    """A consent decides by its own entry, and a restriction by its own, which goes before."""

    def entry(**who: Any) -> str:
        return judge(
            purpose(),
            catalogue(),
            person(**GRANTED, **who),
            Role.PROCESSOR,
            NOW,
            instructed=("profile",),
        ).deciding_entry

    assert "acme/decided" == entry()
    assert "acme/disputed" == entry(restriction="acme/disputed")


def test_refusal_carries_the_reasons() -> None:
    """Whoever may not process is told why, by the contract's names."""

    found = judge(purpose(), catalogue(), person(), Role.PROCESSOR, NOW, instructed=("profile",))

    with pytest.raises(ProcessingNotAllowedError) as caught:
        found.require_allowed()
    assert {"verdict_reasons": "CONSENT_MISSING"} == caught.value.metadata


@pytest.mark.parametrize(
    ("categories", "instructed", "reasons"),
    [
        (("profile", "history"), ("profile", "history"), ["CONSENT_GRANTED"]),
        # The other category may be used; whoever asks for the history is refused by itself.
        (("profile", "history"), ("profile",), ["CONSENT_GRANTED"]),
        (("history",), (), ["INSTRUCTION_MISSING"]),
        (("history",), ("profile",), ["INSTRUCTION_MISSING"]),
        ((), (), ["CONSENT_GRANTED"]),
    ],
)
def test_purpose_without_anything_instructed_is_not_allowed(
    categories: tuple[str, ...], instructed: tuple[str, ...], reasons: list[str]
) -> None:
    """Art. 28(3)(a): where the tenant has instructed nothing that a purpose needs, it is "no"."""

    found = judge(
        purpose(categories=categories),
        catalogue(),
        person(**GRANTED),
        Role.PROCESSOR,
        NOW,
        instructed=instructed,
    )

    assert reasons == list(found.reasons)


@pytest.mark.parametrize(("restriction", "expires"), [("", True), ("disputed", False)])
def test_verdict_expires_with_the_consent_that_it_rests_on(
    restriction: str, *, expires: bool
) -> None:
    """A "yes" ends with its consent; a "no" doesn't become a "yes" by waiting."""
    end = NOW + timedelta(days=1)
    who = person(consents={"customise": state(expire_time=end)}, restriction=restriction)

    found = judge(purpose(), catalogue(), who, Role.PROCESSOR, NOW, instructed=("profile",))

    assert (end if expires else None) == found.expire_time


@pytest.mark.parametrize(
    ("expires", "scheduled", "ends"), [(None, 2, 2), (1, 2, 1), (2, 1, 1), (1, None, 1)]
)
def test_a_verdict_ends_with_the_first_of_what_ends_it(
    expires: int | None, scheduled: int | None, ends: int
) -> None:
    """Its consent and a change of the catalogue: whichever comes first."""
    consent, change = (None if n is None else NOW + timedelta(days=n) for n in (expires, scheduled))
    who = person(consents={"customise": state(expire_time=consent)})

    found = judge(purpose(), catalogue(), who, Role.PROCESSOR, NOW, instructed=("profile",))

    assert NOW + timedelta(days=ends) == ending(found, change).expire_time
