"""Planning a sweep: who is due now, tenant by tenant, kept in slices as they are found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.domain.catalogue.change_states import PLATFORM
from server.domain.change import Change, Delete, Insert
from server.domain.ledger import new_entry
from server.domain.ports import Query
from server.domain.retention.retention import cutoff_date, use_of
from server.domain.retention.sweep import (
    SLICE,
    PlanTally,
    Sweep,
    SweepSlice,
    SweepState,
    TenantCount,
    slice_id,
    slice_ids,
    slices,
)
from server.domain.tenants import TENANTS, Tenant

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from server.domain.call import Call
    from server.domain.change import Write
    from server.domain.ports import Ports
    from server.domain.retention.anchors import Anchors
    from server.domain.tenants import Tenants
    from server.domain.values import Role

_TENANTS_AT_A_TIME = 100


class Planning:
    """Finds out whom a sweep would destroy, and destroys nobody.

    The slices are kept while they are found, and the sweep after them: memory holds one
    slice, however many are due. An interrupted plan leaves slices without a sweep, which
    nothing will ever execute.
    """

    def __init__(self, ports: Ports, tenants: Tenants, anchors: Anchors) -> None:
        """Find who is due with *anchors*."""
        self._ports = ports
        self._tenants = tenants
        self._anchors = anchors

    async def plan(self, call: Call, role: Role, only_tenant: str) -> Sweep:
        """Return the plan of a sweep of *role*, not kept yet; of one tenant or of all ("").

        Raises:
            TenantNotFoundError: there is no such tenant.
            RetentionRuleNotFoundError: the catalogue has no rule for the role.
        """
        rule = await self._anchors.rule(role)
        tally = PlanTally(self._ports.ids.new(role), rule, self._ports.clock.now())
        async for tenant in self._asked(only_tenant):
            await self._plan_tenant(call, tenant, tally, is_only=bool(only_tenant))
        return Sweep(
            id=tally.sweep,
            tenant=PLATFORM,
            version=1,
            role=role,
            only_tenant=only_tenant,
            rule=rule.id,
            rule_version=rule.version,
            months=rule.months,
            state=SweepState.PLANNED,
            plan_time=tally.plan_time,
            plan_hash=tally.hash(only_tenant),
            sample=tally.sample,
            unanchored=tally.unanchored,
            counts=tuple(tally.counts),
        )

    async def discard(self, call: Call, sweep: Sweep) -> None:
        """Take the slices of a plan away that was made twice, by a call and its repeat."""
        for tenant, id in slice_ids(sweep):
            table = slices(sweep.role)
            found = await self._ports.reader.get(table, tenant, id, SweepSlice)
            if found is not None:
                await self._commit(call, sweep.role, found, Delete(table, found), "discarded")

    async def _asked(self, only_tenant: str) -> AsyncIterator[Tenant]:
        if only_tenant:
            yield await self._tenants.get(only_tenant)
            return
        query = Query(TENANTS, tenant=None, limit=_TENANTS_AT_A_TIME)
        async for tenant in self._ports.reader.scan(query, Tenant):
            yield tenant

    async def _plan_tenant(
        self, call: Call, tenant: Tenant, tally: PlanTally, *, is_only: bool
    ) -> None:
        rule = tally.rule
        cutoff = cutoff_date(rule, tally.plan_time, tenant.time_zone)
        use = use_of(await self._anchors.chatbots(rule, tenant.id))
        due = 0
        found = self._anchors.due(rule, tenant.id, use, cutoff)
        async for number, planned in _sliced(found):
            tally.add(tenant.id, planned)
            due += len(planned)
            id = slice_id(tenant.id, tally.sweep, number)
            made = SweepSlice(id, tenant.id, 1, tally.sweep, planned)
            await self._commit(call, rule.role, made, Insert(slices(rule.role), made), "planned")
        # Where one tenant is asked about, "nobody" is an answer, too.
        if due or is_only:
            tally.counts.append(TenantCount(tenant.id, tenant.time_zone, cutoff, due))
        tally.unanchored += await self._anchors.unanchored(rule, tenant.id, use)

    async def _commit(
        self, call: Call, role: Role, made: SweepSlice, write: Write, event: str
    ) -> None:
        entry = new_entry(
            call,
            self._ports.ids,
            tenant=made.tenant,
            type=f"retention.slice_{event}",
            time=self._ports.clock.now(),
            role=role,
            target=f"sweeps/{made.sweep}",
        )
        await self._ports.committer.commit(Change((write,), (entry,)), type(None))


async def _sliced(
    found: AsyncIterator[tuple[str, int]],
) -> AsyncIterator[tuple[int, dict[str, int]]]:
    """Yield what is *found* in numbered slices."""
    number = 0
    planned: dict[str, int] = {}
    async for reference, generation in found:
        planned[reference] = generation
        if len(planned) == SLICE:
            yield number, planned
            number, planned = number + 1, {}
    if planned:
        yield number, planned
