"""BreachService over a real channel: what is reported, whom it reaches, and how it is kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest

from privacyrights.v1 import breach_service_pb2 as pb
from privacyrights.v1 import types_pb2
from privacyrights.v1.breach_service_pb2_grpc import BreachServiceStub
from server.compose import App
from server.domain.change import Change, Replace
from server.domain.ports import Query
from server.domain.subject import Subject
from server.domain.subjects import subjects
from server.domain.values import Role
from tests.rpc.breaches import (
    at,
    breach,
    notices,
    of_tenants,
    report,
    watching,
    with_people,
)
from tests.rpc.conftest import BEGIN
from tests.rpc.people import new_id, new_tenant, refused

CONTROLLER = types_pb2.ROLE_CONTROLLER
PROCESSOR = types_pb2.ROLE_PROCESSOR


async def test_each_affected_tenant_gets_its_notice(channel: grpc.aio.Channel) -> None:
    """A tenant is told in each regime in which people of it are known, with about how many."""
    both = await with_people(channel, await new_tenant(channel), end_users=3, own_users=1)
    one = await with_people(channel, await new_tenant(channel), end_users=2)

    reported = await report(channel, of_tenants(both, one))

    counts = [
        [notice.affected_count for notice in await notices(channel, tenant, role)]
        for tenant in (both, one)
        for role in (PROCESSOR, CONTROLLER)
    ]
    assert [[3], [1], [2], []] == counts
    assert (3, 0) == (reported.notice_count, reported.acknowledged_count)


async def test_a_breach_without_tenants_finds_them(channel: grpc.aio.Channel) -> None:
    """Where only a regime is known, every tenant with people in it is told, and no other one."""
    affected = await with_people(channel, await new_tenant(channel), end_users=2)
    other_regime = await with_people(channel, await new_tenant(channel), own_users=1)
    nobody = await new_tenant(channel)

    reported = await report(channel, pb.BreachScope(roles=[PROCESSOR]))

    told = {
        tenant: [
            notice.breach
            for role in (PROCESSOR, CONTROLLER)
            for notice in await notices(channel, tenant, role)
        ]
        for tenant in (affected, other_regime, nobody)
    }
    assert {affected: [reported.name], other_regime: [], nobody: []} == told


async def test_a_named_tenant_is_told_in_any_case(channel: grpc.aio.Channel) -> None:
    """Whoever names a tenant may know more than the service: "about 0" is better than silence."""
    tenant = await new_tenant(channel)

    await report(channel, of_tenants(tenant, roles=[PROCESSOR]))

    assert [0] == [notice.affected_count for notice in await notices(channel, tenant)]


async def test_categories_narrow_the_regimes(channel: grpc.aio.Channel) -> None:
    """A notice names the categories of its regime; a regime without any of them isn't affected."""
    tenant = await with_people(channel, await new_tenant(channel), end_users=1, own_users=1)
    scope = pb.BreachScope(tenants=[tenant], categories=["categories/profile"])

    await report(channel, scope)

    (notice,) = await notices(channel, tenant, PROCESSOR)
    assert ["categories/profile"] == list(notice.categories)
    assert not await notices(channel, tenant, CONTROLLER)


async def test_the_erased_are_not_counted(app: App, channel: grpc.aio.Channel) -> None:
    """Whose data was destroyed before can't be affected."""
    tenant = await with_people(channel, await new_tenant(channel), end_users=2)
    id, table = tenant.removeprefix("tenants/"), subjects(Role.PROCESSOR)
    someone = (await app.ports.reader.find(Query(table, id), Subject))[0]
    tombstone = someone.erased(time=BEGIN, entry=someone.entry)
    await app.ports.committer.commit(Change((Replace(table, tombstone),), ()), type(None))

    await report(channel, of_tenants(tenant))

    assert [1] == [notice.affected_count for notice in await notices(channel, tenant)]


async def test_a_notice_holds_its_tenants_part_only(channel: grpc.aio.Channel) -> None:
    """Of three tenants, none learns from its notice that there are others, or how many people."""
    numbers = (11, 12, 13)
    tenants = [
        await with_people(channel, await new_tenant(channel), end_users=number)
        for number in numbers
    ]

    await report(channel, of_tenants(*tenants))

    for tenant, number in zip(tenants, numbers, strict=True):
        (listed,) = await notices(channel, tenant)
        async with watching(channel, tenant) as subscription:
            assert listed == await subscription.next()
        assert number == listed.affected_count
        text = str(listed)
        others = {*tenants} - {tenant}
        assert [] == [other for other in others if other.removeprefix("tenants/") in text]
        integers = {
            value for field, value in listed.ListFields() if field.cpp_type == field.CPPTYPE_INT64
        }
        assert {number, listed.breach_version} == integers


async def test_an_exercise_says_so_everywhere(channel: grpc.aio.Channel) -> None:
    """Whoever reads a breach or a notice of an exercise sees that it is one."""
    tenant = await with_people(channel, await new_tenant(channel), end_users=1, own_users=1)

    reported = await report(channel, of_tenants(tenant), exercise=True)

    told = [
        *await notices(channel, tenant, PROCESSOR),
        *await notices(channel, tenant, CONTROLLER),
    ]
    assert reported.exercise
    assert [True, True] == [notice.exercise for notice in told]


async def test_a_repeated_report_is_one_breach(channel: grpc.aio.Channel) -> None:
    """A report that is sent twice makes one breach and one notice; other content is refused."""
    tenant = await with_people(channel, await new_tenant(channel), end_users=1)
    request = pb.ReportBreachRequest(
        breach=breach(scope=of_tenants(tenant)), request_id=new_id("report")
    )
    stub = BreachServiceStub(channel)

    first = await stub.ReportBreach(request)
    second = await stub.ReportBreach(request)
    request.breach.description = "Something else."
    other = await refused(stub.ReportBreach(request))

    assert first.breach == second.breach
    assert [first.breach.name] == [notice.breach for notice in await notices(channel, tenant)]
    assert ("ALREADY_EXISTS", "REQUEST_ID_REUSED") == (other.code, other.reason)


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"kinds": []}, "breach.kinds"),
        ({"kinds": [1, 1]}, "breach.kinds"),
        ({"kinds": [1, 77]}, "breach.kinds[1]"),
        ({"description": " "}, "breach.description"),
        ({"description": "x" * 10_001}, "breach.description"),
        ({"cause": "x" * 10_001}, "breach.cause"),
        ({"consequences": "x" * 10_001}, "breach.consequences"),
        ({"measures_summary": "x" * 10_001}, "breach.measures_summary"),
        ({"contact_point": "x" * 501}, "breach.contact_point"),
        ({"awareness_time": None}, "breach.awareness_time"),
        (
            {
                "start_time": at(BEGIN - timedelta(hours=2)),
                "discovery_time": at(BEGIN - timedelta(hours=3)),
            },
            "breach.discovery_time",
        ),
        ({"scope": None}, "breach.scope"),
        ({"description": "ada@example.org was read."}, "breach.description"),
        ({"cause": "ada@example.org clicked."}, "breach.cause"),
        ({"awareness_time": at(datetime(1899, 12, 31, tzinfo=UTC))}, "breach.awareness_time"),
        ({"scope": pb.BreachScope(tenants=["acme"])}, "breach.scope.tenants[0]"),
        ({"scope": pb.BreachScope(tenants=["tenants/a", "tenants/a"])}, "breach.scope"),
        ({"scope": pb.BreachScope(roles=[77])}, "breach.scope.roles[0]"),  # type: ignore[list-item]  # not a role
        ({"scope": of_tenants(*(f"tenants/t{n}" for n in range(1001)))}, "breach.scope"),
        (
            {"scope": pb.BreachScope(roles=[CONTROLLER], categories=["categories/profile"])},
            "breach.scope.categories",
        ),
    ],
)
async def test_a_wrong_report_is_refused(
    channel: grpc.aio.Channel, fields: dict[str, Any], wrong: str
) -> None:
    """What is wrong with a report is told by field, and nothing is kept of it."""
    given = {"scope": pb.BreachScope(roles=[CONTROLLER]), **fields}
    before = await _newest(channel)
    request = pb.ReportBreachRequest(breach=breach(**given), request_id=new_id())

    found = await refused(BreachServiceStub(channel).ReportBreach(request))

    assert ("INVALID_ARGUMENT", "FIELD_INVALID") == (found.code, found.reason)
    assert wrong in found.fields
    assert before == await _newest(channel)


@pytest.mark.parametrize("field", ["awareness_time", "start_time", "discovery_time"])
async def test_nothing_happens_in_the_future(channel: grpc.aio.Channel, field: str) -> None:
    """No time of a breach is later than now, beyond what clocks may differ."""
    given = breach(
        scope=pb.BreachScope(roles=[CONTROLLER]), **{field: at(BEGIN + timedelta(minutes=2))}
    )
    request = pb.ReportBreachRequest(breach=given, request_id=new_id())

    found = await refused(BreachServiceStub(channel).ReportBreach(request))

    assert ("TIME_IN_FUTURE", (f"breach.{field}",)) == (found.reason, found.fields)


@pytest.mark.parametrize(
    ("scope", "reason"),
    [
        (pb.BreachScope(tenants=["tenants/nobody-at-all"]), "TENANT_NOT_FOUND"),
        (pb.BreachScope(categories=["categories/nothing-at-all"]), "CATEGORY_NOT_FOUND"),
    ],
)
async def test_what_a_scope_names_must_exist(
    channel: grpc.aio.Channel, scope: pb.BreachScope, reason: str
) -> None:
    """A misspelt tenant or category is no breach of nobody."""
    request = pb.ReportBreachRequest(breach=breach(scope=scope), request_id=new_id())

    found = await refused(BreachServiceStub(channel).ReportBreach(request))

    assert ("NOT_FOUND", reason) == (found.code, found.reason)


@pytest.mark.parametrize(
    "part",
    [
        {"subjects": [types_pb2.Subject(subject_id="somebody")]},
        {"purposes": ["purposes/analytics_preview"]},
        {"holders": ["holders/crm"]},
        {"caller": "a-caller"},
        {"window_start_time": at(BEGIN)},
        {"window_end_time": at(BEGIN)},
    ],
)
async def test_what_narrows_and_is_not_built_is_refused(
    channel: grpc.aio.Channel, part: dict[str, Any]
) -> None:
    """A part of the scope that isn't built is refused, for ignoring it would tell too many."""
    scope = pb.BreachScope(roles=[PROCESSOR], **part)
    request = pb.ReportBreachRequest(breach=breach(scope=scope), request_id=new_id())

    found = await refused(BreachServiceStub(channel).ReportBreach(request))

    assert ("UNIMPLEMENTED", "NOT_BUILT_YET") == (found.code, found.reason)
    assert f"BreachScope.{next(iter(part))}" == found.metadata["what"]


async def test_every_step_is_a_version_that_stays(channel: grpc.aio.Channel) -> None:
    """Measures, assessments and the end each make a version; the earlier ones never change."""
    tenant = await new_tenant(channel)
    reported = await report(channel, of_tenants(tenant))
    stub = BreachServiceStub(channel)

    measured = await stub.LogBreachMeasure(
        pb.LogBreachMeasureRequest(
            name=reported.name,
            measure=pb.BreachMeasure(
                phase=pb.BreachMeasure.PHASE_CONTAINMENT, description="Access was closed."
            ),
            request_id=new_id(),
        )
    )
    assessed = await stub.AssessBreachRisk(
        pb.AssessBreachRiskRequest(
            name=reported.name,
            risk=pb.RiskAssessment(level=pb.RISK_LEVEL_RISK, reasoning="Names were readable."),
            request_id=new_id(),
        )
    )
    closed = await stub.CloseBreach(
        pb.CloseBreachRequest(name=reported.name, lessons="Test backups.", request_id=new_id())
    )

    kept = [
        (await stub.GetBreach(pb.GetBreachRequest(name=reported.name, version=version))).breach
        for version in (1, 2, 3, 4, 0)
    ]
    assert [reported, measured.breach, assessed.breach, closed.breach, closed.breach] == kept
    assert ["Access was closed."] == [measure.description for measure in kept[4].measures]
    assert pb.RISK_LEVEL_RISK == kept[4].risk.level
    assert (pb.BREACH_STATE_OPEN, pb.BREACH_STATE_CLOSED) == (kept[2].state, kept[3].state)


async def test_a_closed_breach_takes_no_more(channel: grpc.aio.Channel) -> None:
    """After its end a breach is evidence; a repeat of the call that ended it is answered."""
    reported = await report(channel, of_tenants(await new_tenant(channel)))
    stub = BreachServiceStub(channel)
    closing = pb.CloseBreachRequest(
        name=reported.name, lessons="Test backups.", request_id=new_id("close")
    )
    closed = await stub.CloseBreach(closing)
    measure = pb.BreachMeasure(phase=pb.BreachMeasure.PHASE_REMEDIATION, description="Late.")
    risk = pb.RiskAssessment(level=pb.RISK_LEVEL_HIGH, reasoning="Late.")
    late: list[Any] = [
        stub.LogBreachMeasure(
            pb.LogBreachMeasureRequest(name=reported.name, measure=measure, request_id=new_id())
        ),
        stub.AssessBreachRisk(
            pb.AssessBreachRiskRequest(name=reported.name, risk=risk, request_id=new_id())
        ),
        stub.CloseBreach(
            pb.CloseBreachRequest(name=reported.name, lessons="Again.", request_id=new_id())
        ),
    ]

    found = [await refused(call) for call in late]

    expected = ("FAILED_PRECONDITION", "BREACH_CLOSED")
    assert [expected] * 3 == [(refusal.code, refusal.reason) for refusal in found]
    assert closed.breach == (await stub.CloseBreach(closing)).breach


async def test_an_unknown_breach_is_not_found(channel: grpc.aio.Channel) -> None:
    """A breach that there isn't, or a version that it hasn't, is NOT_FOUND."""
    reported = await report(channel, of_tenants(await new_tenant(channel)))
    stub = BreachServiceStub(channel)

    found = [
        await refused(stub.GetBreach(asked))
        for asked in (
            pb.GetBreachRequest(name="breaches/nothing"),
            pb.GetBreachRequest(name=reported.name, version=2),
            pb.GetBreachRequest(name=reported.name, version=2**62),
        )
    ]

    assert [("NOT_FOUND", "BREACH_NOT_FOUND")] * 3 == [(r.code, r.reason) for r in found]


async def test_breaches_are_listed_newest_first(channel: grpc.aio.Channel) -> None:
    """Pages of one go through all breaches, each once, in its newest version."""
    tenant = await new_tenant(channel)
    reported = [(await report(channel, of_tenants(tenant))).name for _ in range(3)]
    stub = BreachServiceStub(channel)
    await stub.CloseBreach(
        pb.CloseBreachRequest(name=reported[1], lessons="Enough.", request_id=new_id())
    )

    listed: list[str] = []
    token = ""
    while len(listed) < 2:
        page = await stub.ListBreaches(
            pb.ListBreachesRequest(state=pb.BREACH_STATE_OPEN, page_size=1, page_token=token)
        )
        token = page.next_page_token
        listed += [found.name for found in page.breaches]

    assert [reported[2], reported[0]] == listed


async def _newest(channel: grpc.aio.Channel) -> str:
    """Return the name of the breach that was reported last, or ""."""
    page = await BreachServiceStub(channel).ListBreaches(pb.ListBreachesRequest(page_size=1))
    return "".join(found.name for found in page.breaches)
