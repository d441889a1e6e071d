"""BreachService: translates between the contract, and breaches with their notices."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import ClassVar

from privacyrights.v1 import breach_service_pb2 as pb
from server.domain.breach.breach import Measure
from server.domain.breach.breaches import BreachChanged, Breaches
from server.domain.breach.notices import Notices
from server.domain.call import Call
from server.domain.change import Committed
from server.domain.ports import Clock
from server.domain.values import Role
from server.handlers import names
from server.handlers.breach_messages import (
    LEVELS,
    PHASES,
    STATES,
    breach_message,
    facts,
    notice_message,
    scope,
    text,
)
from server.handlers.fields import Fields
from server.handlers.pages import page

_SCOPE_NOT_BUILT = (
    "subjects",
    "purposes",
    "holders",
    "caller",
    "window_start_time",
    "window_end_time",
)
_BREACH_NOT_BUILT = (
    "end_time",
    "recommendations",
    "notice_delay_reason",
    "estimated_subject_count",
    "estimated_record_count",
)
MAX_WATCHED = 100
"""Most tenants that one stream of notices is about."""


class BreachHandler:
    """Answers the calls of BreachService."""

    SERVICE = "privacyrights.v1.BreachService"
    CATCHES_UP = True
    ENDLESS = frozenset({"WatchNotices"})
    NOT_BUILT: ClassVar[dict[str, tuple[str, ...]]] = {
        "ReportBreach": (
            *(f"breach.{name}" for name in _BREACH_NOT_BUILT),
            *(f"breach.scope.{name}" for name in _SCOPE_NOT_BUILT),
        ),
        "ListBreaches": ("exercise", "authority_due_before_time", "tenant"),
    }
    LEFT_EMPTY = (
        "Breach.notice_due_time",
        "Breach.affected_record_count",
        "Breach.escalated_count",
        "Breach.authority_notifications",
        "Breach.subject_communications",
        "Notice.superseded_by",
        "Notice.risk_level",
        "Notice.affected_record_count",
        "Notice.deliver_time",
        "Notice.escalation_due_time",
        "Notice.escalation_level",
        "Notice.escalate_time",
    )

    def __init__(self, breaches: Breaches, notices: Notices, clock: Clock) -> None:
        """Ask *breaches* and *notices*."""
        self._breaches = breaches
        self._notices = notices
        self._clock = clock

    async def ReportBreach(
        self, request: pb.ReportBreachRequest, call: Call
    ) -> pb.ReportBreachResponse:
        """Record a breach and notify every affected tenant."""
        fields = Fields(self._clock.now())
        fields.not_built(request.breach, *_BREACH_NOT_BUILT)
        fields.not_built(request.breach.scope, *_SCOPE_NOT_BUILT)
        fields.request_id(request.request_id)
        known = facts(fields, request.breach)
        concerned = scope(fields, request.breach.scope)
        fields.done()
        committed = await self._breaches.report(call, known, concerned)
        return pb.ReportBreachResponse(
            breach=await self._version(committed), consistency_token=committed.token
        )

    async def GetBreach(self, request: pb.GetBreachRequest, _call: Call) -> pb.GetBreachResponse:
        """Return a breach as it is known now, or as a past version had it."""
        fields = Fields(self._clock.now())
        id = fields.take("name", names.breach, request.name)
        if request.version < 0:
            fields.wrong("version", "must not be negative")
        fields.done()
        return pb.GetBreachResponse(breach=await self._message(id, request.version))

    async def ListBreaches(
        self, request: pb.ListBreachesRequest, _call: Call
    ) -> pb.ListBreachesResponse:
        """List breaches, newest first."""
        fields = Fields(self._clock.now())
        fields.not_built(request, *self.NOT_BUILT["ListBreaches"])
        asked = page(fields, request)
        state = fields.optional_choice("state", STATES, request.state)
        fields.done()
        found = await self._breaches.list(state=state, after=asked.after, limit=asked.limit)
        shown, token = asked.cut(found, lambda breach: (breach.id, breach.id))
        acknowledged = await self._breaches.acknowledged(shown)
        return pb.ListBreachesResponse(
            breaches=[
                breach_message(breach, count)
                for breach, count in zip(shown, acknowledged, strict=True)
            ],
            next_page_token=token,
        )

    async def LogBreachMeasure(
        self, request: pb.LogBreachMeasureRequest, call: Call
    ) -> pb.LogBreachMeasureResponse:
        """Log a step that was taken."""
        now = self._clock.now()
        fields = Fields(now)
        fields.request_id(request.request_id)
        id = fields.take("name", names.breach, request.name)
        asked = request.measure
        measure = Measure(
            phase=fields.choice("measure.phase", PHASES, asked.phase),
            description=text(fields, "measure.description", asked.description),
            measure_time=fields.past_time("measure.measure_time", asked, asked.measure_time) or now,
        )
        fields.done()
        committed = await self._breaches.log_measure(call, id, measure)
        return pb.LogBreachMeasureResponse(
            breach=await self._version(committed), consistency_token=committed.token
        )

    async def AssessBreachRisk(
        self, request: pb.AssessBreachRiskRequest, call: Call
    ) -> pb.AssessBreachRiskResponse:
        """Record how high the risk to people is."""
        fields = Fields(self._clock.now())
        fields.request_id(request.request_id)
        id = fields.take("name", names.breach, request.name)
        level = fields.choice("risk.level", LEVELS, request.risk.level)
        reasoning = text(fields, "risk.reasoning", request.risk.reasoning)
        fields.done()
        committed = await self._breaches.assess(call, id, level=level, reasoning=reasoning)
        return pb.AssessBreachRiskResponse(
            breach=await self._version(committed), consistency_token=committed.token
        )

    async def CloseBreach(
        self, request: pb.CloseBreachRequest, call: Call
    ) -> pb.CloseBreachResponse:
        """Close a breach with what was learnt."""
        fields = Fields(self._clock.now())
        fields.request_id(request.request_id)
        id = fields.take("name", names.breach, request.name)
        lessons = text(fields, "lessons", request.lessons)
        fields.done()
        committed = await self._breaches.close(call, id, lessons=lessons)
        return pb.CloseBreachResponse(
            breach=await self._version(committed), consistency_token=committed.token
        )

    async def GetNotice(self, request: pb.GetNoticeRequest, call: Call) -> pb.GetNoticeResponse:
        """Return a notice."""
        fields = Fields(self._clock.now())
        name = fields.take("name", names.notice, request.name)
        fields.done()
        tenant, id = name
        letter = await self._notices.read(call, tenant, id)
        return pb.GetNoticeResponse(notice=notice_message(letter))

    async def ListNotices(
        self, request: pb.ListNoticesRequest, call: Call
    ) -> pb.ListNoticesResponse:
        """List a tenant's notices, newest first."""
        fields = Fields(self._clock.now())
        asked = page(fields, request)
        tenant = fields.take("parent", names.tenant, request.parent)
        role = fields.role("role", request.role)
        breach = fields.optional("breach", names.breach, request.breach)
        fields.done()
        found = await self._notices.list(
            call,
            tenant,
            role,
            unacknowledged_only=request.unacknowledged_only,
            breach=breach,
            after=asked.after,
            limit=asked.limit,
        )
        shown, token = asked.cut(found, lambda letter: (letter.notice.id, letter.notice.id))
        return pb.ListNoticesResponse(
            notices=[notice_message(letter) for letter in shown], next_page_token=token
        )

    async def WatchNotices(
        self, request: pb.WatchNoticesRequest, call: Call
    ) -> AsyncGenerator[pb.WatchNoticesResponse]:
        """Stream tenants' notices: the unacknowledged ones, then new ones as they are made."""
        fields = Fields(self._clock.now())
        asked = fields.several("tenants", request.tenants, least=1, most=MAX_WATCHED)
        tenants = [
            fields.take(f"tenants[{index}]", names.tenant, name) for index, name in enumerate(asked)
        ]
        roles = [
            fields.role(f"roles[{index}]", role)
            for index, role in enumerate(fields.several("roles", request.roles, most=len(Role)))
        ]
        fields.done()
        watching = self._notices.watch(
            call, tuple(dict.fromkeys(tenants)), tuple(dict.fromkeys(roles or Role))
        )
        async with aclosing(watching) as letters:
            async for letter in letters:
                yield pb.WatchNoticesResponse(notice=notice_message(letter))

    async def AcknowledgeNotice(
        self, request: pb.AcknowledgeNoticeRequest, call: Call
    ) -> pb.AcknowledgeNoticeResponse:
        """Acknowledge a notice; whoever did so first stays."""
        fields = Fields(self._clock.now())
        fields.request_id(request.request_id)
        name = fields.take("name", names.notice, request.name)
        acknowledged_by = fields.name("acknowledged_by", request.acknowledged_by)
        fields.done()
        tenant, id = name
        committed = await self._notices.acknowledge(
            call, tenant, id, acknowledged_by=acknowledged_by
        )
        letter = await self._notices.get(tenant, id)
        return pb.AcknowledgeNoticeResponse(
            notice=notice_message(letter), consistency_token=committed.token
        )

    async def _version(self, committed: Committed[BreachChanged]) -> pb.Breach:
        """Return the version that a change made: at a repeat, the one that the first call made."""
        return await self._message(committed.outcome.breach, committed.outcome.version)

    async def _message(self, id: str, version: int) -> pb.Breach:
        breach = await self._breaches.get(id, version=version)
        (acknowledged,) = await self._breaches.acknowledged([breach])
        return breach_message(breach, acknowledged)
