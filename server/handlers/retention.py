"""RetentionService: translates between the contract and interactions, anchors and sweeps."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from datetime import UTC, datetime
from typing import ClassVar

from privacyrights.v1 import error_reason_pb2, types_pb2
from privacyrights.v1 import retention_service_pb2 as pb
from server.domain.call import Call
from server.domain.ports import Clock
from server.domain.retention.anchors import Anchors
from server.domain.retention.interactions import Interactions, ItemOutcome, NewInteraction
from server.domain.retention.retention import Outcome
from server.domain.retention.sweep import Sweep, SweepState, TenantCount
from server.domain.retention.sweeps import Sweeps
from server.domain.values import InvalidValueError, sha256_digest
from server.handlers import names
from server.handlers.catalogue_content import ANCHOR_NUMBERS
from server.handlers.fields import ROLE_NUMBERS, Fields
from server.handlers.pages import page
from server.handlers.times import timestamp

MAX_INTERACTIONS = 1000
DEFAULT_BLAST_RADIUS = 10_000
ANY_TIME = datetime.min.replace(tzinfo=UTC)
MAX_COUNTS = 1000
"""Most counts that a sweep itself is shown with."""

_STATES = {state: pb.SweepState.Value(f"SWEEP_STATE_{state.name}") for state in SweepState}
_OUTCOMES = {
    outcome: pb.RetentionOutcome.Value(f"RETENTION_OUTCOME_{outcome.name}") for outcome in Outcome
}


class RetentionHandler:
    """Answers the calls of RetentionService."""

    SERVICE: ClassVar[str] = "privacyrights.v1.RetentionService"
    CATCHES_UP = True
    NOT_BUILT: ClassVar[dict[str, tuple[str, ...]]] = {
        "PlanSweep": ("retention_rules", "plan_time"),
        "ListSweeps": ("states", "tenant"),
    }
    LEFT_EMPTY = (
        "Retention.holds",
        "Retention.days",
        "Retention.exceptions",
        "Sweep.held_count",
        "Sweep.holds",
        "Sweep.outcomes",
        "Sweep.executable_time",
        "Sweep.warned_count",
        "Sweep.start_time",
        "Sweep.cancel_reason",
        "Sweep.remaining_ciphertexts",
        "SweepCount.category",
        "SweepCount.held_count",
    )

    def __init__(
        self, interactions: Interactions, anchors: Anchors, sweeps: Sweeps, clock: Clock
    ) -> None:
        """Ask *interactions*, *anchors* and *sweeps*."""
        self._interactions = interactions
        self._anchors = anchors
        self._sweeps = sweeps
        self._clock = clock

    async def RecordInteraction(
        self, request: pb.RecordInteractionRequest, call: Call
    ) -> pb.RecordInteractionResponse:
        """Record that a subject interacted."""
        fields = Fields(self._clock.now())
        fields.request_id(request.request_id)
        new = _interaction(fields, "interaction", request.interaction)
        fields.done()
        committed = await self._interactions.record(call, new)
        return pb.RecordInteractionResponse(
            last_interaction_date=committed.outcome.last_date, consistency_token=committed.token
        )

    async def BatchRecordInteractions(
        self, request: pb.BatchRecordInteractionsRequest, call: Call
    ) -> pb.BatchRecordInteractionsResponse:
        """Record interactions of one tenant and role, each with its own outcome."""
        fields = Fields(self._clock.now())
        fields.request_id(request.request_id)
        if not 1 <= len(request.interactions) <= MAX_INTERACTIONS:
            fields.wrong("interactions", f"must have 1-{MAX_INTERACTIONS} interactions")
            fields.done()
        news = [
            _interaction(fields, f"interactions[{index}]", one)
            for index, one in enumerate(request.interactions)
        ]
        fields.done()
        role, tenant = news[0].who.role, news[0].who.tenant
        for index, new in enumerate(news):
            if (new.who.role, new.who.tenant) != (role, tenant):
                rule = "must have the tenant and role of the first"
                fields.wrong(f"interactions[{index}].subject", rule)
        fields.done()
        committed = await self._interactions.record_batch(call, role, tenant, news)
        return pb.BatchRecordInteractionsResponse(
            outcomes=[_outcome(item) for item in committed.outcome.items],
            consistency_token=committed.token,
        )

    async def GetRetention(
        self, request: pb.GetRetentionRequest, call: Call
    ) -> pb.GetRetentionResponse:
        """Explain a subject's retention."""
        fields = Fields(self._clock.now())
        who = fields.subject("subject", request.subject)
        fields.done()
        found = await self._anchors.explain(call, who)
        return pb.GetRetentionResponse(
            retention=pb.Retention(
                subject_reference=found.whom.reference,
                anchor_date=found.anchor_date,
                retention_rule=f"retentionRules/{found.rule.id}",
                months=found.rule.months,
                due_time=timestamp(found.due_time),
                explanation=found.explanation,
                anchor=ANCHOR_NUMBERS[found.rule.anchor],
                outcome=_OUTCOMES[found.outcome(self._clock.now())],
                generation=found.whom.generation,
            )
        )

    async def PlanSweep(self, request: pb.PlanSweepRequest, call: Call) -> pb.PlanSweepResponse:
        """Work out whom a sweep would destroy."""
        fields = Fields(self._clock.now())
        fields.not_built(request, *self.NOT_BUILT["PlanSweep"])
        fields.request_id(request.request_id)
        role = fields.role("role", request.role)
        tenant = fields.optional("tenant", names.tenant, request.tenant)
        fields.done()
        committed = await self._sweeps.plan(call, role, tenant)
        return pb.PlanSweepResponse(
            sweep=_sweep(committed.outcome), consistency_token=committed.token
        )

    async def ExecuteSweep(
        self, request: pb.ExecuteSweepRequest, call: Call
    ) -> AsyncIterator[pb.ExecuteSweepResponse]:
        """Execute a plan, streaming its progress."""
        fields = Fields(self._clock.now())
        fields.request_id(request.request_id)
        sweep = fields.take("name", names.sweep, request.name)
        plan_hash = fields.take("plan_hash", sha256_digest, request.plan_hash)
        if request.blast_radius_limit < 0:
            fields.wrong("blast_radius_limit", "must not be negative")
        fields.done()
        limit = request.blast_radius_limit or DEFAULT_BLAST_RADIUS
        executing = self._sweeps.execute(call, sweep, plan_hash=plan_hash, limit=limit)
        # Closed at once when the caller hangs up: that is what stops the sweep.
        async with aclosing(executing) as states:
            async for after in states:
                yield pb.ExecuteSweepResponse(sweep=_sweep(after))

    async def GetSweep(self, request: pb.GetSweepRequest, _call: Call) -> pb.GetSweepResponse:
        """Return a sweep."""
        fields = Fields(self._clock.now())
        sweep = fields.take("name", names.sweep, request.name)
        fields.done()
        return pb.GetSweepResponse(sweep=_sweep(await self._sweeps.get(sweep)))

    async def ListSweeps(self, request: pb.ListSweepsRequest, _call: Call) -> pb.ListSweepsResponse:
        """List the sweeps of one role, newest first."""
        fields = Fields(self._clock.now())
        fields.not_built(request, *self.NOT_BUILT["ListSweeps"])
        asked = page(fields, request)
        role = fields.role("role", request.role)
        fields.done()
        found = await self._sweeps.list(role, after=asked.after, limit=asked.limit)
        shown, token = asked.cut(found, lambda sweep: (sweep.id, sweep.id))
        return pb.ListSweepsResponse(
            sweeps=[_sweep(sweep) for sweep in shown], next_page_token=token
        )

    async def ListSweepCounts(
        self, request: pb.ListSweepCountsRequest, _call: Call
    ) -> pb.ListSweepCountsResponse:
        """List a sweep's counts, sorted by tenant."""
        fields = Fields(self._clock.now())
        asked = page(fields, request)
        sweep = fields.take("parent", names.sweep, request.parent)
        tenant = fields.optional("tenant", names.tenant, request.tenant)
        fields.done()
        last = asked.after[1] if asked.after else ""
        found = sorted(
            (count for count in (await self._sweeps.get(sweep)).counts if count.tenant > last),
            key=lambda count: count.tenant,
        )
        matching = [count for count in found if tenant in ("", count.tenant)]
        shown, token = asked.cut(matching, lambda count: (count.tenant, count.tenant))
        return pb.ListSweepCountsResponse(
            sweep_counts=[_count(count) for count in shown], next_page_token=token
        )

    async def GetSweepCertificate(
        self, request: pb.GetSweepCertificateRequest, _call: Call
    ) -> pb.GetSweepCertificateResponse:
        """Return the signed certificate of what a sweep destroyed for a tenant."""
        fields = Fields(self._clock.now())
        sweep = fields.take("name", names.sweep, request.name)
        tenant = fields.take("tenant", names.tenant, request.tenant)
        fields.done()
        return pb.GetSweepCertificateResponse(jws=await self._sweeps.certificate(sweep, tenant))


def _interaction(fields: Fields, at: str, interaction: pb.Interaction) -> NewInteraction:
    """Return what is reported; whether its time can be is decided for each by itself."""
    who = fields.subject(f"{at}.subject", interaction.subject)
    chatbot = fields.optional(f"{at}.chatbot", _chatbot_of(who.tenant), interaction.chatbot)
    time = fields.time(
        f"{at}.interaction_time", interaction, interaction.interaction_time, earliest=ANY_TIME
    )
    return NewInteraction(who, chatbot, time)


def _chatbot_of(tenant: str) -> Callable[[str], str]:
    def parse(name: str) -> str:
        owner, id = names.chatbot(name)
        if owner != tenant:
            raise InvalidValueError("must be a chatbot of the subject's tenant")
        return id

    return parse


def _outcome(item: ItemOutcome) -> pb.BatchRecordInteractionsResponse.Outcome:
    if not item.reason:
        return pb.BatchRecordInteractionsResponse.Outcome(last_interaction_date=item.last_date)
    failure = types_pb2.ItemFailure(
        reason=error_reason_pb2.ErrorReason.Value(f"ERROR_REASON_{item.reason}"),
        message=item.message,
        field=item.field,
    )
    return pb.BatchRecordInteractionsResponse.Outcome(failure=failure)


def _sweep(sweep: Sweep) -> pb.Sweep:
    return pb.Sweep(
        name=sweep.name,
        role=ROLE_NUMBERS[sweep.role],
        tenant=sweep.only_tenant and f"tenants/{sweep.only_tenant}",
        retention_rules=[f"retentionRules/{sweep.rule}"],
        state=_STATES[sweep.state],
        plan_time=timestamp(sweep.plan_time),
        counts=[_count(count) for count in sweep.largest(MAX_COUNTS)],
        due_count=sweep.due,
        samples=[_sample(id) for id in sweep.sample],
        plan_hash=sweep.plan_hash,
        destroyed_count=sweep.destroyed,
        skipped_count=sweep.skipped,
        failed_count=sweep.failed,
        end_time=timestamp(sweep.end_time),
        unanchored_count=sweep.unanchored,
        remaining_count=sweep.remaining,
    )


def _count(count: TenantCount) -> pb.SweepCount:
    return pb.SweepCount(
        tenant=f"tenants/{count.tenant}",
        due_count=count.due,
        destroyed_count=count.destroyed,
        skipped_count=count.skipped,
        failed_count=count.failed,
    )


def _sample(subject: str) -> pb.SweepSample:
    tenant, _, reference = subject.partition("/")
    return pb.SweepSample(tenant=f"tenants/{tenant}", subject_reference=reference)
