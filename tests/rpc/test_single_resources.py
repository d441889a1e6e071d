"""What has a name can be read by it; by another tenant's, it is as if there were no such thing."""

from __future__ import annotations

import grpc
import pytest
from google.protobuf.json_format import MessageToDict

from server.compose import App
from tests.rpc.cases import CASES
from tests.rpc.contract import methods
from tests.rpc.people import REASON, new_id
from tests.rpc.wire import refused, responses
from tests.rpc.world import CANARY, Json, World, message

SHOWN: dict[str, tuple[str, str, Json]] = {
    "AssistanceService/GetContact": (
        "contact",
        "AssistanceService/ListContacts",
        {"reason": REASON},
    ),
    "BreachService/GetNotice": (
        "notice",
        "BreachService/ListNotices",
        {"role": "ROLE_PROCESSOR"},
    ),
    "CatalogueService/GetInstruction": (
        "instruction",
        "CatalogueService/ListInstructions",
        {"reason": REASON},
    ),
    "TenantService/GetChatbot": ("chatbot", "TenantService/ListChatbots", {}),
}
"""Method → the field of its answer, the list that has the same, and what else that takes."""

OF_TENANTS = sorted(
    rpc
    for rpc in CASES
    if rpc.partition("/")[2].startswith("Get")
    and "name" in methods()[rpc].request.DESCRIPTOR.fields_by_name
)
"""Methods that read one thing by its name; which of them belong to a tenant, the name tells."""


@pytest.fixture(scope="module")
async def world(app: App, channel: grpc.aio.Channel) -> World:  # noqa: ARG001 – it answers
    """Return a world with one of everything."""
    return await World(channel).make()


@pytest.mark.parametrize("rpc", SHOWN)
async def test_it_is_what_the_list_has(world: World, rpc: str) -> None:
    """A list and the method that reads one thing tell the same of it."""
    field, list_rpc, more = SHOWN[rpc]
    request = await CASES[rpc](world)

    found = (await world.call(rpc, request))[field]
    (listed,) = [
        one
        for one in (await world.call(list_rpc, {"parent": world.tenant, **more}))[f"{field}s"]
        if one["name"] == request["name"]
    ]

    assert request["name"] == found["name"]
    assert listed == found


async def test_a_disclosure_is_read_with_a_reason(world: World) -> None:
    """It is what the list has, and the ledger tells of the reading, with the reason stated."""
    request = await CASES["DisclosureService/GetDisclosure"](world)

    read = await world.call("DisclosureService/GetDisclosure", request)
    listed = await world.call(
        "DisclosureService/ListDisclosures", {"subject": world.end_user, "reason": "the same"}
    )
    entries = await world.call("AuditService/ListLedgerEntries", {"parent": world.tenant})

    assert read["disclosure"] in listed["disclosures"]
    told = {entry["name"]: entry for entry in entries["entries"]}
    noted = [told[answer["ledger_entry"]] for answer in (read, listed)]
    assert ["disclosure.read", "disclosure.listed"] == [entry["type"] for entry in noted]
    assert ["support case", "the same"] == [entry["reason"] for entry in noted]
    assert request["name"] == noted[0]["target"]


async def test_nothing_is_disclosed_without_a_reason(
    channel: grpc.aio.Channel, world: World
) -> None:
    """A reason is stated, and names neither the person nor anybody's address."""
    for rpc, request in (
        ("DisclosureService/GetDisclosure", {"name": await world.disclosure()}),
        ("DisclosureService/ListDisclosures", {"subject": world.end_user}),
    ):
        method = methods()[rpc]
        for reason in ("", f"asked by {CANARY}@example.org"):
            encoded = message(method, {**request, "reason": reason}).SerializeToString()
            told = await refused(channel, method.path, encoded)
            assert ("FIELD_INVALID", ("reason",)) == (told.reason, told.fields)


async def test_a_deleted_contact_is_gone(channel: grpc.aio.Channel, world: World) -> None:
    """A contact that was deleted is in no list, and can be set anew."""
    name = await world.contact()

    await world.call("AssistanceService/DeleteContact", {"name": name})
    get = methods()["AssistanceService/GetContact"]
    gone = await refused(
        channel, get.path, message(get, {"name": name, "reason": REASON}).SerializeToString()
    )
    listed = await world.call(
        "AssistanceService/ListContacts", {"parent": world.tenant, "reason": REASON}
    )
    again = await world.contact()

    assert ("NOT_FOUND", "CONTACT_NOT_FOUND") == (gone.code, gone.reason)
    assert name not in {contact["name"] for contact in listed.get("contacts", ())}
    assert name == again


async def test_counts_of_a_sweep_come_in_pages(world: World) -> None:
    """A sweep's counts are listed by tenant, and those of one tenant can be asked for."""
    sweep = (await world.sweep())["name"]

    listed = await world.call("RetentionService/ListSweepCounts", {"parent": sweep})
    others = await world.call(
        "RetentionService/ListSweepCounts", {"parent": sweep, "tenant": world.other}
    )

    (count,) = listed["sweep_counts"]
    assert world.tenant == count["tenant"]
    assert 1 <= int(count["due_count"])
    assert {} == others


@pytest.mark.parametrize("rpc", OF_TENANTS)
async def test_another_tenants_thing_is_as_if_it_were_not(
    channel: grpc.aio.Channel, world: World, rpc: str
) -> None:
    """Asked for under another tenant, and one that never was, get the same answer."""
    request = await CASES[rpc](world)
    method = methods()[rpc]
    if not request["name"].startswith(f"{world.tenant}/"):
        return
    collection, id = request["name"].split("/")[2:]
    missing = f"{world.other}/{collection}/{id[:-3]}zzz"

    answers = [
        await refused(
            channel, method.path, message(method, {**request, "name": name}).SerializeToString()
        )
        for name in (f"{world.other}/{collection}/{id}", missing)
    ]

    assert "NOT_FOUND" == answers[0].code
    assert answers[0] == answers[1]


async def test_rule_is_read_by_its_name(channel: grpc.aio.Channel, world: World) -> None:
    """A retention rule is read like the catalogue's other things; one that there isn't is not."""
    get = methods()["CatalogueService/GetRetentionRule"]

    found = await world.call(get.rpc, {"name": "retentionRules/end_user_24_months"})
    missing = message(get, {"name": f"retentionRules/{new_id('rule')}"}).SerializeToString()
    told = await refused(channel, get.path, missing)

    assert 24 == found["retention_rule"]["months"]
    assert ("NOT_FOUND", "RETENTION_RULE_NOT_FOUND") == (told.code, told.reason)
    later = message(get, {"name": "retentionRules/end_user_24_months", "version": 99})
    never = await refused(channel, get.path, later.SerializeToString())
    assert "RETENTION_RULE_NOT_FOUND" == never.reason


async def test_what_is_left_empty_is_empty(channel: grpc.aio.Channel, world: World) -> None:
    """The page on what is built is right about a notice: nothing tells of an escalation yet."""
    get = methods()["BreachService/GetNotice"]
    encoded = message(get, await CASES[get.rpc](world)).SerializeToString()

    (answer,) = await responses(channel, get.path, encoded)
    found = MessageToDict(get.response.FromString(answer), preserving_proto_field_name=True)

    assert {"escalation_level", "escalate_time", "superseded_by"}.isdisjoint(found["notice"])
    assert "NOTICE_STAGE_FIRST" == found["notice"]["stage"]
    assert found["notice"]["authority_due_time"] > found["notice"]["create_time"]
