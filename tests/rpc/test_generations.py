"""The lives of a subject: a late event of an ended one reaches no later one."""

from __future__ import annotations

from datetime import datetime, timedelta

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from privacyrights.v1 import consent_service_pb2, records_service_pb2, retention_service_pb2
from privacyrights.v1.consent_service_pb2_grpc import ConsentServiceStub
from privacyrights.v1.records_service_pb2_grpc import RecordsServiceStub
from privacyrights.v1.retention_service_pb2_grpc import RetentionServiceStub
from server.compose import App
from server.domain.clock import SteppingClock
from tests.rpc.kept import erase
from tests.rpc.people import end_user, grant, new_id, new_tenant, refused, verdict

CUSTOMISE = "purposes/customise_messages"


def at(time: datetime) -> Timestamp:
    """Return *time* as the contract has it."""
    message = Timestamp()
    message.FromDatetime(time)
    return message


async def test_late_events_reach_no_later_life(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """After a new sign-up, what happened before the erasure is still refused."""
    who = end_user(await new_tenant(channel))
    before = clock.now()
    await grant(channel, who, CUSTOMISE)
    clock.advance(timedelta(days=1))
    await erase(app.ports, who)
    clock.advance(timedelta(days=1))
    registered = await RecordsServiceStub(channel).RegisterSubject(
        records_service_pb2.RegisterSubjectRequest(
            subject=who, event_time=at(clock.now()), request_id=new_id()
        )
    )

    late_grant = await refused(grant(channel, who, CUSTOMISE, decision_time=at(before)))
    late_visit = await refused(
        RetentionServiceStub(channel).RecordInteraction(
            retention_service_pb2.RecordInteractionRequest(
                interaction=retention_service_pb2.Interaction(
                    subject=who, interaction_time=at(before)
                ),
                request_id=new_id(),
            )
        )
    )
    refused_until_now = not (await verdict(channel, who, CUSTOMISE)).allowed
    await grant(channel, who, CUSTOMISE, decision_time=at(clock.now()))

    assert 2 == registered.subject.generation
    assert ["SUBJECT_ERASED"] * 2 == [late_grant.reason, late_visit.reason]
    assert refused_until_now
    assert (await verdict(channel, who, CUSTOMISE)).allowed


async def test_a_new_life_begins_without_consents(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """What was agreed to in an ended life is no state of the next; it stays in the history.

    At a moment between the two lives no consent stood: the person was erased by then.
    """
    consent = ConsentServiceStub(channel)
    who = end_user(await new_tenant(channel))
    await grant(channel, who, CUSTOMISE)
    await erase(app.ports, who)
    clock.advance(timedelta(days=1))
    await RecordsServiceStub(channel).RegisterSubject(
        records_service_pb2.RegisterSubjectRequest(
            subject=who, event_time=at(clock.now()), request_id=new_id()
        )
    )

    now = await consent.ListConsents(consent_service_pb2.ListConsentsRequest(subject=who))
    between = await refused(
        consent.ListConsents(
            consent_service_pb2.ListConsentsRequest(
                subject=who, as_of_time=at(clock.now() - timedelta(hours=1))
            )
        )
    )
    history = await consent.ListConsentDecisions(
        consent_service_pb2.ListConsentDecisionsRequest(subject=who)
    )

    assert [] == list(now.consents)
    assert "SUBJECT_ERASED" == between.reason
    assert [1] == [decision.generation for decision in history.consent_decisions]
