"""GDPR Art. 30: whoever processes keeps a record of it, and can show it to the authority.

Art. 30(1) is what a controller records: who it is, why it processes, whose and which data, who
is given it, in which third country and under which safeguard, when it is erased, how it is kept
secure. Art. 30(2) is what a processor records: for whom, which processing, transfers, security.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import grpc
import jsonschema  # type: ignore[import-untyped]  # it has no stubs of its own
import pytest

from privacyrights.v1 import assistance_service_pb2 as assistance
from privacyrights.v1 import catalogue_service_pb2 as pb
from privacyrights.v1 import disclosure_service_pb2, types_pb2
from privacyrights.v1.assistance_service_pb2_grpc import AssistanceServiceStub
from privacyrights.v1.catalogue_service_pb2_grpc import CatalogueServiceStub
from privacyrights.v1.disclosure_service_pb2_grpc import DisclosureServiceStub
from server.domain.clock import SteppingClock
from tests.rpc.instructing import instruct
from tests.rpc.people import new_id, new_tenant, refused
from tests.rpc.proposing import apply, approved, purpose
from tests.rpc.recipients import CUSTOMISE, creation

SCHEMA = json.loads(
    (Path(__file__).parents[2] / "docs/processing-activities.schema.json").read_text("utf-8")
)
MARKUP = "<script>alert('x')</script>"
BOTH = pytest.mark.parametrize("role", [types_pb2.ROLE_CONTROLLER, types_pb2.ROLE_PROCESSOR])
Json = dict[str, Any]


async def export(channel: grpc.aio.Channel, **fields: Any) -> bytes:
    """Return the record as it is exported."""
    request = pb.ExportProcessingActivitiesRequest(**fields)
    pieces = CatalogueServiceStub(channel).ExportProcessingActivities(request)
    return b"".join([piece.chunk async for piece in pieces])


async def record(
    channel: grpc.aio.Channel, role: types_pb2.Role.ValueType, tenant: str = ""
) -> Json:
    """Return the record of *role* as JSON."""
    document: Json = json.loads(
        await export(channel, role=role, tenant=tenant, format=pb.DOCUMENT_FORMAT_JSON)
    )
    return document


async def organised(channel: grpc.aio.Channel) -> None:
    """Have the catalogue say who the platform is."""
    ours = pb.Organisation(
        display_name="Example Platform",
        address="1 Example Street, Paris",
        contact_point="privacy desk",
        data_protection_officer="The officer",
        representative="The representative",
        security_measures="A key per person.",
        supervisory_authority="CNIL",
    )
    await apply(channel, await approved(channel, organisation=ours))


@BOTH
async def test_record_has_the_documented_form(
    channel: grpc.aio.Channel, clock: SteppingClock, role: types_pb2.Role.ValueType
) -> None:
    """Art. 30(3), (4): it is in writing, in a form that a machine checks and that stays."""
    await organised(channel)
    await new_tenant(channel)
    await DisclosureServiceStub(channel).CreateRecipient(creation(clock))

    found = await record(channel, role)

    form: Any = jsonschema.Draft202012Validator(SCHEMA)
    form.validate(found)
    with pytest.raises(jsonschema.ValidationError):
        form.validate({**found, "activities": [{}]})


@BOTH
async def test_record_names_who_answers(
    channel: grpc.aio.Channel, role: types_pb2.Role.ValueType
) -> None:
    """Art. 30(1)(a), (g), 30(2)(a), (d): name and contact, representative, officer, security."""
    await organised(channel)

    found = await record(channel, role)

    assert {
        "display_name": "Example Platform",
        "address": "1 Example Street, Paris",
        "contact_point": "privacy desk",
        "representative": "The representative",
        "data_protection_officer": "The officer",
        "supervisory_authority": "CNIL",
    } == found["organisation"]
    assert ("A key per person.", []) == (found["security_measures"], found["missing"])


@BOTH
async def test_each_processing_is_described(
    channel: grpc.aio.Channel, role: types_pb2.Role.ValueType
) -> None:
    """Art. 30(1)(b), (c), (f): every purpose, whose and which data, erased when."""
    stub = CatalogueServiceStub(channel)
    purposes = (await stub.ListPurposes(pb.ListPurposesRequest(role=role, page_size=1000))).purposes

    found = await record(channel, role)

    activities = {each["purpose"]: each for each in found["activities"]}
    categories = {each["category"] for each in found["categories"]}
    assert {each.name for each in purposes} == set(activities)
    for each in purposes:
        activity = activities[each.name]
        assert list(each.categories) == activity["categories"]
        assert categories >= set(activity["categories"])
        assert each.retention_rule == activity["time_limit"]["retention_rule"]
        assert activity["time_limit"]["months"] > 0
        assert activity["data_subjects"]
        assert activity["description"]


async def test_transfers_are_told_with_their_safeguards(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """Art. 30(1)(d), (e), 30(2)(c): recipients, third countries, and what makes it lawful there."""
    safeguard = disclosure_service_pb2.TRANSFER_SAFEGUARD_STANDARD_CONTRACTUAL_CLAUSES
    made = await DisclosureServiceStub(channel).CreateRecipient(
        creation(clock, country="US", safeguard=safeguard)
    )

    found = await record(channel, types_pb2.ROLE_PROCESSOR)
    ours = await record(channel, types_pb2.ROLE_CONTROLLER)

    name = made.recipient.name
    told = next(each for each in found["recipients"] if each["recipient"] == name)
    activity = next(each for each in found["activities"] if each["purpose"] == CUSTOMISE)
    assert ("US", True, "standard_contractual_clauses") == (
        told["country"],
        told["is_third_country"],
        told["safeguard"],
    )
    assert name in activity["recipients"]
    # It gets End-Users' data only, so the controller's record doesn't name it.
    assert name not in {each["recipient"] for each in ours["recipients"]}


async def test_processor_names_each_controller(channel: grpc.aio.Channel) -> None:
    """Art. 30(2)(a): on whose behalf, with that controller's officer; 28(3)(a): as instructed."""
    tenant, other = await new_tenant(channel), await new_tenant(channel)
    await AssistanceServiceStub(channel).SetContact(
        assistance.SetContactRequest(
            parent=tenant,
            contact=assistance.Contact(
                side=assistance.SIDE_TENANT,
                function=assistance.CONTACT_FUNCTION_DATA_PROTECTION_OFFICER,
                display_name="Their officer",
                address="dpo@example.org",
            ),
            request_id=new_id(),
        )
    )
    await instruct(channel, tenant)

    found = await record(channel, types_pb2.ROLE_PROCESSOR)
    one = await record(channel, types_pb2.ROLE_PROCESSOR, tenant)
    ours = await record(channel, types_pb2.ROLE_CONTROLLER)

    assert {tenant, other} <= {each["tenant"] for each in found["controllers"]}
    assert [tenant] == [each["tenant"] for each in one["controllers"]]
    assert [
        {
            "function": "data-protection-officer",
            "display_name": "Their officer",
            "address": "dpo@example.org",
        }
    ] == one["controllers"][0]["contacts"]
    assert 1 == len(one["controllers"][0]["instructed_categories"])
    assert [] == ours["controllers"]


async def test_page_stands_alone_and_is_escaped(channel: grpc.aio.Channel) -> None:
    """What anybody wrote into the catalogue is text on the page, in the language asked for."""
    marked = purpose(f"purposes/{new_id('marked')}", title=MARKUP)
    await apply(channel, await approved(channel, marked))

    html = (
        await export(
            channel,
            role=types_pb2.ROLE_PROCESSOR,
            format=pb.DOCUMENT_FORMAT_HTML,
            locale="fr-CA",
        )
    ).decode()

    assert html.startswith('<!DOCTYPE html><html lang="fr">')
    assert "<h1>Registre des activités de traitement</h1>" in html
    assert "&lt;script&gt;" in html
    for loaded in ("<script", "src=", "href="):
        assert loaded not in html


async def test_unknown_tenant_and_form_are_refused(channel: grpc.aio.Channel) -> None:
    """Nothing is exported about who isn't there, or in no form."""
    told = await refused(record(channel, types_pb2.ROLE_PROCESSOR, "tenants/nobody"))
    formless = await refused(export(channel, role=types_pb2.ROLE_PROCESSOR))

    assert ("TENANT_NOT_FOUND", "FIELD_INVALID") == (told.reason, formless.reason)
