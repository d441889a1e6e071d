"""A sweep destroys by the rule that is in force when it destroys, not when it was planned.

The catalogue is changed behind the back of the server that executes, as another server would.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import grpc
import pytest

from server.compose import App
from server.domain.call import Call
from server.domain.catalogue.catalogue import (
    CATALOGUES,
    Anchor,
    Catalogue,
    Proposal,
    RetentionRule,
)
from server.domain.catalogue.catalogues import Catalogues
from server.domain.catalogue.line import HEAD, HEADS, Head
from server.domain.change import Change, Insert
from server.domain.clock import SteppingClock
from server.domain.errors import BlastRadiusExceededError
from server.domain.ports import Ports
from server.domain.retention.anchors import Anchors
from server.domain.retention.destruction import Destruction, Order, Seen
from server.domain.retention.execution import Execution
from server.domain.retention.planning import Planning
from server.domain.retention.sweep import Sweep
from server.domain.retention.sweeps import Sweeps
from server.domain.rights.erasure import Erasures
from server.domain.tenants import Tenants
from server.domain.values import Role
from tests.rpc.people import end_user, new_id, new_tenant, own_user
from tests.rpc.sweeping import interact, is_kept, new_chatbot

DAY = timedelta(days=1)


class Planned(Destruction):
    """Broken: goes by the day that was planned."""

    def is_due(self, order: Order, seen: Seen) -> bool:
        """Tell whether the plan's day has passed."""
        return bool(seen.own_day) and seen.own_day <= order.planned.cutoff_date


class Eager(Destruction):
    """Broken: goes by the rule in force alone, beyond what was planned and looked at."""

    def is_due(self, order: Order, seen: Seen) -> bool:
        """Tell whether the period is over now."""
        beyond = replace(order.planned, cutoff_date="9999-12-31")
        return super().is_due(order._replace(planned=beyond), seen)


class Remembering(Anchors):
    """Broken: knows only the rule in its own server's memory."""

    async def rule_now(self, role: Role) -> RetentionRule:
        """Return what was read last."""
        return await self.rule(role)


async def made(
    ports: Ports, destruction: type[Destruction] = Destruction, anchors: type[Anchors] = Anchors
) -> Sweeps:
    """Return the service on *ports*, put together of these."""
    catalogues, tenants = Catalogues(ports), Tenants(ports)
    await catalogues.refresh()
    reading = anchors(ports, tenants, catalogues)
    execution = Execution(ports, destruction(ports, reading, Erasures(ports)))
    return Sweeps(ports, Planning(ports, tenants, reading), execution)


async def change_rule(ports: Ports, role: Role, **fields: int | Anchor) -> RetentionRule:
    """Have another server change the rule of *role*; return what it was."""
    catalogues = Catalogues(ports)
    known: Catalogue = await catalogues.newest()
    before = known.retention_rule(role)
    rule = replace(before, **fields)  # type: ignore[arg-type]  # a test's own
    following = known.amended(Proposal(retention_rules=(rule,)), ports.clock.now())
    head = await ports.reader.get(HEADS, "", HEAD, Head)
    assert head is not None
    writes = (Insert(CATALOGUES, following), head.saved(following.number, ()))
    await ports.committer.commit(Change(writes, ()), type(None))
    return before


async def planned(sweeps: Sweeps, role: Role, tenant: str) -> Sweep:
    """Plan a sweep of *tenant*."""
    call = Call("test", "Tests/Sweep", request_id=new_id(), content=b"")
    return (await sweeps.plan(call, role, tenant.removeprefix("tenants/"))).outcome


async def execute(sweeps: Sweeps, plan: Sweep, *, limit: int = 10_000) -> Sweep:
    """Execute *plan*, and return how it ended."""
    call = Call("test", "Tests/Sweep", request_id=new_id(), content=b"")
    states = [
        state
        async for state in sweeps.execute(call, plan.id, plan_hash=plan.plan_hash, limit=limit)
    ]
    return states[-1]


@pytest.mark.parametrize(
    ("destruction", "anchors", "kept"),
    [
        (Destruction, Anchors, True),
        (Planned, Anchors, False),
        (Destruction, Remembering, False),
    ],
)
async def test_a_longer_rule_holds_for_what_was_planned_before(
    app: App,
    channel: grpc.aio.Channel,
    clock: SteppingClock,
    destruction: type[Destruction],
    anchors: type[Anchors],
    *,
    kept: bool,
) -> None:
    """Whoever isn't due any more is skipped, whichever server has changed the rule (S12)."""
    tenant = await new_tenant(channel)
    who = end_user(tenant)
    await interact(channel, who)
    clock.advance(months=25)
    sweeps = await made(app.ports, destruction, anchors)
    plan = await planned(sweeps, Role.PROCESSOR, tenant)
    before = await change_rule(app.ports, Role.PROCESSOR, months=30)
    try:
        ended = await execute(sweeps, plan)
    finally:
        await change_rule(app.ports, Role.PROCESSOR, months=before.months)

    assert kept is await is_kept(channel, who)
    assert (1, int(kept)) == (ended.due, ended.skipped)


@pytest.mark.parametrize(("destruction", "kept"), [(Destruction, True), (Eager, False)])
async def test_a_shorter_rule_reaches_nobody_who_was_not_planned_by_it(
    app: App,
    channel: grpc.aio.Channel,
    clock: SteppingClock,
    destruction: type[Destruction],
    *,
    kept: bool,
) -> None:
    """Who came back after the plan isn't destroyed by a rule that nobody has planned with."""
    tenant = await new_tenant(channel)
    who = end_user(tenant)
    await interact(channel, who)
    clock.advance(months=25)
    sweeps = await made(app.ports, destruction)
    plan = await planned(sweeps, Role.PROCESSOR, tenant)
    await interact(channel, who)
    clock.advance(months=2)
    before = await change_rule(app.ports, Role.PROCESSOR, months=1)
    try:
        await execute(sweeps, plan)
    finally:
        await change_rule(app.ports, Role.PROCESSOR, months=before.months)

    assert kept is await is_kept(channel, who)


async def test_what_is_counted_from_is_looked_at_anew(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """A rule that counts from something else since the plan is asked what that is now."""
    tenant = await new_tenant(channel)
    who = own_user(tenant)
    await change_rule(app.ports, Role.CONTROLLER, anchor=Anchor.LAST_INTERACTION)
    try:
        await interact(channel, who)
        clock.advance(DAY, months=36)
        chatbot = await new_chatbot(channel, tenant)
        await interact(channel, end_user(tenant), chatbot=chatbot)
        sweeps = await made(app.ports)
        plan = await planned(sweeps, Role.CONTROLLER, tenant)
    finally:
        await change_rule(app.ports, Role.CONTROLLER, anchor=Anchor.TENANT_CHATBOTS_ELSE_CONNECTION)

    ended = await execute(sweeps, plan)

    assert (1, 1) == (ended.due, ended.skipped)
    assert await is_kept(channel, who)


async def test_nobody_is_an_answer_where_one_tenant_is_asked_about(
    app: App, channel: grpc.aio.Channel
) -> None:
    """A plan of one tenant says that nobody is due there, and of which day that was true."""
    tenant = await new_tenant(channel)
    await interact(channel, end_user(tenant))

    plan = await planned(await made(app.ports), Role.PROCESSOR, tenant)

    assert [(tenant.removeprefix("tenants/"), 0)] == [
        (count.tenant, count.due) for count in plan.counts
    ]
    assert plan.counts[0].cutoff_date


async def test_an_ended_sweep_is_told_whatever_the_limit(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """The limit guards what is to be destroyed; asking how a sweep ended destroys nothing."""
    tenant = await new_tenant(channel)
    for who in (end_user(tenant), end_user(tenant)):
        await interact(channel, who)
    clock.advance(months=25)
    sweeps = await made(app.ports)
    plan = await planned(sweeps, Role.PROCESSOR, tenant)
    with pytest.raises(BlastRadiusExceededError):
        await execute(sweeps, plan, limit=1)
    ended = await execute(sweeps, plan)

    assert ended.is_ended
    assert ended == await execute(sweeps, plan, limit=1)
