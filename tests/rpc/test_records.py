"""RecordsService over a real channel: what is kept and deleted, one at a time, and of whom."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from privacyrights.v1 import records_service_pb2 as pb
from server.compose import App
from server.domain.change import Change
from server.domain.clock import SteppingClock
from server.domain.subjects import Subjects, saved
from tests.rpc.kept import (
    CALL,
    NAME,
    OPTIMISE,
    PROFILE,
    SESSION,
    contents,
    erase,
    everything,
    ledger,
    put,
    put_request,
    read,
    stored,
    struct,
    stub,
    subject_id,
)
from tests.rpc.people import end_user, grant, new_id, new_tenant, own_user, refused, withdraw

CUSTOMISE = "purposes/customise_messages"

# What is wrong with a record of the profile → reason, and the fields that are named.
REFUSALS: dict[str, tuple[dict[str, Any], str, tuple[str, ...]]] = {
    "undeclared": ({"shoe_size": 42}, "FIELD_NOT_IN_CATEGORY", ("record.fields[shoe_size]",)),
    "a name that is somebody's": (
        {"Ada Lovelace, +33 6 12 34": 1},
        "FIELD_NOT_IN_CATEGORY",
        ("record.fields",),
    ),
    "another type": ({"name": 42}, "FIELD_TYPE_MISMATCH", ("record.fields[name]",)),
    "too large": ({"name": "x" * 399}, "FIELD_TYPE_MISMATCH", ("record.fields[name]",)),
    "null": ({"name": None}, "FIELD_TYPE_MISMATCH", ("record.fields[name]",)),
    "empty": ({}, "FIELD_INVALID", ("record.fields",)),
}

# What is wrong with the purpose or category → code and reason.
FORBIDDEN: dict[str, tuple[dict[str, Any], str, str]] = {
    "no such purpose": ({"purpose": "purposes/none"}, "NOT_FOUND", "PURPOSE_NOT_FOUND"),
    "no such category": ({"category": "categories/none"}, "NOT_FOUND", "CATEGORY_NOT_FOUND"),
    "the other role's purpose": (
        {"purpose": "purposes/manage_relationship"},
        "FAILED_PRECONDITION",
        "PURPOSE_ROLE_MISMATCH",
    ),
    "a category that the purpose doesn't need": (
        {"purpose": "purposes/resolve_problems"},
        "FAILED_PRECONDITION",
        "CATEGORY_NOT_IN_PURPOSE",
    ),
    "no consent": ({"purpose": CUSTOMISE}, "PERMISSION_DENIED", "PROCESSING_NOT_ALLOWED"),
}


def later(clock: SteppingClock) -> Timestamp:
    """Return the time of *clock* after a second."""
    message = Timestamp()
    message.FromDatetime(clock.advance(timedelta(seconds=1)))
    return message


@pytest.mark.parametrize(
    ("who", "purpose", "category", "fields"),
    [
        (end_user, OPTIMISE, PROFILE, {"name": "Ada Lovelace", "locale": "fr"}),
        (
            own_user,
            "purposes/manage_relationship",
            "categories/account",
            {"name": "Grace Hopper", "email": "grace@example.org"},
        ),
    ],
)
async def test_what_is_put_is_read(
    channel: grpc.aio.Channel, who: Any, purpose: str, category: str, fields: dict[str, str]
) -> None:
    """In both roles, a purpose gets back what was recorded for it."""
    subject = who(await new_tenant(channel))

    kept = await put(channel, subject, fields, purpose=purpose, category=category)
    response = await read(channel, subject, purpose=purpose)

    assert [fields] == contents(response)
    assert (category, purpose, "default") == (
        response.records[0].category,
        response.records[0].purpose,
        response.records[0].key,
    )
    assert kept.record_time == response.records[0].create_time == response.records[0].update_time
    assert 1 == kept.generation


async def test_every_type_of_field_comes_back_as_it_was(channel: grpc.aio.Channel) -> None:
    """Text, numbers, times and nested JSON survive being sealed."""
    subject = end_user(await new_tenant(channel))
    session = {"start_time": "2026-03-01T10:00:00.5+01:00", "duration_seconds": 0.25}
    reply: dict[str, Any] = {
        "answer": "oui – 你好",
        "attributes": {"list": [1, 2.5, None, True, {"a": ""}]},
    }

    await put(channel, subject, session, category=SESSION)
    await put(channel, subject, reply, category="categories/quick_reply")

    assert [reply, session] == await everything(channel, subject)


async def test_a_second_put_replaces(channel: grpc.aio.Channel, clock: SteppingClock) -> None:
    """The same category and key: the newest data, with the time of the first."""
    subject = end_user(await new_tenant(channel))
    first = await put(channel, subject, {"name": "Ada", "locale": "en"})
    clock.advance(timedelta(minutes=1))

    second = await put(channel, subject, {"name": "Augusta"})
    await put(channel, subject, {"name": "Other"}, key="another")
    response = await read(channel, subject)

    assert [{"name": "Other"}, {"name": "Augusta"}] == contents(response)
    assert first.record_time == response.records[1].create_time
    assert second.record_time == response.records[1].update_time


@pytest.mark.parametrize("wrong", REFUSALS)
async def test_fields_are_held_to_the_category(
    app: App, channel: grpc.aio.Channel, wrong: str
) -> None:
    """A record that breaks a rule is refused by field and rule, without a value, and unkept."""
    tenant = await new_tenant(channel)
    before = len(await ledger(app.ports, tenant))
    fields, reason, paths = REFUSALS[wrong]

    found = await refused(put(channel, end_user(tenant), fields))

    assert ("INVALID_ARGUMENT", reason, paths) == (found.code, found.reason, found.fields)
    assert "Lovelace" not in str(found)
    assert before == len(await ledger(app.ports, tenant))


async def test_required_fields_must_be_there(channel: grpc.aio.Channel) -> None:
    """Each field that the category requires and the record lacks is named."""
    subject = own_user(await new_tenant(channel))
    account = {"purpose": "purposes/manage_relationship", "category": "categories/account"}

    found = await refused(put(channel, subject, {"name": "Grace"}, **account))

    assert ("FIELD_INVALID", ("record.fields[email]",)) == (found.reason, found.fields)


@pytest.mark.parametrize("wrong", FORBIDDEN)
async def test_no_purpose_no_record(app: App, channel: grpc.aio.Channel, wrong: str) -> None:
    """Without a purpose that is allowed and needs the category, nothing is kept."""
    tenant = await new_tenant(channel)
    before = len(await ledger(app.ports, tenant))
    named, code, reason = FORBIDDEN[wrong]

    found = await refused(put(channel, end_user(tenant), **named))

    assert (code, reason) == (found.code, found.reason)
    assert before == len(await ledger(app.ports, tenant))


async def test_consent_opens_and_its_withdrawal_closes(channel: grpc.aio.Channel) -> None:
    """A purpose that rests on consent takes and gives data while the consent stands."""
    subject = end_user(await new_tenant(channel))
    await grant(channel, subject, CUSTOMISE)
    await put(channel, subject, purpose=CUSTOMISE)
    allowed = await everything(channel, subject, purpose=CUSTOMISE)
    await withdraw(channel, subject, CUSTOMISE)

    writing = await refused(put(channel, subject, purpose=CUSTOMISE))
    reading = await refused(read(channel, subject, purpose=CUSTOMISE))

    assert [NAME] == allowed
    assert {"verdict_reasons": "CONSENT_WITHDRAWN"} == writing.metadata == reading.metadata
    assert "PROCESSING_NOT_ALLOWED" == writing.reason == reading.reason


async def test_a_repeat_is_told_the_first_outcome(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """The same call again, later and at once, writes nothing; another content is refused."""
    tenant = await new_tenant(channel)
    subject = end_user(tenant)
    request = put_request(subject)
    first = await stub(channel).PutRecord(request)
    clock.advance(timedelta(hours=1))
    entries = [entry.id for entry in await ledger(app.ports, tenant)]

    again = await asyncio.gather(*(stub(channel).PutRecord(request) for _ in range(5)))
    other = await refused(put(channel, subject, {"name": "Eve"}, request_id=request.request_id))

    assert {first.record_time.ToNanoseconds()} == {r.record_time.ToNanoseconds() for r in again}
    assert "REQUEST_ID_REUSED" == other.reason
    # By their ids: the sequencer gives them their places meanwhile.
    assert entries == [entry.id for entry in await ledger(app.ports, tenant)]


async def test_deleting(app: App, channel: grpc.aio.Channel) -> None:
    """A deleted record is gone, a repeat is told so once more, and others stay."""
    tenant = await new_tenant(channel)
    subject = end_user(tenant)
    await put(channel, subject)
    await put(channel, subject, {"name": "Other"}, key="other")
    request = pb.DeleteRecordRequest(subject=subject, category=PROFILE, request_id=new_id())

    await stub(channel).DeleteRecord(request)
    repeated = await stub(channel).DeleteRecord(request)
    request.request_id = new_id()
    missing = await refused(stub(channel).DeleteRecord(request))

    assert repeated.consistency_token
    assert ("NOT_FOUND", "RECORD_NOT_FOUND") == (missing.code, missing.reason)
    assert [{"name": "Other"}] == await everything(channel, subject)
    assert 1 == sum(entry.type == "record.deleted" for entry in await ledger(app.ports, tenant))


async def test_people_of_others_are_unknown(channel: grpc.aio.Channel) -> None:
    """Another tenant's person, and the same id in the other role, are nobody."""
    mine, other = await new_tenant(channel), await new_tenant(channel)
    await put(channel, end_user(mine, "shared"))

    reading = await refused(read(channel, end_user(other, "shared")))
    looking = await refused(
        stub(channel).GetSubject(pb.GetSubjectRequest(subject=own_user(mine, "shared")))
    )
    deleting = await refused(
        stub(channel).DeleteRecord(
            pb.DeleteRecordRequest(
                subject=end_user(other, "shared"), category=PROFILE, request_id=new_id()
            )
        )
    )
    nowhere = await refused(put(channel, end_user("tenants/nowhere")))

    assert ("SUBJECT_NOT_FOUND", "SUBJECT_NOT_FOUND") == (reading.reason, looking.reason)
    assert "RECORD_NOT_FOUND" == deleting.reason
    assert ("NOT_FOUND", "TENANT_NOT_FOUND") == (nowhere.code, nowhere.reason)


async def test_registering(channel: grpc.aio.Channel) -> None:
    """A registered person is known, once, under a reference that isn't the id."""
    subject = end_user(await new_tenant(channel))
    unknown = await refused(stub(channel).GetSubject(pb.GetSubjectRequest(subject=subject)))

    registered = await stub(channel).RegisterSubject(
        pb.RegisterSubjectRequest(subject=subject, request_id=new_id())
    )
    again = await stub(channel).RegisterSubject(
        pb.RegisterSubjectRequest(subject=subject, request_id=new_id())
    )
    found = await stub(channel).GetSubject(pb.GetSubjectRequest(subject=subject))

    assert "SUBJECT_NOT_FOUND" == unknown.reason
    assert registered.subject == again.subject == found.subject
    assert (22, 1, False) == (
        len(found.subject.reference),
        found.subject.generation,
        found.subject.restricted,
    )


async def test_an_erased_person_comes_back_by_signing_up_only(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """Nothing is kept, read or deleted after an erasure, until a later sign-up; it starts empty."""
    subject = end_user(await new_tenant(channel))
    await put(channel, subject)
    await erase(app.ports, subject)
    delete = pb.DeleteRecordRequest(subject=subject, category=PROFILE, request_id=new_id())
    register = pb.RegisterSubjectRequest(subject=subject, request_id=new_id())

    dead = [
        await refused(call)
        for call in (
            put(channel, subject),
            read(channel, subject),
            stub(channel).DeleteRecord(delete),
            stub(channel).RegisterSubject(register),
        )
    ]
    tombstone = await stub(channel).GetSubject(pb.GetSubjectRequest(subject=subject))
    register.request_id = new_id()
    register.event_time.CopyFrom(later(clock))
    reborn = await stub(channel).RegisterSubject(register)

    assert {"SUBJECT_ERASED"} == {found.reason for found in dead}
    assert tombstone.subject.HasField("erase_time")
    assert (2, False) == (reborn.subject.generation, reborn.subject.HasField("erase_time"))
    assert [] == await everything(channel, subject)
    late = await refused(put(channel, end_user(subject.tenant, subject.subject_id, generation=1)))
    assert ("SUBJECT_ERASED", {"generation": "2"}) == (late.reason, late.metadata)


async def test_restricted_data_is_only_stored(app: App, channel: grpc.aio.Channel) -> None:
    """While it is restricted, data is neither added to nor used, and not deleted either."""
    subject = end_user(await new_tenant(channel))
    await put(channel, subject)
    found = await Subjects(app.ports).require(CALL, subject_id(subject))
    restricted = replace(found, version=found.version + 1, restriction="disputed")
    await app.ports.committer.commit(Change((saved(restricted),), ()), type(None))
    delete = pb.DeleteRecordRequest(subject=subject, category=PROFILE, request_id=new_id())

    calls = (put(channel, subject), read(channel, subject), stub(channel).DeleteRecord(delete))
    told = [(await refused(call)).metadata for call in calls]

    assert [{"verdict_reasons": "RESTRICTION"}] * 3 == told
    assert 1 == len(await stored(app.ports, subject))


async def test_a_key_is_nobodys_id(channel: grpc.aio.Channel) -> None:
    """The subject's id as a key would be kept in clear; the value of every field must be set."""
    subject = end_user(await new_tenant(channel), "ada")
    unset = put_request(subject)
    unset.record.fields.CopyFrom(struct({}))
    unset.record.fields.fields["name"].Clear()

    found = await refused(put(channel, subject, key="ada"))

    assert ("record.key",) == found.fields
    assert ("record.fields",) == (await refused(stub(channel).PutRecord(unset))).fields
