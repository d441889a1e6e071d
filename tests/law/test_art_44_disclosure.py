"""GDPR Art. 5, 15, 28 and 44: to whom data may be given, and that the person can learn of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import grpc
import pytest

from privacyrights.v1 import disclosure_service_pb2 as pb
from privacyrights.v1.disclosure_service_pb2_grpc import DisclosureServiceStub
from server.compose import App
from server.domain.change import Change
from server.domain.clock import SteppingClock
from server.domain.subjects import Subjects, saved
from tests.rpc.instructing import instruct, revoke
from tests.rpc.kept import CALL, subject_id
from tests.rpc.people import end_user, grant, new_tenant, own_user, refused, withdraw
from tests.rpc.recipients import (
    CUSTOMISE,
    at,
    authority,
    creation,
    demand,
    giving,
    recipient,
)

if TYPE_CHECKING:
    from privacyrights.v1.disclosure_service_pb2_grpc import DisclosureServiceAsyncStub
    from privacyrights.v1.types_pb2 import Subject

NEWS = "purposes/platform_news"
RELATIONSHIP = "purposes/manage_relationship"


@pytest.fixture
def service(channel: grpc.aio.Channel) -> DisclosureServiceAsyncStub:
    """Return the service's stub."""
    return DisclosureServiceStub(channel)


@pytest.fixture
async def who(channel: grpc.aio.Channel) -> Subject:
    """Return a known end-user."""
    subject = end_user(await new_tenant(channel))
    await grant(channel, subject, CUSTOMISE)
    return subject


async def test_transfer_without_a_safeguard_is_refused(
    service: DisclosureServiceAsyncStub, clock: SteppingClock
) -> None:
    """Art. 44: nobody in a third country is a recipient without what makes a transfer lawful."""
    bare = await refused(service.CreateRecipient(creation(clock, country="US")))
    covered = await service.CreateRecipient(
        creation(clock, country="US", safeguard=pb.TRANSFER_SAFEGUARD_STANDARD_CONTRACTUAL_CLAUSES)
    )

    assert ("recipient.safeguard",) == bare.fields
    assert "US" == covered.recipient.country


async def test_transfer_stops_when_its_safeguard_ends(
    service: DisclosureServiceAsyncStub, clock: SteppingClock, who: Subject
) -> None:
    """Art. 44, 46: from the moment a safeguard has ended nothing is given; it was lawful before."""
    to = await recipient(
        service,
        clock,
        country="US",
        safeguard=pb.TRANSFER_SAFEGUARD_ADEQUACY_DECISION,
        safeguard_expire_time=at(clock, timedelta(days=2)),
    )
    await service.RecordDisclosure(giving(who, to))
    clock.advance(timedelta(days=2))

    told = await refused(service.RecordDisclosure(giving(who, to)))
    # What was given in time, and is reported late, is not lost for the person.
    late = giving(who, to, disclosure_time=at(clock, -timedelta(days=1)))
    await service.RecordDisclosure(late)

    assert ("FAILED_PRECONDITION", "RECIPIENT_NOT_VETTED") == (told.code, told.reason)


async def test_nothing_is_given_before_vetting(
    service: DisclosureServiceAsyncStub, clock: SteppingClock, who: Subject
) -> None:
    """Art. 28(1): only who gives sufficient guarantees is used, from when that was looked at."""
    to = await recipient(service, clock, vetting_time=at(clock, -timedelta(days=1)))
    early = giving(who, to, disclosure_time=at(clock, -timedelta(days=2)))

    told = await refused(service.RecordDisclosure(early))

    assert "RECIPIENT_NOT_VETTED" == told.reason


async def test_nothing_is_given_without_consent(
    service: DisclosureServiceAsyncStub,
    channel: grpc.aio.Channel,
    clock: SteppingClock,
    who: Subject,
) -> None:
    """Art. 6(1)(a), 7(3): from a withdrawal on nothing is given; what was given before is told."""
    to = await recipient(service, clock)
    given = at(clock)
    clock.advance(timedelta(days=1))
    await withdraw(channel, who, CUSTOMISE)

    told = await refused(service.RecordDisclosure(giving(who, to)))
    early = await refused(
        service.RecordDisclosure(
            giving(who, to, disclosure_time=at(clock, -timedelta(days=1, seconds=1)))
        )
    )
    # What was given while the consent stood, and is reported late, is not lost for the person.
    await service.RecordDisclosure(giving(who, to, disclosure_time=given))

    assert ("PERMISSION_DENIED", {"verdict_reasons": "CONSENT_WITHDRAWN"}) == (
        told.code,
        told.metadata,
    )
    assert {"verdict_reasons": "CONSENT_MISSING"} == early.metadata


async def test_nothing_is_given_while_processing_is_restricted(
    app: App, service: DisclosureServiceAsyncStub, clock: SteppingClock, who: Subject
) -> None:
    """Art. 18(2): restricted data goes to nobody but whom the law makes us give it to."""
    to, court = await recipient(service, clock), await authority(service, clock)
    found = await Subjects(app.ports).require(CALL, subject_id(who))
    restricted = replace(found, version=found.version + 1, restriction="disputed")
    await app.ports.committer.commit(Change((saved(restricted),), ()), type(None))

    told = await refused(service.RecordDisclosure(giving(who, to)))
    await service.RecordDisclosure(giving(who, court, purpose="", legal_demand=demand()))

    assert ("PROCESSING_NOT_ALLOWED", {"verdict_reasons": "RESTRICTION"}) == (
        told.reason,
        told.metadata,
    )


async def test_nothing_is_given_that_was_not_instructed(
    service: DisclosureServiceAsyncStub, clock: SteppingClock, who: Subject
) -> None:
    """Art. 28(3)(a): a category that the tenant didn't instruct to collect isn't given away."""
    to = await recipient(service, clock)

    told = await refused(
        service.RecordDisclosure(giving(who, to, categories=["categories/public_profile"]))
    )

    assert ("FAILED_PRECONDITION", "INSTRUCTION_MISSING") == (told.code, told.reason)


async def test_what_was_instructed_then_could_be_given_then(
    service: DisclosureServiceAsyncStub,
    channel: grpc.aio.Channel,
    clock: SteppingClock,
    who: Subject,
) -> None:
    """Art. 28(3)(a): the instruction that counts is the one that stood when the data was given."""
    to = await recipient(service, clock)
    given = {"categories": ["categories/conversation_history"]}
    before = at(clock)
    clock.advance(timedelta(hours=1))
    instruction = await instruct(channel, who.tenant)
    between = at(clock)
    clock.advance(timedelta(hours=1))
    await revoke(channel, instruction)

    early = await refused(
        service.RecordDisclosure(giving(who, to, disclosure_time=before, **given))
    )
    await service.RecordDisclosure(giving(who, to, disclosure_time=between, **given))
    late = await refused(service.RecordDisclosure(giving(who, to, **given)))

    assert "INSTRUCTION_MISSING" == early.reason == late.reason


async def test_nothing_is_given_for_commerce(
    service: DisclosureServiceAsyncStub, channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """Art. 5(1)(b) and the policy: data is never disclosed for commercial purposes (S9)."""
    own = own_user(await new_tenant(channel))
    await grant(channel, own, NEWS)
    to = await recipient(service, clock, purposes=[RELATIONSHIP])

    registering = await refused(service.CreateRecipient(creation(clock, purposes=[NEWS])))
    giving_ = await refused(
        service.RecordDisclosure(giving(own, to, purpose=NEWS, categories=["categories/account"]))
    )

    assert ("FAILED_PRECONDITION", "COMMERCIAL_DISCLOSURE") == (
        registering.code,
        registering.reason,
    )
    assert registering == giving_


@pytest.mark.parametrize("missing", ["legal_ground", "scope", "approver"])
async def test_authorities_get_what_the_law_demands(
    service: DisclosureServiceAsyncStub, clock: SteppingClock, who: Subject, missing: str
) -> None:
    """Art. 6(1)(c), 6(3): an authority gets nothing without ground, scope and an approval (S9)."""
    to = await authority(service, clock)
    complete = giving(who, to, purpose="", legal_demand=demand())
    incomplete = giving(who, to, purpose="", legal_demand=demand(**{missing: ""}))

    told = await refused(service.RecordDisclosure(incomplete))
    await service.RecordDisclosure(complete)

    assert ("FAILED_PRECONDITION", "LEGAL_GROUND_MISSING") == (told.code, told.reason)


async def test_person_can_learn_to_whom_data_was_given(
    service: DisclosureServiceAsyncStub, clock: SteppingClock, who: Subject
) -> None:
    """Art. 15(1)(c): each recipient, what it got, what for and when, is known for the answer."""
    partner, court = await recipient(service, clock), await authority(service, clock)
    await service.RecordDisclosure(giving(who, partner))
    await service.RecordDisclosure(giving(who, court, purpose="", legal_demand=demand()))

    listed = await service.ListDisclosures(
        pb.ListDisclosuresRequest(subject=who, reason="to answer the person")
    )

    assert [court, partner] == [one.recipient for one in listed.disclosures]
    assert demand() == listed.disclosures[0].legal_demand
    assert all(one.categories and one.HasField("disclosure_time") for one in listed.disclosures)
