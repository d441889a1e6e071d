"""GDPR Art. 5(2): accountability; with Art. 17 and 25, without keeping data to show it."""

from __future__ import annotations

import itertools
import json
from datetime import timedelta
from hashlib import sha256

import grpc

from privacyrights.v1 import audit_service_pb2 as pb
from privacyrights.v1 import types_pb2
from privacyrights.v1.audit_service_pb2_grpc import AuditServiceStub
from server.domain.clock import SteppingClock
from tests.rpc.exercising import ERASURE, exercise, keep
from tests.rpc.kept import read
from tests.rpc.people import end_user, grant, new_tenant, refused

CUSTOMISE = "purposes/customise_messages"


async def entry_of(channel: grpc.aio.Channel, who: types_pb2.Subject, type: str) -> pb.LedgerEntry:
    """Return the newest entry of that type about *who*."""
    listed = await AuditServiceStub(channel).ListLedgerEntries(
        pb.ListLedgerEntriesRequest(parent=who.tenant, subject=who, types=[type])
    )
    return listed.entries[0]


async def opened(channel: grpc.aio.Channel, name: str) -> pb.OpenCommitmentResponse:
    """Open what an entry commits to."""
    return await AuditServiceStub(channel).OpenCommitment(
        pb.OpenCommitmentRequest(entry=name, reason="supervisory authority, case 12")
    )


async def test_consent_is_demonstrated(channel: grpc.aio.Channel) -> None:
    """Art. 5(2), 7(1): the ledger shows which text was agreed to, and that we didn't make it up."""
    who = end_user(await new_tenant(channel))
    await grant(channel, who, CUSTOMISE)
    entry = await entry_of(channel, who, "consent.granted")

    shown = await opened(channel, entry.name)

    assert sha256(shown.salt + shown.content).digest() == entry.commitment
    decision = json.loads(shown.content)
    assert ("granted", "2019-01-01") == (decision["choice"], decision["policy_version"])
    assert 64 == len(decision["text_digest"])


async def test_proof_outlives_the_data_and_tells_nothing_of_it(channel: grpc.aio.Channel) -> None:
    """Art. 17(1), 25(1): after an erasure the entry stands as it was, and can't be opened.

    Nobody finds the content by trying: of the little that it could be, nothing fits without the
    salt, and the salt went with the key.
    """
    who = end_user(await new_tenant(channel))
    await keep(channel, who, answer="blue")
    before = await entry_of(channel, who, "record.put")
    content = (await opened(channel, before.name)).content

    await exercise(channel, who, ERASURE)

    after = await entry_of(channel, who, "record.put")
    assert (before.name, before.commitment) == (after.name, after.commitment)
    assert "SUBJECT_ERASED" == (await refused(opened(channel, after.name))).reason
    likely = [content.replace(b"blue", colour) for colour in (b"blue", b"red", b"green")]
    salts = [b"", bytes(32), after.name.encode(), after.subject_reference.encode()]
    guesses = {sha256(salt + each).digest() for salt, each in itertools.product(salts, likely)}
    assert after.commitment not in guesses


async def test_disclosures_are_accounted_for(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """Art. 5(2), 5(1)(f): who was shown a person's data, and why, is on record; so is opening."""
    who = end_user(await new_tenant(channel))
    await keep(channel, who)
    clock.advance(timedelta(seconds=1))
    await read(channel, who)
    entry = await entry_of(channel, who, "record.put")
    await opened(channel, entry.name)

    reading = await entry_of(channel, who, "record.read")
    opening = await entry_of(channel, who, "ledger.commitment_opened")

    assert reading.reason
    assert ("supervisory authority, case 12", entry.name) == (opening.reason, opening.target)


async def test_erasure_is_verified_by_whoever_asks(channel: grpc.aio.Channel) -> None:
    """Art. 5(2), 17(1): that the key is gone, since when, and what is left, can be asked for."""
    who = end_user(await new_tenant(channel))
    await keep(channel, who)
    await exercise(channel, who, ERASURE)

    found = await AuditServiceStub(channel).VerifyDeletion(pb.VerifyDeletionRequest(subject=who))

    assert found.erased
    assert found.certificate
    assert found.ledger_entry == (await entry_of(channel, who, "subject.erased")).name
