"""DirectiveService: what is recorded in life, and what becomes of it after death."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from pymongo import AsyncMongoClient

from privacyrights.v1 import directive_service_pb2 as pb
from privacyrights.v1 import subject_rights_service_pb2 as rights_pb
from privacyrights.v1 import types_pb2
from server.compose import App
from server.settings import Settings
from tests.rpc.directing import (
    COMMUNICATE,
    ERASE,
    KEEP,
    WHY,
    change,
    died,
    directives,
    revoke,
    told,
    want,
)
from tests.rpc.exercising import (
    ACCESS,
    ACCOUNT,
    ERASURE,
    ask,
    document,
    execute,
    exercise,
    get,
    known,
)
from tests.rpc.kept import ledger, put
from tests.rpc.people import end_user, new_id, new_tenant, own_user, refused

LIVING = rights_pb.REQUESTER_CAPACITY_SUBJECT
CANARY = "Cousin Canary 4711"


async def listed(
    channel: grpc.aio.Channel, subject: types_pb2.Subject, **fields: Any
) -> pb.ListDirectivesResponse:
    """List the directives of *subject*."""
    given: dict[str, Any] = {"subject": subject, "reason": WHY, **fields}
    return await directives(channel).ListDirectives(pb.ListDirectivesRequest(**given))


@pytest.mark.parametrize("who", [own_user, end_user])
async def test_words_are_given_to_who_says_why(channel: grpc.aio.Channel, who: Any) -> None:
    """A directive is told whole to a reader with a reason, and without its words to a writer."""
    subject = await known(channel, who)

    recorded = await want(
        channel, subject, COMMUNICATE, beneficiary=CANARY, designated_person="A friend"
    )
    found = await told(channel, recorded.name)

    assert ("", "") == (recorded.beneficiary, recorded.designated_person)
    assert (CANARY, "A friend") == (found.beneficiary, found.designated_person)
    assert (pb.DIRECTIVE_STATE_STANDING, recorded.etag) == (found.state, found.etag)


async def test_reading_is_in_the_ledger_first(app: App, channel: grpc.aio.Channel) -> None:
    """Each reading is an entry with its reason; a reason with the person's id is refused."""
    subject = await known(channel)
    name = (await want(channel, subject, ERASE)).name

    await told(channel, name)
    await listed(channel, subject)
    read = [e for e in await ledger(app.ports, subject.tenant) if e.type.startswith("directive.")]

    assert ["directive.recorded", "directive.read", "directive.listed"] == [e.type for e in read]
    assert ["", WHY, WHY] == [e.reason for e in read]
    personal = f"for {subject.subject_id}"
    assert ("reason",) == (await refused(told(channel, name, personal))).fields
    assert ("reason",) == (await refused(listed(channel, subject, reason=personal))).fields


async def test_later_one_replaces_the_same(channel: grpc.aio.Channel) -> None:
    """A general directive replaces the general one, a particular one that of its categories."""
    subject = await known(channel)
    account = ["categories/account"]
    made = [
        await want(channel, subject, ERASE),
        await want(channel, subject, KEEP, categories=account),
        await want(channel, subject, KEEP),
    ]

    standing = await listed(channel, subject, states=[pb.DIRECTIVE_STATE_STANDING])

    assert {made[1].name, made[2].name} == {each.name for each in standing.directives}
    replaced = await told(channel, made[0].name)
    assert pb.DIRECTIVE_STATE_REPLACED == replaced.state
    assert replaced.HasField("revoke_time")


async def test_change_keeps_what_the_mask_leaves(channel: grpc.aio.Channel) -> None:
    """A change touches what it names; a beneficiary goes when nothing is communicated any more."""
    subject = await known(channel)
    first = await want(
        channel, subject, COMMUNICATE, beneficiary=CANARY, designated_person="A friend"
    )

    await change(channel, first.name, "designated_person", designated_person="Another")
    between = await told(channel, first.name)
    await change(channel, first.name, "action", action=ERASE)
    after = await told(channel, first.name)

    assert (CANARY, "Another") == (between.beneficiary, between.designated_person)
    assert (ERASE, "", "Another") == (after.action, after.beneficiary, after.designated_person)
    stale = change(channel, first.name, "action", action=KEEP, etag=first.etag)
    assert "ETAG_MISMATCH" == (await refused(stale)).reason


async def test_every_wrong_field_is_told(channel: grpc.aio.Channel) -> None:
    """What doesn't fit together, or the role, is refused, by field, and never echoed."""
    subject = await known(channel)
    wrong = {
        ("directive.beneficiary",): want(channel, subject, COMMUNICATE),
        ("directive.beneficiary", "directive.keep_until_date"): want(
            channel, subject, ERASE, beneficiary=CANARY, keep_until_date="2030-01-01"
        ),
        ("directive.categories[0]",): want(
            channel, subject, ERASE, categories=["categories/profile"]
        ),
        ("directive.categories",): want(
            channel, subject, ERASE, categories=["categories/account"] * 2
        ),
        ("requester.capacity", "requester.evidence_digest"): died(
            channel,
            subject,
            requester=rights_pb.Requester(capacity=LIVING),
        ),
    }

    for fields, call in wrong.items():
        refusal = await refused(call)
        assert fields == refusal.fields
        assert CANARY not in str(refusal)
    unknown = want(channel, subject, ERASE, categories=["categories/nothing"])
    assert "CATEGORY_NOT_FOUND" == (await refused(unknown)).reason
    other = (await want(channel, subject, ERASE)).name.replace(subject.tenant, "tenants/other")
    assert "DIRECTIVE_NOT_FOUND" == (await refused(told(channel, other))).reason


async def test_repeat_is_harmless(channel: grpc.aio.Channel) -> None:
    """A repeat returns the first outcome, and reuse for something else is refused."""
    subject, id = await known(channel), new_id()

    first = await want(channel, subject, ERASE, request_id=id)
    second = await want(channel, subject, ERASE, request_id=id)

    assert first == second
    reused = want(channel, subject, KEEP, request_id=id)
    assert "REQUEST_ID_REUSED" == (await refused(reused)).reason
    death = new_id()
    assert await died(channel, subject, request_id=death) == await died(
        channel, subject, request_id=death
    )


async def test_pages(channel: grpc.aio.Channel) -> None:
    """Pages make up the list; a token of another list is refused."""
    subject = await known(channel)
    for _ in range(2):
        await want(channel, subject, ERASE)
    first = await listed(channel, subject, page_size=1)

    second = await listed(channel, subject, page_size=1, page_token=first.next_page_token)

    assert not second.next_page_token
    assert first.directives[0].name != second.directives[0].name
    bad = listed(channel, subject, page_token=first.next_page_token, states=[1])
    assert "PAGE_TOKEN_INVALID" == (await refused(bad)).reason


async def test_part_is_erased_and_the_rest_kept(channel: grpc.aio.Channel) -> None:
    """An ERASE beside a particular KEEP deletes what isn't kept, and nothing else."""
    subject = await known(channel)
    for key in ("home", "office"):
        place = {"purpose": ACCOUNT[0], "category": "categories/billing", "key": key}
        await put(channel, subject, {"address": "1 Road"}, **place)
    erase = await want(channel, subject, ERASE)
    keep = await want(channel, subject, KEEP, categories=["categories/account"])

    effect = await died(channel, subject)
    (name,) = effect.rights_requests
    done = await execute(channel, name)

    assert pb.DIRECTIVE_STATE_CARRIED_OUT == (await told(channel, erase.name)).state
    assert pb.DIRECTIVE_STATE_ACTIVE == (await told(channel, keep.name)).state
    assert "categories/account" not in done.categories
    assert (2, erase.name) == (done.outcomes[0].record_count, done.directive)
    answer = await document(channel, (await exercise(channel, subject, ACCESS)).name)
    assert ["categories/account"] == [each["category"] for each in answer["records"]]


async def test_access_tells_directives_with_history(channel: grpc.aio.Channel) -> None:
    """The answer to an access request has every state of every directive, with its words."""
    subject = await known(channel)
    name = (await want(channel, subject, COMMUNICATE, beneficiary=CANARY)).name
    await change(channel, name, "beneficiary", beneficiary="Somebody else")
    await revoke(channel, name)

    answer = await document(channel, (await exercise(channel, subject, ACCESS)).name)

    assert [
        (1, CANARY, "standing"),
        (2, "Somebody else", "standing"),
        (3, "Somebody else", "revoked"),
    ] == [(each["version"], each["beneficiary"], each["state"]) for each in answer["directives"]]


async def test_nothing_is_readable_after_erasure(
    channel: grpc.aio.Channel, settings: Settings
) -> None:
    """Names are ciphertext while they are kept, and after an erasure nobody can read them."""
    subject = await known(channel)
    name = (await want(channel, subject, COMMUNICATE, beneficiary=CANARY)).name
    assert settings.mongo_uri is not None
    async with AsyncMongoClient[dict[str, Any]](settings.mongo_uri.get_secret_value()) as client:
        database = client[settings.database]
        for collection in await database.list_collection_names():
            async for each in database[collection].find():
                assert CANARY not in str(each), collection
                assert CANARY.encode() not in repr(each).encode(), collection

    await exercise(channel, subject, ERASURE)

    assert not (await told(channel, name)).beneficiary
    late = change(channel, name, "beneficiary", beneficiary="Somebody else")
    assert "SUBJECT_ERASED" == (await refused(late)).reason
    assert "SUBJECT_ERASED" == (await refused(died(channel, subject))).reason


async def test_after_death_nothing_changes(channel: grpc.aio.Channel) -> None:
    """Once the death is recorded, directives are neither recorded nor changed nor revoked."""
    subject = await known(channel)
    name = (await want(channel, subject, ERASE)).name
    await died(channel, subject)

    late = [
        want(channel, subject, KEEP),
        change(channel, name, "action", action=KEEP),
        revoke(channel, name),
        died(channel, subject),
    ]

    assert ["ILLEGAL_TRANSITION"] * 4 == [(await refused(call)).reason for call in late]


async def test_communication_comes_from_directives_only(channel: grpc.aio.Channel) -> None:
    """Nobody asks for a communication who has no directive."""
    subject = await known(channel)

    asked = ask(channel, subject, rights_pb.RIGHTS_REQUEST_KIND_COMMUNICATION)

    assert ("kind",) == (await refused(asked)).fields


async def test_tenant_decides_about_end_users(channel: grpc.aio.Channel) -> None:
    """A directive of an end-user is carried out on the tenant's instruction only."""
    subject = await known(channel, end_user)
    name = (await want(channel, subject, ERASE)).name
    (request,) = (await died(channel, subject)).rights_requests

    refusal = await refused(execute(channel, request))

    assert "CONTROLLER_NOT_AUTHORISED" == refusal.reason
    assert pb.DIRECTIVE_STATE_ACTIVE == (await told(channel, name)).state
    assert rights_pb.REQUESTER_CAPACITY_HEIR == (await get(channel, request)).requester.capacity


async def test_unknown_people(channel: grpc.aio.Channel) -> None:
    """Nobody who isn't known has directives, or dies."""
    nobody = own_user(await new_tenant(channel))

    calls = [want(channel, nobody, ERASE), listed(channel, nobody), died(channel, nobody)]

    assert ["SUBJECT_NOT_FOUND"] * 3 == [(await refused(call)).reason for call in calls]
