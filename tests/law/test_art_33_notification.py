"""GDPR Art. 33: notification of a personal data breach."""

from __future__ import annotations

from datetime import timedelta

import grpc

from privacyrights.v1 import breach_service_pb2 as pb
from privacyrights.v1 import types_pb2
from privacyrights.v1.breach_service_pb2_grpc import BreachServiceStub
from server.domain.clock import SteppingClock
from tests.rpc.breaches import (
    acknowledge,
    at,
    notices,
    of_tenants,
    report,
    watching,
    with_people,
)
from tests.rpc.conftest import BEGIN
from tests.rpc.people import new_id, new_tenant

PROCESSOR = types_pb2.ROLE_PROCESSOR


async def test_the_authority_is_due_72_hours_after_awareness(channel: grpc.aio.Channel) -> None:
    """Art. 33(1): within 72 hours after we became aware; not after it began or was reported."""
    aware = BEGIN - timedelta(hours=5)

    reported = await report(
        channel,
        of_tenants(await new_tenant(channel)),
        awareness_time=at(aware),
        start_time=at(BEGIN - timedelta(days=9)),
        discovery_time=at(BEGIN - timedelta(days=1)),
    )

    assert at(aware + timedelta(hours=72)) == reported.authority_due_time


async def test_the_controller_is_told_without_undue_delay(channel: grpc.aio.Channel) -> None:
    """Art. 33(2): as processor we tell each controller as soon as we report, not when asked."""
    tenant = await with_people(channel, await new_tenant(channel), end_users=1)
    await report(channel, of_tenants(tenant, roles=[PROCESSOR]))

    async with watching(channel, tenant) as subscription:
        await subscription.next()
        reported = await report(channel, of_tenants(tenant, roles=[PROCESSOR]))
        told = await subscription.next()

    assert reported.name == told.breach
    assert reported.create_time == told.create_time


async def test_a_notice_has_what_the_law_asks_for(channel: grpc.aio.Channel) -> None:
    """Art. 33(3)(a)–(d): what happened to whom, whom to ask, the consequences, the measures."""
    tenant = await with_people(channel, await new_tenant(channel), end_users=2)
    scope = pb.BreachScope(tenants=[tenant], categories=["categories/profile"])

    reported = await report(channel, scope, description="A backup was readable.")

    (notice,) = await notices(channel, tenant)
    assert "A backup was readable." == notice.description
    assert reported.kinds == notice.kinds
    assert ["categories/profile"] == list(notice.categories)
    assert 2 == notice.affected_count
    assert reported.contact_point == notice.contact_point != ""
    assert reported.consequences == notice.consequences != ""
    assert reported.measures_summary == notice.measures_summary != ""


async def test_breaches_are_documented(channel: grpc.aio.Channel, clock: SteppingClock) -> None:
    """Art. 33(5): facts, effects and remedial action are documented, and not edited afterwards."""
    reported = await report(channel, of_tenants(await new_tenant(channel)))
    stub = BreachServiceStub(channel)
    clock.advance(timedelta(hours=1))
    await stub.LogBreachMeasure(
        pb.LogBreachMeasureRequest(
            name=reported.name,
            measure=pb.BreachMeasure(
                phase=pb.BreachMeasure.PHASE_REMEDIATION, description="Backups are encrypted."
            ),
            request_id=new_id(),
        )
    )
    await stub.AssessBreachRisk(
        pb.AssessBreachRiskRequest(
            name=reported.name,
            risk=pb.RiskAssessment(level=pb.RISK_LEVEL_UNLIKELY, reasoning="It was encrypted."),
            request_id=new_id(),
        )
    )

    newest = (await stub.GetBreach(pb.GetBreachRequest(name=reported.name))).breach
    first = (await stub.GetBreach(pb.GetBreachRequest(name=reported.name, version=1))).breach

    assert (reported.description, reported.consequences) == (
        newest.description,
        newest.consequences,
    )
    assert ["Backups are encrypted."] == [measure.description for measure in newest.measures]
    assert "It was encrypted." == newest.risk.reasoning
    assert at(clock.now()) == newest.risk.assess_time == newest.measures[0].measure_time
    assert reported == first


async def test_we_can_show_who_took_note_and_when(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """Art. 33(2) and 5(2): that a controller was told, and took note, can be demonstrated."""
    tenant = await new_tenant(channel)
    reported = await report(channel, of_tenants(tenant, roles=[PROCESSOR]))
    (notice,) = await notices(channel, tenant)
    clock.advance(timedelta(minutes=5))

    await acknowledge(channel, notice.name, "the privacy team")

    (shown,) = await notices(channel, tenant)
    newest = await BreachServiceStub(channel).GetBreach(pb.GetBreachRequest(name=reported.name))
    assert ("the privacy team", at(clock.now())) == (shown.acknowledged_by, shown.acknowledge_time)
    assert newest.breach.notice_count == newest.breach.acknowledged_count == 1
