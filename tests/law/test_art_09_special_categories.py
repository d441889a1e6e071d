"""GDPR Art. 9: special categories of data are kept and used on explicit consent only."""

from __future__ import annotations

from typing import Any

import grpc
import pytest

from privacyrights.v1 import types_pb2
from tests.rpc.kept import everything, put
from tests.rpc.people import end_user, grant, new_id, new_tenant, refused, withdraw
from tests.rpc.refusal import Refusal
from tests.rpc.world import World, new_review

ALLERGY = {"allergy": "nuts"}


async def applied(channel: grpc.aio.Channel, content: dict[str, Any]) -> None:
    """Have *content* proposed, reviewed and applied."""
    world = World(channel)
    proposal = {
        "content": content,
        "proposer": "Product",
        "reason": "Meals.",
        "request_id": new_id(),
    }
    change = (await world.call("CatalogueService/ProposeCatalogueChange", proposal))[
        "catalogue_change"
    ]
    review = {"name": change, "review": new_review(), "request_id": new_id()}
    await world.call("CatalogueService/ReviewCatalogueChange", review)
    await world.call(
        "CatalogueService/ApplyCatalogueChange", {"name": change, "request_id": new_id()}
    )


def category(name: str, *, is_special: bool) -> dict[str, Any]:
    """Return a category of what people may eat."""
    return {
        "name": name,
        "role": "ROLE_PROCESSOR",
        "title": "Allergies",
        "special_category": is_special,
        "fields": [{"name": "allergy", "type": "FIELD_TYPE_STRING", "max_bytes": 100}],
    }


def purpose(name: str, of: str, basis: str) -> dict[str, Any]:
    """Return the purpose of suggesting meals."""
    return {
        "name": name,
        "role": "ROLE_PROCESSOR",
        "title": "Suggest meals",
        "legal_basis": f"LEGAL_BASIS_{basis}",
        "categories": [of],
        "retention_rule": "retentionRules/end_user_24_months",
        "texts": [{"locale": "en", "text": "May we keep what you must not eat?"}],
    }


async def suggesting(channel: grpc.aio.Channel, *, is_special: bool = True) -> tuple[str, str]:
    """Return the names of a new purpose on consent and of the one category that it needs."""
    names = (f"purposes/{new_id('meals')}", f"categories/{new_id('allergies')}")
    content = {
        "categories": [category(names[1], is_special=is_special)],
        "purposes": [purpose(*names, "CONSENT")],
    }
    await applied(channel, content)
    return names


def why(told: Refusal) -> tuple[str, str, str]:
    """Return how a call was refused, and for which reasons of the verdict."""
    return told.code, told.reason, told.metadata["verdict_reasons"]


@pytest.fixture
async def subject(channel: grpc.aio.Channel) -> types_pb2.Subject:
    """Return somebody whom nobody has asked for anything."""
    return end_user(await new_tenant(channel))


async def test_nothing_is_kept_without_consent(
    channel: grpc.aio.Channel, subject: types_pb2.Subject
) -> None:
    """Art. 9(1): without any consent, neither a first write nor a reading."""
    meals, allergies = await suggesting(channel)

    told = await refused(put(channel, subject, ALLERGY, purpose=meals, category=allergies))

    code, reason, reasons = why(told)
    assert ("PERMISSION_DENIED", "PROCESSING_NOT_ALLOWED") == (code, reason)
    assert "CONSENT_MISSING" in reasons


async def test_consent_that_is_not_explicit_is_not_enough(
    channel: grpc.aio.Channel, subject: types_pb2.Subject
) -> None:
    """Art. 9(2)(a): a statement is needed; with one, data is kept and given back."""
    meals, allergies = await suggesting(channel)

    await grant(channel, subject, meals)
    write = await refused(put(channel, subject, ALLERGY, purpose=meals, category=allergies))
    read = await refused(everything(channel, subject, purpose=meals))
    await grant(channel, subject, meals, explicit=True)
    await put(channel, subject, ALLERGY, purpose=meals, category=allergies)

    expected = ("PERMISSION_DENIED", "PROCESSING_NOT_ALLOWED", "CONSENT_NOT_EXPLICIT")
    assert [expected] * 2 == [why(write), why(read)]
    assert [ALLERGY] == await everything(channel, subject, purpose=meals)


async def test_what_was_kept_is_out_of_reach_after_a_withdrawal(
    channel: grpc.aio.Channel, subject: types_pb2.Subject
) -> None:
    """Art. 7(3), 9(2)(a): with the consent goes the use, of what is there and of what comes."""
    meals, allergies = await suggesting(channel)
    await grant(channel, subject, meals, explicit=True)
    await put(channel, subject, ALLERGY, purpose=meals, category=allergies)

    await withdraw(channel, subject, meals)
    write = await refused(put(channel, subject, ALLERGY, purpose=meals, category=allergies))
    read = await refused(everything(channel, subject, purpose=meals, categories=[allergies]))

    expected = ("PERMISSION_DENIED", "PROCESSING_NOT_ALLOWED", "CONSENT_WITHDRAWN")
    assert [expected] * 2 == [why(write), why(read)]


async def test_a_category_that_turns_special_needs_new_statements(
    channel: grpc.aio.Channel, subject: types_pb2.Subject
) -> None:
    """Art. 9(1): once the catalogue says what data is, an older, simple consent ends to suffice."""
    meals, allergies = await suggesting(channel, is_special=False)
    await grant(channel, subject, meals)
    await put(channel, subject, ALLERGY, purpose=meals, category=allergies)
    assert [ALLERGY] == await everything(channel, subject, purpose=meals)

    await applied(channel, {"categories": [category(allergies, is_special=True)]})
    read = await refused(everything(channel, subject, purpose=meals))

    assert "CONSENT_NOT_EXPLICIT" == read.metadata["verdict_reasons"]


@pytest.mark.parametrize("basis", ["CONTRACT", "CONTROLLER_INSTRUCTION"])
async def test_no_other_basis_reaches_it(channel: grpc.aio.Channel, basis: str) -> None:
    """Art. 9(1): a purpose on another basis can't be declared to need a special category."""
    _, allergies = await suggesting(channel)

    told = await refused(
        applied(channel, {"purposes": [purpose(f"purposes/{new_id('any')}", allergies, basis)]})
    )

    assert ("FAILED_PRECONDITION", "CATALOGUE_INCONSISTENT") == (told.code, told.reason)
