"""The lives of a subject: a late event of an ended one reaches no later one."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from privacyrights.v1 import (
    consent_service_pb2,
    disclosure_service_pb2,
    records_service_pb2,
    retention_service_pb2,
    types_pb2,
)
from privacyrights.v1.consent_service_pb2_grpc import ConsentServiceStub
from privacyrights.v1.disclosure_service_pb2_grpc import DisclosureServiceStub
from privacyrights.v1.records_service_pb2_grpc import RecordsServiceStub
from privacyrights.v1.retention_service_pb2_grpc import RetentionServiceStub
from server.compose import App
from server.domain.change import Change, Insert
from server.domain.clock import SteppingClock
from server.domain.retention.activity import Activity, interactions
from server.domain.rights.erasure import Erasure, Purged, erasures
from server.domain.subjects import Subjects
from tests.rpc.exercising import ACCESS, ask, document, exercise, keep
from tests.rpc.kept import CALL, erase, subject_id
from tests.rpc.people import end_user, grant, new_id, new_tenant, own_user, refused, verdict
from tests.rpc.recipients import giving, recipient
from tests.rpc.sweeping import interact

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


async def reborn(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock, who: types_pb2.Subject
) -> None:
    """End the life of *who*, purge and all, and begin the next."""
    await erase(app.ports, who)
    found = await Subjects(app.ports).require(CALL, subject_id(who))
    table = erasures(found.role)
    async with asyncio.timeout(20):
        while True:
            ended = await app.ports.reader.get(table, found.tenant, f"{found.id}/1", Erasure)
            if ended is not None and ended.purged is not Purged.NOT_YET:
                break
            await app.ports.reader.wait_for_change(table, at_most_seconds=1)
    clock.advance(timedelta(days=1))
    await RecordsServiceStub(channel).RegisterSubject(
        records_service_pb2.RegisterSubjectRequest(
            subject=who, event_time=at(clock.now()), request_id=new_id()
        )
    )


async def test_a_new_life_was_given_to_nobody(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """Whom the data of an ended life was given to is not told of the next one (Art. 15(1)(c))."""
    who = end_user(await new_tenant(channel))
    await grant(channel, who, CUSTOMISE)
    service = DisclosureServiceStub(channel)
    await service.RecordDisclosure(giving(who, await recipient(service, clock)))
    await reborn(app, channel, clock, who)

    listed = await service.ListDisclosures(
        disclosure_service_pb2.ListDisclosuresRequest(subject=who, reason="support")
    )

    assert [] == list(listed.disclosures)


async def test_an_export_has_nothing_of_an_ended_life(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """Neither what the person said then, nor the days of then, are in a later answer (Art. 15)."""
    who = own_user(await new_tenant(channel))
    await keep(channel, who)
    await ask(channel, who, ACCESS, statement="I am Ada Lovelace")
    await interact(channel, who)
    found = await Subjects(app.ports).require(CALL, subject_id(who))
    activity = await app.ports.reader.get(
        interactions(found.role), found.tenant, found.id, Activity
    )
    assert activity is not None
    await reborn(app, channel, clock, who)
    # As if it had been committed after the purge.
    late = Insert(interactions(found.role), activity)
    await app.ports.committer.commit(Change((late,), ()), type(None))

    answer = await document(channel, (await exercise(channel, who, ACCESS)).name)

    assert [(1, None), (2, None)] == [
        (each["generation"], each["statement"]) for each in answer["requests"]
    ]
    assert {"first_date": None, "last_date": None} == answer["interactions"]
