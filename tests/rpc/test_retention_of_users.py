"""Sweeps of tenants' own people, who are counted from the tenant's chatbots (S11)."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import grpc

from server.domain.clock import SteppingClock
from tests.rpc.kept import put
from tests.rpc.people import end_user, new_tenant, own_user
from tests.rpc.sweeping import (
    CONTROLLER,
    day,
    delete_chatbot,
    execute,
    explained,
    fates,
    interact,
    interact_all,
    is_kept,
    new_chatbot,
    plan,
    sweep,
)

DAY = timedelta(days=1)


async def test_own_people_are_kept_as_long_as_chatbots_are_used(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """S11: with a chatbot in use, its last interaction counts, whoever it was with."""
    tenant = await new_tenant(channel)
    chatbot, who = await new_chatbot(channel, tenant), own_user(tenant)
    await interact(channel, who)
    clock.advance(months=30)
    await interact(channel, end_user(tenant), chatbot=chatbot)
    used = day(clock.now())

    clock.advance(months=30)
    assert used == (await explained(channel, who)).anchor_date
    assert 0 == (await plan(channel, tenant, CONTROLLER)).due_count
    clock.advance(DAY, months=6)
    assert (1, 0, 0) == fates(await sweep(channel, tenant, CONTROLLER))
    assert not await is_kept(channel, who)


async def test_own_people_of_a_used_chatbot_are_all_due(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """Also those of whom nothing but their data is known, each once."""
    tenant = await new_tenant(channel)
    chatbot = await new_chatbot(channel, tenant)
    await interact(channel, end_user(tenant), chatbot=chatbot)
    people = [own_user(tenant) for _ in range(30)]
    await interact_all(channel, people[:20])
    for who in people[20:]:
        await put(
            channel,
            who,
            {"name": "Ada", "email": "ada@example.org"},
            purpose="purposes/manage_relationship",
            category="categories/account",
        )
    clock.advance(DAY, months=36)
    planned = await plan(channel, tenant, CONTROLLER)

    first, second = await asyncio.gather(execute(channel, planned), execute(channel, planned))

    assert (30, 0) == (planned.due_count, planned.unanchored_count)
    assert (30, 0, 0) == fates(first[-1]) == fates(second[-1])


async def test_use_of_a_chatbot_after_the_plan_saves(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """S11: the tenant's own people are saved by an interaction of somebody else's."""
    tenant = await new_tenant(channel)
    chatbot, who = await new_chatbot(channel, tenant), own_user(tenant)
    await interact(channel, who)
    await interact(channel, end_user(tenant), chatbot=chatbot)
    clock.advance(DAY, months=36)
    planned = await plan(channel, tenant, CONTROLLER)

    await interact(channel, end_user(tenant), chatbot=chatbot)
    ended = (await execute(channel, planned))[-1]

    assert (0, 1, 0) == fates(ended)
    assert await is_kept(channel, who)


async def test_without_a_chatbot_the_connection_counts(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """S11: of two people of one tenant, the one who hasn't connected for 36 months is due."""
    tenant = await new_tenant(channel)
    gone, here = own_user(tenant), own_user(tenant)
    await interact_all(channel, [gone, here])
    clock.advance(months=30)
    await interact(channel, here)
    clock.advance(DAY, months=6)

    assert (1, 0, 0) == fates(await sweep(channel, tenant, CONTROLLER))
    assert [False, True] == [await is_kept(channel, each) for each in (gone, here)]


async def test_deleted_chatbots_count_on(channel: grpc.aio.Channel, clock: SteppingClock) -> None:
    """The use of a chatbot that was deleted since can only keep somebody longer."""
    tenant = await new_tenant(channel)
    chatbot, who = await new_chatbot(channel, tenant), own_user(tenant)
    await interact(channel, who)
    clock.advance(months=12)
    await interact(channel, end_user(tenant), chatbot=chatbot)
    await delete_chatbot(channel, chatbot)

    clock.advance(DAY, months=24)
    assert 0 == (await plan(channel, tenant, CONTROLLER)).due_count
    clock.advance(DAY, months=12)
    assert (1, 0, 0) == fates(await sweep(channel, tenant, CONTROLLER))
