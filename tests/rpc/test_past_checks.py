"""`as_of_time`: a check about a past moment is answered as it was, or would have been, then."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from privacyrights.v1 import catalogue_service_pb2, types_pb2
from privacyrights.v1 import consent_service_pb2 as pb
from privacyrights.v1.catalogue_service_pb2_grpc import CatalogueServiceStub
from privacyrights.v1.consent_service_pb2_grpc import ConsentServiceStub
from server.compose import App
from server.domain.change import Change
from server.domain.clock import SteppingClock
from server.domain.subjects import Subjects, saved
from tests.rpc.kept import CALL, erase, subject_id
from tests.rpc.people import (
    end_user,
    grant,
    new_id,
    new_tenant,
    own_user,
    refused,
    verdict,
    withdraw,
)
from tests.rpc.proposing import applied, purpose

if TYPE_CHECKING:
    from privacyrights.v1.consent_service_pb2_grpc import ConsentServiceAsyncStub

CUSTOMISE = "purposes/customise_messages"
OPTIMISE = "purposes/optimise_interactions"
NEWS = "purposes/platform_news"
DAY = timedelta(days=1)


@pytest.fixture
def consent(channel: grpc.aio.Channel) -> ConsentServiceAsyncStub:
    """Return the service's stub."""
    return ConsentServiceStub(channel)


def at(time: datetime) -> Timestamp:
    """Return *time* as the contract has it."""
    message = Timestamp()
    message.FromDatetime(time)
    return message


async def then(
    channel: grpc.aio.Channel, who: types_pb2.Subject, time: datetime, purpose: str = CUSTOMISE
) -> pb.Verdict:
    """Return the verdict on *who* at *time*."""
    response = await ConsentServiceStub(channel).CheckProcessing(
        pb.CheckProcessingRequest(subject=who, purpose=purpose, as_of_time=at(time))
    )
    return response.verdict


def told(found: pb.Verdict) -> tuple[bool, list[str], str]:
    """Return what of a verdict must be the same, whenever it is asked for."""
    reasons = [pb.VerdictReason.Name(each)[len("VERDICT_REASON_") :] for each in found.reasons]
    return found.allowed, reasons, found.deciding_entry


async def test_past_verdicts_are_those_that_were_given(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """Through a life and the next, each past moment is answered as the check of that moment was.

    Before anything was known, granted, expired, withdrawn, granted again, erased, known anew,
    granted in the new life: decisions, expiry, erasure and generations are all taken back.
    """
    who = end_user(await new_tenant(channel))
    given: list[tuple[datetime, pb.Verdict]] = []

    async def note() -> None:
        given.append((clock.now(), await verdict(channel, who, CUSTOMISE)))
        clock.advance(DAY)

    await note()
    await grant(channel, who, CUSTOMISE, expire_time=at(clock.now() + 2 * DAY))
    await note()
    await note()
    await note()
    await grant(channel, who, CUSTOMISE)
    await note()
    await withdraw(channel, who, CUSTOMISE)
    await note()
    await grant(channel, who, CUSTOMISE)
    await note()
    await erase(app.ports, who)
    await note()
    await grant(channel, who, CUSTOMISE, decision_time=at(clock.now()))
    await note()

    found = [await then(channel, who, time) for time, _ in given]

    assert [told(each) for _, each in given] == [told(each) for each in found]
    assert [at(time) for time, _ in given] == [each.verdict_time for each in found]
    assert [False, True, True, False, True, False, True, False, True] == [
        each.allowed for each in found
    ]


async def test_present_state_as_past_would_be_caught(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """Whoever answered about the past from the present state would be wrong, both ways."""
    who = end_user(await new_tenant(channel))
    before = clock.now()
    clock.advance(DAY)
    await grant(channel, who, CUSTOMISE)
    during = clock.now()
    clock.advance(DAY)
    await withdraw(channel, who, CUSTOMISE)

    now = (await verdict(channel, who, CUSTOMISE)).allowed

    assert (False, True, False) == (
        (await then(channel, who, before)).allowed,
        (await then(channel, who, during)).allowed,
        now,
    )


async def test_what_was_recorded_later_does_not_count(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """A withdrawal that was reported late makes nothing unlawful that was allowed before."""
    who = end_user(await new_tenant(channel))
    await grant(channel, who, CUSTOMISE)
    clock.advance(DAY)
    moment = clock.now()
    clock.advance(DAY)
    await withdraw(channel, who, CUSTOMISE, decision_time=at(moment - timedelta(hours=1)))

    assert (await then(channel, who, moment)).allowed
    assert not (await verdict(channel, who, CUSTOMISE)).allowed


async def test_both_ended_lives_are_told_apart(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """Between two lives a person was erased, before the first unknown, whichever life it is now."""
    who = end_user(await new_tenant(channel))
    unknown = clock.now()
    moments: list[tuple[datetime, datetime]] = []
    for _ in range(2):
        clock.advance(DAY)
        await grant(channel, who, CUSTOMISE, decision_time=at(clock.now()))
        alive = clock.now()
        clock.advance(DAY)
        await erase(app.ports, who)
        moments.append((alive, clock.now()))
    clock.advance(DAY)
    await grant(channel, who, CUSTOMISE, decision_time=at(clock.now()))

    for alive, erased in moments:
        assert [pb.VERDICT_REASON_CONSENT_GRANTED] == (await then(channel, who, alive)).reasons
        assert [pb.VERDICT_REASON_SUBJECT_ERASED] == (await then(channel, who, erased)).reasons
    assert pb.VERDICT_REASON_SUBJECT_UNKNOWN in (await then(channel, who, unknown)).reasons


async def test_catalogue_is_the_one_in_force_then(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """A purpose is judged as it was: not there yet, resting on consent, renewed, retired."""
    name = f"purposes/{new_id('then')}"
    who = end_user(await new_tenant(channel))
    never = clock.now()
    clock.advance(DAY)
    await applied(channel, purpose(name))
    await grant(channel, who, name)
    consented = clock.now()
    clock.advance(DAY)
    await applied(channel, purpose(name, renewal_time=at(clock.now())))
    renewed = clock.now()
    clock.advance(DAY)
    await applied(channel, retired=[name])

    found = [await then(channel, who, time, name) for time in (consented, renewed, clock.now())]

    assert [1, 2, 2] == [each.purpose_version for each in found]
    assert [
        [pb.VERDICT_REASON_CONSENT_GRANTED],
        [pb.VERDICT_REASON_CONSENT_RENEWAL_NEEDED],
        [pb.VERDICT_REASON_PURPOSE_RETIRED, pb.VERDICT_REASON_CONSENT_RENEWAL_NEEDED],
    ] == [list(each.reasons) for each in found]
    assert "PURPOSE_NOT_FOUND" == (await refused(then(channel, who, never, name))).reason


async def test_instructions_are_those_that_stood_then(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """What only an instruction allowed was allowed while it stood, and neither before nor after."""
    name = f"purposes/{new_id('then')}"
    await applied(
        channel,
        purpose(
            name,
            categories=["categories/public_profile"],
            legal_basis=catalogue_service_pb2.LEGAL_BASIS_CONTROLLER_INSTRUCTION,
        ),
    )
    who = end_user(await new_tenant(channel))
    catalogue = CatalogueServiceStub(channel)
    moments = [clock.now()]
    clock.advance(DAY)
    recorded = await catalogue.RecordInstruction(
        catalogue_service_pb2.RecordInstructionRequest(
            parent=who.tenant,
            category="categories/public_profile",
            text="Collect it.",
            instructed_by="owner",
            request_id=new_id(),
        )
    )
    moments.append(clock.now())
    clock.advance(DAY)
    await catalogue.RevokeInstruction(
        catalogue_service_pb2.RevokeInstructionRequest(
            name=recorded.instruction, reason="Not needed.", request_id=new_id()
        )
    )
    moments.append(clock.now())

    found = [await then(channel, who, time, name) for time in moments]

    assert [False, True, False] == [each.allowed for each in found]
    assert [pb.VERDICT_REASON_INSTRUCTION_MISSING] == found[0].reasons == found[2].reasons


@pytest.mark.parametrize("field", [{"restriction": "disputed"}, {"objections": {"*": "objected"}}])
async def test_what_cannot_be_told_is_not_allowed(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock, field: dict[str, Any]
) -> None:
    """Where only the present state is kept, the answer about the past says so, and is no "yes"."""
    who = end_user(await new_tenant(channel))
    await grant(channel, who, CUSTOMISE)
    moment = clock.now()
    clock.advance(DAY)
    found = await Subjects(app.ports).require(CALL, subject_id(who))
    changed = replace(found, version=found.version + 1, **field)
    await app.ports.committer.commit(Change([saved(changed)], []), type(None))

    past = await then(channel, who, moment)

    assert [pb.VERDICT_REASON_HISTORY_MISSING] == past.reasons
    assert not past.allowed


async def test_list_and_check_agree_about_the_past(
    app: App, channel: grpc.aio.Channel, consent: ConsentServiceAsyncStub, clock: SteppingClock
) -> None:
    """What stood at a moment of an ended life is listed like the check of that moment says."""
    who = own_user(await new_tenant(channel))
    await grant(channel, who, NEWS)
    alive = clock.now()
    clock.advance(DAY)
    await erase(app.ports, who)
    erased = clock.now()
    clock.advance(DAY)
    await grant(channel, who, NEWS, decision_time=at(clock.now()))

    listed = await consent.ListConsents(pb.ListConsentsRequest(subject=who, as_of_time=at(alive)))
    gone = await refused(
        consent.ListConsents(pb.ListConsentsRequest(subject=who, as_of_time=at(erased)))
    )

    assert [pb.CONSENT_STATE_GRANTED] == [each.state for each in listed.consents]
    assert (await then(channel, who, alive, NEWS)).allowed
    assert "SUBJECT_ERASED" == gone.reason


async def test_batch_has_a_moment_for_each_check(
    channel: grpc.aio.Channel, consent: ConsentServiceAsyncStub, clock: SteppingClock
) -> None:
    """Each check of a batch is about its own moment."""
    who = end_user(await new_tenant(channel))
    before = clock.now()
    clock.advance(DAY)
    await grant(channel, who, CUSTOMISE)
    checks = [
        pb.CheckProcessingRequest(subject=who, purpose=CUSTOMISE, as_of_time=time)
        for time in (at(before), at(clock.now()), None)
    ]

    response = await consent.BatchCheckProcessing(pb.BatchCheckProcessingRequest(checks=checks))

    assert [False, True, True] == [each.verdict.allowed for each in response.outcomes]


async def test_future_is_not_told(
    channel: grpc.aio.Channel, consent: ConsentServiceAsyncStub, clock: SteppingClock
) -> None:
    """A moment that hasn't come is refused by its field, alone and in a batch."""
    who = end_user(await new_tenant(channel))
    check = pb.CheckProcessingRequest(
        subject=who, purpose=CUSTOMISE, as_of_time=at(clock.now() + timedelta(minutes=2))
    )

    alone = await refused(consent.CheckProcessing(check))
    batch = await refused(
        consent.BatchCheckProcessing(pb.BatchCheckProcessingRequest(checks=[check]))
    )

    assert ("TIME_IN_FUTURE", ("as_of_time",)) == (alone.reason, alone.fields)
    assert ("TIME_IN_FUTURE", ("checks[0].as_of_time",)) == (batch.reason, batch.fields)
