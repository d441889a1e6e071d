"""Breaches and notices between the contract's messages and the domain's values."""

from __future__ import annotations

from datetime import datetime
from typing import cast

from privacyrights.v1 import breach_service_pb2 as pb
from server.domain.breach.breach import (
    MAX_TENANTS,
    Breach,
    BreachKind,
    BreachState,
    Facts,
    Measure,
    Phase,
    RiskAssessment,
    RiskLevel,
    Scope,
    Timeline,
)
from server.domain.breach.notices import Letter
from server.domain.values import impersonal, optional_sentence, sentence
from server.handlers import names
from server.handlers.etags import etag
from server.handlers.fields import ROLE_NUMBERS, Fields
from server.handlers.times import timestamp

MAX_CONTACT_POINT = 500
MAX_TEXT = 10_000
MAX_LISTED = 100
"""Most values of a list that is no list of tenants or people."""

STATES = {
    pb.BREACH_STATE_OPEN: BreachState.OPEN,
    pb.BREACH_STATE_CLOSED: BreachState.CLOSED,
}
LEVELS = {
    pb.RISK_LEVEL_UNLIKELY: RiskLevel.UNLIKELY,
    pb.RISK_LEVEL_RISK: RiskLevel.RISK,
    pb.RISK_LEVEL_HIGH: RiskLevel.HIGH,
}
PHASES = {
    pb.BreachMeasure.PHASE_CONTAINMENT: Phase.CONTAINMENT,
    pb.BreachMeasure.PHASE_INVESTIGATION: Phase.INVESTIGATION,
    pb.BreachMeasure.PHASE_MITIGATION: Phase.MITIGATION,
    pb.BreachMeasure.PHASE_REMEDIATION: Phase.REMEDIATION,
}
_KINDS = {
    pb.BREACH_KIND_CONFIDENTIALITY: BreachKind.CONFIDENTIALITY,
    pb.BREACH_KIND_INTEGRITY: BreachKind.INTEGRITY,
    pb.BREACH_KIND_AVAILABILITY: BreachKind.AVAILABILITY,
}
_STATES_OUT = {state: number for number, state in STATES.items()}
_LEVELS_OUT = {level: number for number, level in LEVELS.items()}
_PHASES_OUT = {phase: number for number, phase in PHASES.items()}
_KINDS_OUT = {kind: number for number, kind in _KINDS.items()}


def facts(fields: Fields, breach: pb.Breach) -> Facts:
    """Return what *breach* tells; valid once *fields* is done."""
    kinds = tuple(
        fields.choice(f"breach.kinds[{index}]", _KINDS, kind)
        for index, kind in enumerate(fields.several("breach.kinds", breach.kinds, most=MAX_LISTED))
    )
    description = text(fields, "breach.description", breach.description)
    timeline = _timeline(fields, breach)
    cause = _optional_text(fields, "breach.cause", breach.cause)
    consequences = _optional_text(fields, "breach.consequences", breach.consequences)
    measures = _optional_text(fields, "breach.measures_summary", breach.measures_summary)
    contact = fields.optional(
        "breach.contact_point",
        lambda words: optional_sentence(words, most=MAX_CONTACT_POINT),
        breach.contact_point,
    )
    return fields.take(
        "breach.kinds",
        lambda kinds: Facts(
            kinds=kinds,
            description=description,
            timeline=timeline,
            exercise=breach.exercise,
            cause=cause,
            consequences=consequences,
            measures_summary=measures,
            contact_point=contact,
        ),
        kinds,
    )


def text(fields: Fields, field: str, value: str) -> str:
    """Return *value* as prose about a breach: for everybody, kept in clear, and naming nobody."""
    return fields.take(field, lambda words: impersonal(sentence(words, most=MAX_TEXT)), value)


def scope(fields: Fields, asked: pb.BreachScope) -> Scope:
    """Return whom *asked* names; valid once *fields* is done."""
    tenants = tuple(
        fields.take(f"breach.scope.tenants[{index}]", names.tenant, name)
        for index, name in enumerate(
            fields.several("breach.scope.tenants", asked.tenants, most=MAX_TENANTS)
        )
    )
    roles = tuple(
        fields.role(f"breach.scope.roles[{index}]", role)
        for index, role in enumerate(
            fields.several("breach.scope.roles", asked.roles, most=MAX_LISTED)
        )
    )
    categories = tuple(
        fields.take(f"breach.scope.categories[{index}]", names.category, name)
        for index, name in enumerate(
            fields.several("breach.scope.categories", asked.categories, most=MAX_LISTED)
        )
    )
    return fields.take("breach.scope", lambda parts: Scope(*parts), (tenants, roles, categories))


def breach_message(breach: Breach, acknowledged_count: int) -> pb.Breach:
    """Return *breach* with how many of its notices are acknowledged."""
    told = breach.facts
    return pb.Breach(
        name=f"breaches/{breach.id}",
        kinds=[_KINDS_OUT[kind] for kind in told.kinds],
        description=told.description,
        cause=told.cause,
        start_time=timestamp(told.timeline.start_time),
        discovery_time=timestamp(told.timeline.discovery_time),
        awareness_time=timestamp(told.timeline.awareness_time),
        scope=_scope(breach.scope),
        consequences=told.consequences,
        measures_summary=told.measures_summary,
        contact_point=told.contact_point,
        exercise=told.exercise,
        state=_STATES_OUT[breach.state],
        risk=_risk(breach.risk),
        measures=[_measure(measure) for measure in breach.measures],
        create_time=timestamp(breach.create_time),
        version=breach.version,
        authority_due_time=timestamp(breach.authority_due_time),
        notice_count=breach.notice_count,
        acknowledged_count=acknowledged_count,
        close_time=timestamp(breach.close_time),
        lessons=breach.lessons,
        etag=etag(breach.version),
        affected_tenant_count=breach.tenant_count,
        affected_count=breach.affected_count,
        update_time=timestamp(breach.update_time),
    )


def notice_message(letter: Letter) -> pb.Notice:
    """Return what the tenant is told: its own part and the facts, and nothing of the scope."""
    notice, told = letter.notice, letter.facts
    return pb.Notice(
        name=notice.name,
        breach=f"breaches/{notice.breach}",
        role=ROLE_NUMBERS[notice.role],
        kinds=[_KINDS_OUT[kind] for kind in told.kinds],
        description=told.description,
        categories=[f"categories/{category}" for category in notice.categories],
        affected_count=notice.affected_count,
        contact_point=told.contact_point,
        consequences=told.consequences,
        measures_summary=told.measures_summary,
        awareness_time=timestamp(told.timeline.awareness_time),
        create_time=timestamp(notice.create_time),
        exercise=told.exercise,
        acknowledged_by=letter.acknowledged_by,
        acknowledge_time=timestamp(notice.acknowledge_time),
        breach_version=notice.breach_version,
        supersedes=notice.supersedes and names.to_name("notices", notice.supersedes),
        stage=pb.NOTICE_STAGE_FIRST,
        start_time=timestamp(told.timeline.start_time),
        discovery_time=timestamp(told.timeline.discovery_time),
        authority_due_time=timestamp(notice.authority_due_time),
    )


def _timeline(fields: Fields, breach: pb.Breach) -> Timeline:
    if not breach.HasField("awareness_time"):
        fields.wrong("breach.awareness_time", "must be given")
    awareness = fields.past_time("breach.awareness_time", breach, breach.awareness_time)
    start = fields.past_time("breach.start_time", breach, breach.start_time)
    discovery = fields.past_time("breach.discovery_time", breach, breach.discovery_time)
    return fields.take(
        "breach.discovery_time",
        lambda discovery: Timeline(cast("datetime", awareness), start, discovery),
        discovery,
    )


def _optional_text(fields: Fields, field: str, value: str) -> str:
    return fields.optional(field, lambda words: impersonal(_prose(words)), value)


def _prose(words: str) -> str:
    return optional_sentence(words, most=MAX_TEXT)


def _scope(scope: Scope) -> pb.BreachScope:
    return pb.BreachScope(
        tenants=[f"tenants/{tenant}" for tenant in scope.tenants],
        roles=[ROLE_NUMBERS[role] for role in scope.roles],
        categories=[f"categories/{category}" for category in scope.categories],
    )


def _risk(risk: RiskAssessment | None) -> pb.RiskAssessment | None:
    if risk is None:
        return None
    return pb.RiskAssessment(
        level=_LEVELS_OUT[risk.level],
        reasoning=risk.reasoning,
        assess_time=timestamp(risk.assess_time),
    )


def _measure(measure: Measure) -> pb.BreachMeasure:
    return pb.BreachMeasure(
        phase=_PHASES_OUT[measure.phase],
        description=measure.description,
        measure_time=timestamp(measure.measure_time),
    )
