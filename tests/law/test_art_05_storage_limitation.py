"""GDPR Art. 5(1)(e): data is kept no longer than its purpose needs – promises S11 and S12.

The policy promises destruction 24 calendar months after an end-user's last interaction, and 36
after a user's: with a chatbot if the user has one, else the last connection.
"""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import Any

import grpc

from privacyrights.v1 import types_pb2
from server.domain.clock import SteppingClock
from tests.rpc.kept import everything, put
from tests.rpc.people import end_user, new_tenant, own_user, refused
from tests.rpc.sweeping import (
    CONTROLLER,
    day,
    explained,
    fates,
    interact,
    new_chatbot,
    plan,
    sweep,
)

ACCOUNT = {"purpose": "purposes/manage_relationship", "category": "categories/account"}
ADA: dict[str, Any] = {"name": "Ada", "email": "ada@example.org"}


async def end_of_last_day(
    channel: grpc.aio.Channel, clock: SteppingClock, who: types_pb2.Subject
) -> None:
    """Let time pass until the last moment of the last day on which *who* may be kept."""
    due = (await explained(channel, who)).due_time.ToDatetime(tzinfo=UTC)
    clock.advance(due - clock.now() - timedelta(milliseconds=1))


async def test_end_users_are_destroyed_after_24_months(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """S12: on the last day the data is there; from the next day on, a sweep leaves none."""
    tenant = await new_tenant(channel)
    who = end_user(tenant)
    await put(channel, who, {"name": "Ada"})
    await interact(channel, who)
    assert 24 == (await explained(channel, who)).months

    await end_of_last_day(channel, clock, who)
    assert (0, 0, 0) == fates(await sweep(channel, tenant))
    assert [{"name": "Ada"}] == await everything(channel, who)

    clock.advance(timedelta(milliseconds=1))
    assert (1, 0, 0) == fates(await sweep(channel, tenant))
    assert "SUBJECT_ERASED" == (await refused(everything(channel, who))).reason


async def test_an_interaction_begins_the_period_anew(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """S12: what counts is the last interaction, not the first, and not when data was written."""
    tenant = await new_tenant(channel)
    who = end_user(tenant)
    await interact(channel, who)
    clock.advance(months=23)
    await interact(channel, who)
    clock.advance(months=12)
    await put(channel, who, {"name": "Ada"})

    clock.advance(months=11)
    assert 0 == (await plan(channel, tenant)).due_count
    clock.advance(timedelta(days=31), months=1)
    assert 1 == (await plan(channel, tenant)).due_count


async def test_users_without_a_chatbot_are_destroyed_after_36_months(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """S11: 36 months after the last connection."""
    tenant = await new_tenant(channel)
    who = own_user(tenant)
    await put(channel, who, ADA, **ACCOUNT)
    await interact(channel, who)
    assert 36 == (await explained(channel, who)).months

    await end_of_last_day(channel, clock, who)
    assert (0, 0, 0) == fates(await sweep(channel, tenant, CONTROLLER))
    clock.advance(timedelta(milliseconds=1))
    assert (1, 0, 0) == fates(await sweep(channel, tenant, CONTROLLER))


async def test_users_with_a_chatbot_are_counted_from_it(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """S11: 36 months after the last interaction with any of the user's chatbots."""
    tenant = await new_tenant(channel)
    who = own_user(tenant)
    one, other = await new_chatbot(channel, tenant), await new_chatbot(channel, tenant)
    await put(channel, who, ADA, **ACCOUNT)
    await interact(channel, who)
    await interact(channel, end_user(tenant), chatbot=one)
    clock.advance(months=20)
    await interact(channel, end_user(tenant), chatbot=other)

    await end_of_last_day(channel, clock, who)
    assert (0, 0, 0) == fates(await sweep(channel, tenant, CONTROLLER))
    clock.advance(timedelta(milliseconds=1))
    assert (1, 0, 0) == fates(await sweep(channel, tenant, CONTROLLER))


async def test_one_regime_never_sweeps_the_other(
    channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """S1: a sweep of end-users destroys nobody of the tenant's own people, however overdue."""
    tenant = await new_tenant(channel)
    user, person = own_user(tenant, "same"), end_user(tenant, "same")
    await interact(channel, user)
    await interact(channel, person)
    clock.advance(months=48)

    assert (1, 0, 0) == fates(await sweep(channel, tenant))

    assert (await explained(channel, user)).anchor_date
    assert "SUBJECT_ERASED" == (await refused(explained(channel, person))).reason


async def test_why_and_until_when_is_told(channel: grpc.aio.Channel, clock: SteppingClock) -> None:
    """Art. 13(2)(a), 15(1)(d): the period, and what it is counted from, can be told to anybody."""
    tenant = await new_tenant(channel)
    who = end_user(tenant)
    await interact(channel, who)

    found = await explained(channel, who)

    today = day(clock.now())
    assert (today, "retentionRules/end_user_24_months") == (found.anchor_date, found.retention_rule)
    assert f"24 calendar months from {today}" in found.explanation
    assert found.explanation.endswith("the next sweep destroys it.")
