"""AuditService.OpenCommitment over a real channel: every entry of a whole world, opened."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any, cast

import grpc
import pytest
import rfc8785
from bson import BSON
from pymongo import AsyncMongoClient

from privacyrights.v1 import audit_service_pb2 as pb
from privacyrights.v1.audit_service_pb2_grpc import AuditServiceStub
from server.compose import App
from server.domain.clock import SteppingClock
from server.domain.ledger.commitment import CONTENTS, NOTHING
from server.settings import Settings
from tests.rpc.cases import CASES
from tests.rpc.contract import methods
from tests.rpc.exercising import ERASURE, exercise
from tests.rpc.kept import put
from tests.rpc.people import end_user, grant, new_id, new_tenant, refused
from tests.rpc.recipients import at
from tests.rpc.refusal import refusal
from tests.rpc.wire import responses
from tests.rpc.world import CANARY, World, message

CUSTOMISE = "purposes/customise_messages"
REPLY = "categories/quick_reply"
OPTIMISE = "purposes/optimise_interactions"

NOTHING_KEPT = {"record.deleted"}
"""Of these nothing is kept that could be shown."""


@dataclass(frozen=True)
class Opening:
    """An entry, and what opened it."""

    entry: pb.LedgerEntry
    salt: bytes
    content: bytes

    @property
    def is_shown(self) -> bool:
        """Whether there is a content, and it is what the entry commits to."""
        return sha256(self.salt + self.content).digest() == self.entry.commitment


async def entries(channel: grpc.aio.Channel, parent: str, **fields: Any) -> list[pb.LedgerEntry]:
    """Return all entries of a log, newest first; *fields* are others of the request."""
    stub = AuditServiceStub(channel)
    request = pb.ListLedgerEntriesRequest(parent=parent, page_size=1000, **fields)
    found: list[pb.LedgerEntry] = []
    while True:
        page = await stub.ListLedgerEntries(request)
        found += page.entries
        if not page.next_page_token:
            return found
        request.page_token = page.next_page_token


async def opened(
    channel: grpc.aio.Channel, name: str, reason: str = "a complaint"
) -> pb.OpenCommitmentResponse:
    """Open the commitment of an entry."""
    return await AuditServiceStub(channel).OpenCommitment(
        pb.OpenCommitmentRequest(entry=name, reason=reason)
    )


@pytest.fixture(scope="module")
async def world(app: App, channel: grpc.aio.Channel) -> World:
    """Return a world in which every method that is built has been called."""
    made = await World(channel).make()
    for rpc, case in CASES.items():
        method = methods()[rpc]
        if method.is_built and not method.is_endless:
            request = message(method, await case(made))
            await responses(channel, method.path, request.SerializeToString())
    await what_no_case_does(made)
    await what_stands(made, cast("SteppingClock", app.ports.clock))
    return made


async def what_stands(world: World, clock: SteppingClock) -> None:
    """Have somebody object and restrict, and take both back."""
    subject = await world.person("CONTROLLER")
    told = {"kind": "SUBJECT_NOTICE_KIND_LIFTING", "channel": "DELIVERY_CHANNEL_POST"}
    for kind, fields in {
        "OBJECTION": {},
        "WITHDRAWAL_OF_OBJECTION": {},
        "RESTRICTION": {"restriction_ground": "RESTRICTION_GROUND_LEGAL_CLAIMS"},
        "LIFTING_OF_RESTRICTION": {
            "lift_time": f"{clock.now() + timedelta(seconds=1):%Y-%m-%dT%H:%M:%S.%fZ}"
        },
    }.items():
        name = await world.request(kind, subject=subject, **fields)
        if kind == "LIFTING_OF_RESTRICTION":
            given = {"name": name, "subject_notice": told}
            await world.call("SubjectRightsService/RecordSubjectNotice", given)
            clock.advance(timedelta(seconds=1))
        await world.call("SubjectRightsService/ExecuteRightsRequest", {"name": name})


async def what_no_case_does(world: World) -> None:
    """Have those entries written that no case of `CASES` leads to."""
    await world.call(
        "ConsentService/RecordConsent",
        {"subject": world.somebody(), "purpose": CUSTOMISE, "choice": "CONSENT_CHOICE_REFUSED"},
    )
    await world.call(
        "AssistanceService/ReplyToInquiry",
        {"name": await world.inquiry(), "side": "SIDE_TENANT", "author": CANARY, "text": CANARY},
    )
    rejection = {"reviewer": "Counsel", "outcome": "REVIEW_OUTCOME_REJECTED", "note": "No."}
    change = await world.change(is_reviewed=False)
    await world.call(
        "CatalogueService/ReviewCatalogueChange", {"name": change, "review": rejection}
    )
    changed = world.record(world.somebody())
    await world.call("RecordsService/PutRecord", changed)
    await world.call(
        "RecordsService/UpdateRecords",
        {
            "parent": world.tenant,
            "role": "ROLE_PROCESSOR",
            "purpose": changed["purpose"],
            "subject": changed["subject"],
            "record": {"source": "RECORD_SOURCE_SUBJECT"},
            "update_mask": "source",
        },
    )
    interaction = {"subject": world.somebody(), "chatbot": await world.chatbot()}
    await world.call("RetentionService/RecordInteraction", {"interaction": interaction})
    words = {"legal_ground": CANARY, "scope": CANARY, "approver": CANARY}
    given = {"subject": world.end_user, "recipient": world.recipient, "legal_demand": words}
    authority = {**_recipient(), "kind": "RECIPIENT_KIND_AUTHORITY"}
    created = await world.call(
        "DisclosureService/CreateRecipient",
        {"recipient_id": new_id("authority"), "recipient": authority},
    )
    await world.call(
        "DisclosureService/RecordDisclosure",
        {
            **given,
            "recipient": created["recipient"]["name"],
            "purpose": CUSTOMISE,
            "categories": ["categories/profile"],
        },
    )


def _recipient() -> dict[str, Any]:
    return {
        "display_name": "Court",
        "country": "FR",
        "vetting_digest": "ab" * 32,
        "vetting_time": "2026-02-02T10:00:00Z",
    }


@pytest.fixture(scope="module")
async def openings(world: World, channel: grpc.aio.Channel) -> list[Opening]:
    """Return what opens each commitment that is in the world's logs and can be opened."""
    found: list[Opening] = []
    for parent in (world.tenant, "platform"):
        for entry in await entries(channel, parent):
            if entry.commitment:
                try:
                    response = await opened(channel, entry.name)
                except grpc.aio.AioRpcError as error:
                    if "SUBJECT_ERASED" == refusal(error).reason:
                        continue  # The cases have erased somebody, too.
                    raise
                found.append(Opening(entry, response.salt, response.content))
    return found


async def test_every_kind_of_content_opens(openings: list[Opening]) -> None:
    """What an entry of any type commits to is shown while it is kept, and is the very content."""
    shown = {opening.entry.type for opening in openings if opening.content}

    assert set(CONTENTS) - NOTHING_KEPT == shown
    assert not [each.entry.type for each in openings if each.content and not each.is_shown]


async def test_types_commit_as_the_table_says(world: World, channel: grpc.aio.Channel) -> None:
    """Entries of the types in the one table commit to something, of those in the other not."""
    found = [*await entries(channel, world.tenant), *await entries(channel, "platform")]

    committing = {entry.type for entry in found if entry.commitment}
    silent = {entry.type for entry in found if not entry.commitment}
    assert set(CONTENTS) == committing
    assert not silent & committing
    assert not silent - {type for types in NOTHING.values() for type in types}, "decide on these"


async def test_content_has_the_members_that_the_table_says(openings: list[Opening]) -> None:
    """A content is canonical JSON with no other members than its type's in the table."""
    for opening in openings:
        if opening.content:
            content = json.loads(opening.content)
            assert rfc8785.dumps(content) == opening.content
            assert set(content) <= set(CONTENTS[opening.entry.type])


async def test_no_two_salts_are_alike(openings: list[Opening]) -> None:
    """A salt opens one entry: who was given one learns nothing about another."""
    assert {32} == {len(opening.salt) for opening in openings}
    assert len(openings) == len({opening.salt for opening in openings})
    commitments = [opening.entry.commitment for opening in openings]
    assert len(commitments) == len(set(commitments))


@pytest.fixture
async def ledger(settings: Settings) -> AsyncIterator[list[bytes]]:
    """Return all that the ledger's collections hold, as the database has it."""
    assert settings.mongo_uri is not None
    async with AsyncMongoClient[dict[str, Any]](settings.mongo_uri.get_secret_value()) as client:
        database = client[settings.database]
        names = [
            name for name in await database.list_collection_names() if name.startswith("ledger")
        ]
        yield [
            BSON.encode(document)
            for name in names
            async for document in database[name].find({"_id": {"$exists": True}})
        ]


async def test_ledger_holds_no_personal_data(
    openings: list[Opening], ledger: list[bytes], world: World, channel: grpc.aio.Channel
) -> None:
    """What was planted in every personal field of every call is in no entry and in no leaf."""
    shown = b"".join(opening.content for opening in openings)
    listed = [*await entries(channel, world.tenant), *await entries(channel, "platform")]

    assert CANARY.encode() in shown, "it was planted"
    assert len(listed) <= len(ledger)
    assert CANARY.encode() not in b"".join(ledger)
    assert CANARY.encode() not in b"".join(entry.SerializeToString() for entry in listed)


async def test_ledger_holds_no_salt(openings: list[Opening], ledger: list[bytes]) -> None:
    """Salts are nowhere stored: who has the whole ledger has none of them."""
    stored = b"".join(ledger)

    assert not [opening for opening in openings if opening.salt in stored]
    assert not [opening for opening in openings if opening.salt.hex().encode() in stored]


async def record_of(channel: grpc.aio.Channel, answer: str = "blue") -> tuple[Any, pb.LedgerEntry]:
    """Return somebody new with a record, and the entry that tells of it."""
    who = end_user(await new_tenant(channel))
    await put(channel, who, {"answer": answer}, purpose=OPTIMISE, category=REPLY)
    (entry,) = await entries(channel, who.tenant, subject=who, types=["record.put"])
    return who, entry


async def test_opening_shows_what_was_recorded(channel: grpc.aio.Channel) -> None:
    """The content is what was written, and the commitment is the SHA-256 of salt and content."""
    _, entry = await record_of(channel)

    response = await opened(channel, entry.name)

    assert {"fields": {"answer": "blue"}, "key": "default"}.items() <= json.loads(
        response.content
    ).items()
    assert sha256(response.salt + response.content).digest() == entry.commitment


async def test_opening_is_an_entry(channel: grpc.aio.Channel, clock: SteppingClock) -> None:
    """Who opened what, about whom and why, is in the ledger; and that commits to nothing."""
    who, entry = await record_of(channel)
    clock.advance(timedelta(seconds=1))

    await opened(channel, entry.name, "complaint 4711")

    newest = (await entries(channel, who.tenant))[0]
    assert ("ledger.commitment_opened", "complaint 4711") == (newest.type, newest.reason)
    assert (entry.name, entry.subject_reference) == (newest.target, newest.subject_reference)
    assert "AuditService/OpenCommitment" == newest.rpc
    assert "COMMITMENT_MISSING" == (await refused(opened(channel, newest.name))).reason


async def test_the_reason_does_not_say_who_it_is(channel: grpc.aio.Channel) -> None:
    """The ledger keeps the reason for ever, beside the reference: the person's id isn't in it."""
    who, entry = await record_of(channel)

    refusal = await refused(opened(channel, entry.name, f"about {who.subject_id}"))

    assert ("FIELD_INVALID", ("reason",)) == (refusal.reason, refusal.fields)
    assert "ledger.commitment_opened" not in {
        each.type for each in await entries(channel, who.tenant)
    }


async def test_what_was_replaced_is_checked_by_who_has_it(channel: grpc.aio.Channel) -> None:
    """Of a replaced record the salt alone is given; who kept the content can still check it."""
    who, entry = await record_of(channel)
    before = (await opened(channel, entry.name)).content
    await put(channel, who, {"answer": "red"}, purpose=OPTIMISE, category=REPLY)

    response = await opened(channel, entry.name)

    assert b"" == response.content
    assert sha256(response.salt + before).digest() == entry.commitment


async def test_nothing_opens_after_an_erasure(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """The salt goes with the subject key, also for who signs up anew; what is new opens."""
    who, entry = await record_of(channel)
    await exercise(channel, who, ERASURE)
    assert "SUBJECT_ERASED" == (await refused(opened(channel, entry.name))).reason

    clock.advance(timedelta(seconds=1))
    granted = await grant(channel, who, CUSTOMISE, decision_time=at(clock))
    assert 2 == granted.generation

    assert "SUBJECT_ERASED" == (await refused(opened(channel, entry.name))).reason
    (new,) = await entries(channel, who.tenant, subject=who, types=["consent.granted"])
    assert b"granted" in (await opened(channel, new.name)).content


async def test_a_tenant_opens_its_own_only(channel: grpc.aio.Channel) -> None:
    """Another tenant's entry, a missing one and one of no tenant are each NOT_FOUND."""
    _, entry = await record_of(channel)
    id = entry.name.rpartition("/")[2]
    stranger = await new_tenant(channel)

    found = [
        (await refused(opened(channel, f"{parent}/ledgerEntries/{id}"))).reason
        for parent in (stranger, "platform", "tenants/nobody")
    ]

    assert ["LEDGER_ENTRY_NOT_FOUND", "LEDGER_ENTRY_NOT_FOUND", "TENANT_NOT_FOUND"] == found


@pytest.mark.parametrize(
    "wrong",
    [{"reason": ""}, {"reason": "x" * 501}, {"reason": "ask ada@example.org"}, {"entry": ""}],
)
async def test_opening_needs_a_reason_that_names_nobody(
    channel: grpc.aio.Channel, wrong: dict[str, str]
) -> None:
    """Without a reason, with one that can't be kept for ever, or without an entry: refused."""
    who, entry = await record_of(channel)
    given = {"entry": entry.name, "reason": "a complaint", **wrong}

    found = await refused(
        AuditServiceStub(channel).OpenCommitment(pb.OpenCommitmentRequest(**given))
    )

    assert ("INVALID_ARGUMENT", tuple(wrong)) == (found.code, found.fields)
    types = [each.type for each in await entries(channel, who.tenant)]
    assert "ledger.commitment_opened" not in types
