"""GDPR Art. 15: right of access."""

from __future__ import annotations

from typing import Any

import grpc
import pytest

from privacyrights.v1 import retention_service_pb2, types_pb2
from privacyrights.v1.retention_service_pb2_grpc import RetentionServiceStub
from tests.rpc.exercising import ACCESS, document, exercise, keep
from tests.rpc.people import end_user, grant, new_id, new_tenant, withdraw

CUSTOMISE = "purposes/customise_messages"


@pytest.fixture(scope="module")
async def who(channel: grpc.aio.Channel) -> types_pb2.Subject:
    """Return an end-user who talked to a chatbot, agreed, and changed their mind."""
    subject = end_user(await new_tenant(channel))
    await keep(channel, subject, "colour", question="Which colour?", answer="blue")
    await keep(channel, subject, "size", question="Which size?", answer="large")
    await grant(channel, subject, CUSTOMISE)
    await withdraw(channel, subject, CUSTOMISE)
    await RetentionServiceStub(channel).RecordInteraction(
        retention_service_pb2.RecordInteractionRequest(
            interaction=retention_service_pb2.Interaction(subject=subject), request_id=new_id()
        )
    )
    return subject


@pytest.fixture(scope="module")
async def answer(channel: grpc.aio.Channel, who: types_pb2.Subject) -> dict[str, Any]:
    """Return the answer to the person's request."""
    request = await exercise(channel, who, ACCESS, statement="What do you have on me?")
    return await document(channel, request.name)


async def test_whether_and_about_whom(answer: dict[str, Any], who: types_pb2.Subject) -> None:
    """Art. 15(1): the person learns whether data is processed, as whom, by whom, in which role."""

    assert who.subject_id == answer["subject"]["id"]
    assert (who.tenant, "processor") == (
        answer["controller"]["tenant"],
        answer["controller"]["our_role"],
    )


async def test_purposes_with_their_legal_basis(answer: dict[str, Any]) -> None:
    """Art. 15(1)(a): the purposes – also one that was agreed to and withdrawn – and their basis."""
    told = {each["name"]: (each["legal_basis"], each["consent"]) for each in answer["purposes"]}

    assert ("controller_instruction", None) == told["purposes/optimise_interactions"]
    assert ("consent", "withdrawn") == told[CUSTOMISE]
    assert "purposes/resolve_problems" not in told


async def test_categories(answer: dict[str, Any]) -> None:
    """Art. 15(1)(b): the categories concerned, and what each can contain."""

    assert ["categories/quick_reply"] == [each["name"] for each in answer["categories"]]
    assert {"question", "answer", "attributes"} == set(answer["categories"][0]["fields"])


async def test_recipients(answer: dict[str, Any]) -> None:
    """Art. 15(1)(c): to whom data was disclosed; nobody, here, and that is said."""

    assert [] == answer["disclosures"]


async def test_how_long(answer: dict[str, Any]) -> None:
    """Art. 15(1)(d): how long the data is kept, from which day on, and until when."""
    retention = answer["retention"]

    assert (24, "2026-03-02") == (retention["months"], retention["counted_from"])
    assert "2028-03-02T23:00:00Z" == retention["due_time"]


async def test_rights_and_complaint(answer: dict[str, Any]) -> None:
    """Art. 15(1)(e), (f): the rights that the person has, and the complaint to an authority."""

    assert {
        "rectification",
        "erasure",
        "restriction",
        "objection",
        "portability",
        "withdrawal",
        "complaint",
    } == set(answer["rights"])


async def test_source(answer: dict[str, Any]) -> None:
    """Art. 15(1)(g): for each record, where it came from, if that is known."""

    assert all("source" in each and "create_time" in each for each in answer["records"])


async def test_automated_decisions(answer: dict[str, Any]) -> None:
    """Art. 15(1)(h): whether anything is decided by automated means."""

    assert "Art. 22" in answer["automated_decisions"]


async def test_copy_of_the_data(answer: dict[str, Any]) -> None:
    """Art. 15(3): a copy of all of it: records, decisions, days, and the person's own words."""

    assert {"blue", "large"} == {each["fields"]["answer"] for each in answer["records"]}
    assert ["granted", "withdrawn"] == [each["choice"] for each in answer["consents"]]
    assert {"first_date": "2026-03-02", "last_date": "2026-03-02"} == answer["interactions"]
    assert ["What do you have on me?"] == [each["statement"] for each in answer["requests"]]


async def test_commonly_used_form_that_explains_itself(answer: dict[str, Any]) -> None:
    """Art. 12(1), 15(3): JSON in which every part says what it is, and which article wants it."""

    assert set(answer) - {"about"} == set(answer["about"])


async def test_nobody_elses_data(channel: grpc.aio.Channel, who: types_pb2.Subject) -> None:
    """Art. 15(4): the same id in the other role, or with another tenant, is another person."""
    namesake = types_pb2.Subject()
    namesake.CopyFrom(who)
    namesake.role = types_pb2.ROLE_CONTROLLER
    await keep(channel, namesake)

    request = await exercise(channel, namesake, ACCESS)

    told = await document(channel, request.name)
    assert ["categories/account"] == [each["category"] for each in told["records"]]
    assert [] == told["consents"]
