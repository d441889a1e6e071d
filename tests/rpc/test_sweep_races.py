"""An interaction that arrives at the worst moment of a sweep saves the person.

The domain's services run on the real storage of a real server. What a sweep wants to commit is
held until the interaction has been acknowledged; broken variants show that it would be noticed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

import grpc
import pytest

from server.compose import App
from server.domain.call import Call
from server.domain.catalogue.catalogues import Catalogues
from server.domain.change import Change, Committed, Delete, Insert
from server.domain.clock import SteppingClock
from server.domain.errors import StorageUnavailableError
from server.domain.ports import Committer, Ports
from server.domain.retention.anchors import Anchors
from server.domain.retention.destruction import Destruction, Order, Seen
from server.domain.retention.execution import Execution
from server.domain.retention.planning import Planning
from server.domain.retention.sweep import Fate, Sweep, SweepSlice
from server.domain.retention.sweeps import Sweeps
from server.domain.rights.erasure import Erasure, Erasures
from server.domain.subjects import Subjects, saved
from server.domain.tenants import Tenants
from server.domain.values import Role
from tests.rpc.kept import CALL, subject_id
from tests.rpc.people import end_user, new_id, new_tenant, own_user
from tests.rpc.sweeping import explained, interact, is_kept, new_chatbot

E = TypeVar("E")

DAY = timedelta(days=1)


class Interrupted:
    """A committer that has something else happen before the first destruction of a sweep."""

    def __init__(self, committer: Committer, meanwhile: Callable[[], Awaitable[object]]) -> None:
        self._committer = committer
        self._meanwhile = meanwhile
        self.is_over = False

    async def commit(self, change: Change, outcome: type[E]) -> Committed[E]:
        """Commit *change*, which was decided before what happens now."""
        if not self.is_over and _destroys(change):
            self.is_over = True
            await self._meanwhile()
        return await self._committer.commit(change, outcome)


class Counting(Interrupted):
    """The same before a slice is counted."""

    async def commit(self, change: Change, outcome: type[E]) -> Committed[E]:
        """Commit *change*, which was decided before what happens now."""
        counts = any(
            isinstance(w, Delete) and isinstance(w.entity, SweepSlice) for w in change.writes
        )
        if not self.is_over and counts:
            self.is_over = True
            await self._meanwhile()
        return await self._committer.commit(change, outcome)


class Failing:
    """A committer whose database can't confirm what would destroy somebody, once."""

    def __init__(self, committer: Committer, *, after: bool) -> None:
        self._committer = committer
        self._after = after
        self.is_over = False

    async def commit(self, change: Change, outcome: type[E]) -> Committed[E]:
        """Fail at the first destruction, before or after it has become durable."""
        if self.is_over or not _destroys(change):
            return await self._committer.commit(change, outcome)
        self.is_over = True
        if self._after:
            await self._committer.commit(change, outcome)
        raise StorageUnavailableError


def _destroys(change: Change) -> bool:
    return any(isinstance(w, Insert) and isinstance(w.entity, Erasure) for w in change.writes)


class Hasty(Destruction):
    """Broken: takes the plan for the truth."""

    def is_due(self, order: Order, seen: Seen) -> bool:  # noqa: ARG002 – nothing is looked at
        """Tell that it is."""
        return True


class Loose(Destruction):
    """Broken: looks again, but doesn't hold on to what it saw."""

    async def _end(self, order: Order, seen: Seen) -> None:
        await super()._end(order, Seen(seen.rule, seen.subject, None))


class Incurious(Destruction):
    """Broken: holds on to the chatbots that it saw, and not to there being no others."""

    async def _end(self, order: Order, seen: Seen) -> None:
        await super()._end(order, seen._replace(roster=None))


class Forgetful(Destruction):
    """Broken: takes whoever is gone already for somebody else's doing."""

    async def _fate_of_ended(self, order: Order, reference: str, generation: int) -> Fate:  # noqa: ARG002 – as above
        return Fate.SKIPPED


async def made(ports: Ports, destruction: type[Destruction] = Destruction) -> Sweeps:
    """Return the service on *ports*, with this *destruction*."""
    catalogues, tenants = Catalogues(ports), Tenants(ports)
    await catalogues.refresh()
    anchors = Anchors(ports, tenants, catalogues)
    execution = Execution(ports, destruction(ports, anchors, Erasures(ports)))
    return Sweeps(ports, Planning(ports, tenants, anchors), execution)


async def executed(sweeps: Sweeps, role: Role, tenant: str) -> Sweep:
    """Plan and execute a sweep of *tenant*, and return how it ended."""
    call = Call("test", "Tests/Sweep", request_id=new_id(), content=b"")
    planned = (await sweeps.plan(call, role, tenant.removeprefix("tenants/"))).outcome
    return await resumed(sweeps, planned)


async def resumed(sweeps: Sweeps, planned: Sweep) -> Sweep:
    """Execute what was planned, and return how it ended."""
    call = Call("test", "Tests/Sweep")
    states = [
        state
        async for state in sweeps.execute(
            call, planned.id, plan_hash=planned.plan_hash, limit=10_000
        )
    ]
    return states[-1]


async def end_user_who_comes_back(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock, kind: type[Destruction]
) -> bool:
    """Have somebody interact between the last look and the commit; tell whether that saved them."""
    tenant = await new_tenant(channel)
    who = end_user(tenant)
    await interact(channel, who)
    clock.advance(months=25)
    interrupted = Interrupted(app.ports.committer, lambda: interact(channel, who))

    await executed(
        await made(replace(app.ports, committer=interrupted), kind), Role.PROCESSOR, tenant
    )

    assert interrupted.is_over
    return await is_kept(channel, who)


async def user_whose_chatbot_is_used(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock, kind: type[Destruction]
) -> bool:
    """The same for a tenant's own person, who is counted from the tenant's chatbots."""
    tenant = await new_tenant(channel)
    chatbot, who = await new_chatbot(channel, tenant), own_user(tenant)
    await interact(channel, who)
    await interact(channel, end_user(tenant), chatbot=chatbot)
    clock.advance(DAY, months=36)
    interrupted = Interrupted(
        app.ports.committer, lambda: interact(channel, end_user(tenant), chatbot=chatbot)
    )

    await executed(
        await made(replace(app.ports, committer=interrupted), kind), Role.CONTROLLER, tenant
    )

    assert interrupted.is_over
    return await is_kept(channel, who)


async def user_whose_new_chatbot_is_used(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock, kind: type[Destruction]
) -> bool:
    """The same where the chatbot didn't even exist when the person was looked at."""
    tenant = await new_tenant(channel)
    who = own_user(tenant)
    await interact(channel, who)
    clock.advance(DAY, months=36)

    async def meanwhile() -> None:
        chatbot = await new_chatbot(channel, tenant)
        await interact(channel, end_user(tenant), chatbot=chatbot)

    interrupted = Interrupted(app.ports.committer, meanwhile)

    await executed(
        await made(replace(app.ports, committer=interrupted), kind), Role.CONTROLLER, tenant
    )

    assert interrupted.is_over
    return await is_kept(channel, who)


SCENARIOS = [
    end_user_who_comes_back,
    user_whose_chatbot_is_used,
    user_whose_new_chatbot_is_used,
]
Scenario = Callable[[App, grpc.aio.Channel, SteppingClock, type[Destruction]], Awaitable[bool]]


@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_interaction_at_the_last_moment_saves(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock, scenario: Scenario
) -> None:
    """An interaction that was acknowledged before the destruction is committed prevents it."""
    assert await scenario(app, channel, clock, Destruction)


@pytest.mark.parametrize(
    ("scenario", "broken"),
    [
        *((scenario, broken) for scenario in SCENARIOS for broken in (Hasty, Loose)),
        (user_whose_new_chatbot_is_used, Incurious),
    ],
)
async def test_broken_variants_destroy(
    app: App,
    channel: grpc.aio.Channel,
    clock: SteppingClock,
    scenario: Scenario,
    broken: type[Destruction],
) -> None:
    """Without the second look, or without holding on to what it saw, the person would be gone."""
    assert not await scenario(app, channel, clock, broken)


async def test_restriction_stands_against_destruction(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """Art. 18: whoever had the processing restricted may need the data, and is skipped."""
    tenant = await new_tenant(channel)
    who = end_user(tenant)
    await interact(channel, who)
    found = await Subjects(app.ports).require(CALL, subject_id(who))
    restricted = replace(found, version=found.version + 1, restriction="acme/entry")
    await app.ports.committer.commit(Change((saved(restricted),), ()), type(None))
    clock.advance(months=25)

    ended = await executed(await made(app.ports), Role.PROCESSOR, tenant)

    assert (1, 0, 1) == (ended.due, ended.destroyed, ended.skipped)
    assert "restricted" in (await explained(channel, who)).explanation


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(("kind", "is_right"), [(Destruction, True), (Forgetful, False)])
async def test_nothing_is_counted_that_nobody_knows(
    app: App,
    channel: grpc.aio.Channel,
    clock: SteppingClock,
    kind: type[Destruction],
    *,
    is_right: bool,
    after: bool,
) -> None:
    """When the database can't confirm, the sweep stays open, and the next call finds out.

    A variant that doesn't look who ended a life loses count of those that were destroyed.
    """
    tenant = await new_tenant(channel)
    for who in (end_user(tenant), end_user(tenant)):
        await interact(channel, who)
    clock.advance(months=25)
    failing = Failing(app.ports.committer, after=after)
    sweeps = await made(replace(app.ports, committer=failing), kind)
    call = Call("test", "Tests/Sweep", request_id=new_id(), content=b"")
    planned = (await sweeps.plan(call, Role.PROCESSOR, tenant.removeprefix("tenants/"))).outcome

    with pytest.raises(StorageUnavailableError):
        await resumed(sweeps, planned)
    between = await sweeps.get(planned.id)
    ended = await resumed(sweeps, planned)

    assert (False, 0) == (between.is_ended, between.destroyed)
    assert ended.is_ended
    assert is_right is (ended.destroyed == 2)


async def test_a_slice_is_counted_once(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """Two servers that have finished the same slice add it to the sweep once."""
    tenant = await new_tenant(channel)
    await interact(channel, end_user(tenant))
    clock.advance(months=25)
    call = Call("test", "Tests/Sweep", request_id=new_id(), content=b"")
    sweeps = await made(app.ports)
    planned = (await sweeps.plan(call, Role.PROCESSOR, tenant.removeprefix("tenants/"))).outcome
    interrupted = Counting(app.ports.committer, lambda: resumed(sweeps, planned))

    ended = await resumed(await made(replace(app.ports, committer=interrupted)), planned)

    assert interrupted.is_over
    assert (1, 0, 0) == (ended.destroyed, ended.skipped, ended.failed)
