"""Sweeps over a real channel: planned, executed, interrupted, and certified."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import timedelta
from typing import Any

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from privacyrights.v1 import retention_service_pb2 as pb
from privacyrights.v1 import types_pb2
from server.compose import App
from server.domain.change import Change, Kind, Table
from server.domain.clock import SteppingClock
from server.domain.ledger import Entry
from server.domain.ports import Ports, Query
from server.domain.retention.sweep import SweepSlice, slices
from server.domain.rights.erasure import Erasures
from server.domain.subjects import Subjects
from server.domain.values import Role
from tests.rpc.kept import CALL, put, subject_id
from tests.rpc.people import end_user, new_id, new_tenant, own_user, refused
from tests.rpc.sweeping import (
    CONTROLLER,
    PROCESSOR,
    execute,
    explained,
    fates,
    interact,
    interact_all,
    is_kept,
    plan,
    retention,
    sweep,
)

DAY = timedelta(days=1)


async def entries(app: App, tenant: str, type: str) -> list[Entry]:
    """Return what the ledger of *tenant* says of *type*."""
    query = Query(Table(Kind.LEDGER), tenant=tenant.removeprefix("tenants/"), equals={"type": type})
    return [entry async for entry in app.ports.reader.scan(query, Entry)]


async def erase(ports: Ports, who: types_pb2.Subject, *, cause: str = "") -> None:
    """End the life of *who* for *cause*."""
    found = await Subjects(ports).require(CALL, subject_id(who))
    ended = Erasures(ports).of(CALL, found, time=ports.clock.now(), reason="test", cause=cause)
    await ports.committer.commit(Change(ended.writes, ended.entries), type(None))


async def test_only_who_is_due_is_destroyed(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """Those whose period is over, of this tenant and role, and nobody else."""
    tenant, other = await new_tenant(channel), await new_tenant(channel)
    old, new, theirs, own = end_user(tenant), end_user(tenant), end_user(other), own_user(tenant)
    for who in (old, theirs, own):
        await interact(channel, who)
    clock.advance(months=12)
    await interact(channel, new)
    clock.advance(DAY, months=12)

    planned = await plan(channel, tenant)
    ended = (await execute(channel, planned))[-1]

    assert [(tenant, 1)] == [(count.tenant, count.due_count) for count in planned.counts]
    assert 1 == len(planned.samples)
    assert (pb.SWEEP_STATE_COMPLETED, (1, 0, 0)) == (ended.state, fates(ended))
    assert [False, True, True, True] == [
        await is_kept(channel, each) for each in (old, new, theirs, own)
    ]


async def test_all_tenants_are_planned_together(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """Without a tenant, the plan counts each that has somebody who is due, and no other."""
    one, other, fresh = [await new_tenant(channel) for _ in range(3)]
    await interact_all(channel, [end_user(one) for _ in range(2)])
    await interact(channel, end_user(other))
    clock.advance(months=25)
    await interact(channel, end_user(fresh))

    planned = await plan(channel, "")

    counts = {count.tenant: count.due_count for count in planned.counts}
    assert (2, 1, None) == (counts[one], counts[other], counts.get(fresh))
    assert planned.due_count == sum(counts.values())


async def test_the_last_day_is_not_due(channel: grpc.aio.Channel, clock: SteppingClock) -> None:
    """Up to its last moment the period runs; with the next day of the tenant's, it is over."""
    tenant = await new_tenant(channel, time_zone="America/New_York")
    who = end_user(tenant)
    await interact(channel, who)
    due = (await explained(channel, who)).due_time.ToDatetime(tzinfo=clock.now().tzinfo)

    clock.advance(due - clock.now() - timedelta(milliseconds=1))
    assert 0 == (await plan(channel, tenant)).due_count
    clock.advance(timedelta(milliseconds=1))
    assert (1, 0, 0) == fates(await sweep(channel, tenant))


async def test_plan_destroys_nobody_and_can_be_repeated(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """A repeat is the same plan; another plan of the same state has the same hash."""
    tenant = await new_tenant(channel)
    who = end_user(tenant)
    await interact(channel, who)
    clock.advance(months=25)
    request = pb.PlanSweepRequest(role=PROCESSOR, tenant=tenant, request_id=new_id())

    first = (await retention(channel).PlanSweep(request)).sweep
    again = (await retention(channel).PlanSweep(request)).sweep
    another = await plan(channel, tenant)

    assert first == again
    assert (first.plan_hash, True) == (another.plan_hash, first.name != another.name)
    assert pb.SWEEP_STATE_PLANNED == first.state
    assert await is_kept(channel, who)


async def test_concurrent_repeats_make_one_plan(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """Whoever comes second is told the first one's plan."""
    tenant = await new_tenant(channel)
    await interact_all(channel, [end_user(tenant) for _ in range(10)])
    clock.advance(months=25)
    request = pb.PlanSweepRequest(role=PROCESSOR, tenant=tenant, request_id=new_id())

    plans = await asyncio.gather(*(retention(channel).PlanSweep(request) for _ in range(4)))

    assert 1 == len({planned.sweep.name for planned in plans})
    assert (10, 0, 0) == fates((await execute(channel, plans[0].sweep))[-1])


async def test_execution_needs_the_hash(channel: grpc.aio.Channel, clock: SteppingClock) -> None:
    """Nobody executes what they haven't looked at."""
    tenant = await new_tenant(channel)
    who = end_user(tenant)
    await interact(channel, who)
    clock.advance(months=25)
    planned = await plan(channel, tenant)
    planned.plan_hash = "0" * 64

    found = await refused(execute(channel, planned))

    assert ("FAILED_PRECONDITION", "PLAN_HASH_MISMATCH") == (found.code, found.reason)
    assert await is_kept(channel, who)


async def test_blast_radius_is_limited(channel: grpc.aio.Channel, clock: SteppingClock) -> None:
    """More than the limit is destroyed only if it was told so."""
    tenant = await new_tenant(channel)
    await interact_all(channel, [end_user(tenant) for _ in range(3)])
    clock.advance(months=25)
    planned = await plan(channel, tenant)

    found = await refused(execute(channel, planned, limit=2))

    assert ("FAILED_PRECONDITION", "BLAST_RADIUS_EXCEEDED") == (found.code, found.reason)
    assert {"planned": "3", "limit": "2"} == found.metadata
    assert (3, 0, 0) == fates((await execute(channel, planned, limit=3))[-1])


async def test_interaction_after_the_plan_saves(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """Whoever is heard of between plan and execution stays, and is counted as skipped."""
    tenant = await new_tenant(channel)
    saved, due = end_user(tenant), end_user(tenant)
    await interact_all(channel, [saved, due])
    clock.advance(months=25)
    planned = await plan(channel, tenant)

    await interact(channel, saved)
    ended = (await execute(channel, planned))[-1]

    assert (pb.SWEEP_STATE_COMPLETED, (1, 1, 0)) == (ended.state, fates(ended))
    assert [True, False] == [await is_kept(channel, each) for each in (saved, due)]


async def test_who_became_due_after_the_plan_is_left(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """A sweep destroys what was planned and looked at; the rest is the next one's."""
    tenant = await new_tenant(channel)
    await interact(channel, end_user(tenant))
    clock.advance(DAY)
    later = end_user(tenant)
    await interact(channel, later)
    clock.advance(months=24)
    planned = await plan(channel, tenant)
    imported = end_user(tenant)
    await interact(channel, imported, time=clock.now() - 1000 * DAY)
    clock.advance(months=1)

    assert (1, 0, 0) == fates((await execute(channel, planned))[-1])
    assert [True, True] == [await is_kept(channel, each) for each in (later, imported)]
    assert (2, 0, 0) == fates(await sweep(channel, tenant))


async def test_concurrent_calls_destroy_nobody_twice(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """Two calls share the work; the counts add up, and each life ends once in the ledger."""
    tenant = await new_tenant(channel)
    people = [end_user(tenant) for _ in range(700)]
    await interact_all(channel, people)
    clock.advance(months=25)
    await interact_all(channel, people[:100])
    planned = await plan(channel, tenant)
    await interact_all(channel, people[100:110])

    first, second = await asyncio.gather(execute(channel, planned), execute(channel, planned))

    assert (590, 10, 0) == fates(first[-1]) == fates(second[-1])
    assert pb.SWEEP_STATE_COMPLETED == first[-1].state == second[-1].state
    erased = await entries(app, tenant, "subject.erased")
    assert 590 == len(erased) == len({entry.subject for entry in erased})


async def test_a_sweep_that_was_left_goes_on(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """When the caller hangs up the sweep stops; the next call ends it, and the counts are right."""
    tenant = await new_tenant(channel)
    for _ in range(3):
        await interact_all(channel, [end_user(tenant) for _ in range(600)])
    clock.advance(months=25)
    planned = await plan(channel, tenant)
    request = pb.ExecuteSweepRequest(
        name=planned.name, plan_hash=planned.plan_hash, request_id=new_id()
    )

    call = retention(channel).ExecuteSweep(request)
    seen: list[pb.Sweep] = []
    async for response in call:
        seen.append(response.sweep)
        if len(seen) == 2:
            break
    call.cancel()
    ended = (await execute(channel, planned))[-1]

    assert pb.SWEEP_STATE_RUNNING == seen[-1].state
    assert (1800, 0, 0) == fates(ended)
    assert 1800 == len(await entries(app, tenant, "subject.erased"))


async def test_a_repeated_execution_goes_on_and_another_is_refused(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """A call that was cut is made again with its id; the id is of no other sweep or limit."""
    tenant = await new_tenant(channel)
    await interact_all(channel, [end_user(tenant) for _ in range(600)])
    clock.advance(months=25)
    planned = await plan(channel, tenant)
    request = pb.ExecuteSweepRequest(
        name=planned.name, plan_hash=planned.plan_hash, request_id=new_id()
    )
    cut = retention(channel).ExecuteSweep(request)
    await cut.read()
    cut.cancel()

    repeated = [response.sweep async for response in retention(channel).ExecuteSweep(request)]
    request.blast_radius_limit = 601
    other = await refused(anext(aiter(retention(channel).ExecuteSweep(request))))

    assert (600, 0, 0) == fates(repeated[-1])
    assert 0 == repeated[-1].remaining_count
    assert ("ALREADY_EXISTS", "REQUEST_ID_REUSED") == (other.code, other.reason)
    assert 1 == len(await entries(app, tenant, "retention.sweep_started"))


async def test_what_an_interrupted_slice_destroyed_is_counted(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """After a crash, those that the sweep had destroyed are told from those that others erased."""
    tenant = await new_tenant(channel)
    mine, theirs, left = end_user(tenant), end_user(tenant), end_user(tenant)
    await interact_all(channel, [mine, theirs, left])
    clock.advance(months=25)
    planned = await plan(channel, tenant)

    # As if the server had died after these, and before it had counted them.
    await erase(app.ports, mine, cause=planned.name)
    await erase(app.ports, theirs)
    ended = (await execute(channel, planned))[-1]

    assert (2, 1, 0) == fates(ended)


async def test_an_ended_sweep_is_told_again(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """A call for it streams its state once, and destroys nobody; no list of people stays."""
    tenant = await new_tenant(channel)
    await interact(channel, end_user(tenant))
    clock.advance(months=25)
    planned = await plan(channel, tenant)

    ended = (await execute(channel, planned))[-1]

    assert [ended] == await execute(channel, planned, limit=1)
    response = await retention(channel).GetSweep(pb.GetSweepRequest(name=planned.name))
    assert ended == response.sweep
    assert clock.now() == ended.end_time.ToDatetime(tzinfo=clock.now().tzinfo)


async def test_no_list_of_people_stays(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """The plan's list of references goes with its execution."""
    tenant = await new_tenant(channel)
    await interact(channel, end_user(tenant))
    clock.advance(months=25)
    query = Query(slices(Role.PROCESSOR), tenant=tenant.removeprefix("tenants/"))

    planned = await plan(channel, tenant)
    before = await app.ports.reader.find(query, SweepSlice)
    await execute(channel, planned)

    assert 1 == len(before)
    assert [] == await app.ports.reader.find(query, SweepSlice)


async def test_nobody_due_is_a_complete_sweep(channel: grpc.aio.Channel) -> None:
    """It ends as it begins, and certifies that nobody was destroyed."""
    tenant = await new_tenant(channel)
    await interact(channel, end_user(tenant))

    ended = await sweep(channel, tenant)

    assert (pb.SWEEP_STATE_COMPLETED, 0) == (ended.state, ended.due_count)


async def test_missing_anchors_are_reported(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """Somebody with data, of whom no interaction is known, isn't guessed to be due."""
    tenant = await new_tenant(channel)
    silent = end_user(tenant)
    await put(channel, silent)
    await interact(channel, end_user(tenant))
    clock.advance(months=25)

    planned = await plan(channel, tenant)

    assert (1, 1) == (planned.due_count, planned.unanchored_count)
    kept = await explained(channel, silent)
    assert ("", False) == (kept.anchor_date, kept.HasField("due_time"))


async def test_certificate_says_what_was_done(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """A signed JWS with the counts of one tenant; before the end there is none."""
    tenant = await new_tenant(channel)
    await interact(channel, end_user(tenant))
    clock.advance(months=25)
    planned = await plan(channel, tenant)
    request = pb.GetSweepCertificateRequest(name=planned.name, tenant=tenant)

    early = await refused(retention(channel).GetSweepCertificate(request))
    await execute(channel, planned)
    jws = (await retention(channel).GetSweepCertificate(request)).jws

    assert ("NOT_FOUND", "CERTIFICATE_NOT_FOUND") == (early.code, early.reason)
    payload = verified(app, jws)
    assert (tenant, planned.plan_hash) == (payload["tenant"], payload["plan_hash"])
    assert (1, 1, 0, 0) == tuple(
        payload[name] for name in ("planned", "destroyed", "skipped", "failed")
    )
    request.tenant = await new_tenant(channel)
    other = await refused(retention(channel).GetSweepCertificate(request))
    assert "CERTIFICATE_NOT_FOUND" == other.reason


def verified(app: App, jws: str) -> dict[str, Any]:
    """Return the payload of *jws*, whose signature one of the server's public keys verifies."""
    signed, _, signature = jws.rpartition(".")
    for key in app.ports.keyring.jwks()["keys"]:
        public = Ed25519PublicKey.from_public_bytes(_decoded(key["x"]))
        public.verify(_decoded(signature), signed.encode())
    return dict(json.loads(_decoded(signed.partition(".")[2])))


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


async def test_sweeps_are_listed_newest_first(channel: grpc.aio.Channel) -> None:
    """Of one role, page by page."""
    tenant = await new_tenant(channel)
    made = [(await plan(channel, tenant, CONTROLLER)).name for _ in range(3)]
    request = pb.ListSweepsRequest(role=CONTROLLER, page_size=2)

    first = await retention(channel).ListSweeps(request)
    request.page_token = first.next_page_token
    second = await retention(channel).ListSweeps(request)

    listed = [sweep.name for page in (first, second) for sweep in page.sweeps]
    assert made[::-1] == listed[:3]
    assert {CONTROLLER} == {sweep.role for page in (first, second) for sweep in page.sweeps}


@pytest.mark.parametrize("name", ["sweeps/none", "sweeps/p0123456789abcdefghjkmnpqrs"])
async def test_unknown_sweeps_are_not_found(channel: grpc.aio.Channel, name: str) -> None:
    """Whatever their id looks like."""
    found = await refused(retention(channel).GetSweep(pb.GetSweepRequest(name=name)))
    assert ("NOT_FOUND", "SWEEP_NOT_FOUND") == (found.code, found.reason)

    found = await refused(execute(channel, pb.Sweep(name=name, plan_hash="0" * 64)))
    assert "SWEEP_NOT_FOUND" == found.reason


async def test_bad_input_is_named(channel: grpc.aio.Channel) -> None:
    """Every wrong field at once."""
    found = await refused(execute(channel, pb.Sweep(name="x", plan_hash="y"), limit=-1))
    assert ("name", "plan_hash", "blast_radius_limit") == found.fields

    found = await refused(retention(channel).PlanSweep(pb.PlanSweepRequest(tenant="x")))
    assert ("request_id", "role", "tenant") == found.fields


async def test_unknown_tenant_has_no_plan(channel: grpc.aio.Channel) -> None:
    """Nor does it become known by being asked about."""
    found = await refused(plan(channel, "tenants/nobody"))

    assert ("NOT_FOUND", "TENANT_NOT_FOUND") == (found.code, found.reason)
