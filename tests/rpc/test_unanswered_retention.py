"""Unanswered messages are not kept for ever: released or not, they go when their days are over."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

import grpc
import pytest

from server.compose import App
from server.domain.change import Change, Committed, Table
from server.domain.clock import SteppingClock
from server.domain.errors import StorageUnavailableError
from server.domain.ports import Committer, Query
from server.domain.unanswered import forgetting
from server.domain.unanswered.forgetting import Forgetting
from server.domain.unanswered.message import CROWD, HELD, MESSAGES
from server.domain.unanswered.release import Release
from server.workers.unanswered import UnansweredWorker
from tests.rpc.kept import ledger
from tests.rpc.people import new_tenant
from tests.rpc.test_unanswered_messages import released
from tests.rpc.unanswered import listed, new_chatbot, submit

E = TypeVar("E")

DAYS = 30
KEPT = timedelta(days=DAYS)
DAY = timedelta(days=1)


async def forget(app: App, kind: type[Forgetting] = Forgetting) -> int:
    """Delete what is due, and return how many were."""
    return await kind(app.ports, days=DAYS).forget(app.ports.clock.now().date())


async def left(app: App, tenant: str) -> tuple[int, int]:
    """Return how many messages of *tenant* wait, and how many were released."""
    of = tenant.removeprefix("tenants/")
    waiting = await app.ports.reader.count(Query(HELD, of))
    return waiting, await app.ports.reader.count(Query(MESSAGES, of))


async def become_due(app: App, clock: SteppingClock) -> None:
    """Let the days of what was just released be over, and what others left be gone."""
    clock.advance(KEPT - DAY)
    await forget(app)
    clock.advance(DAY)


async def lines(app: App, tenant: str) -> int:
    """Return how many lines of the ledger tell of deletions."""
    found = await ledger(app.ports, tenant)
    return sum(entry.type == "unanswered_messages.expired" for entry in found)


async def waiting(channel: grpc.aio.Channel) -> tuple[str, str]:
    """Return a tenant and its chatbot, with one message that has no company."""
    tenant = await new_tenant(channel)
    chatbot = await new_chatbot(channel, tenant)
    await submit(channel, chatbot, "why?")
    return tenant, chatbot


async def test_what_was_released_goes_when_its_days_are_over(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """Not a day before; and the ledger has one line for all of them."""
    tenant, _ = await released(app, channel, clock)
    clock.advance(KEPT - DAY)
    await forget(app)
    before = len(await listed(channel, tenant))
    clock.advance(DAY)
    await forget(app)

    assert (CROWD, 0) == (before, len(await listed(channel, tenant)))
    assert ((0, 0), 1) == (await left(app, tenant), await lines(app, tenant))


class Patient(Forgetting):
    """Broken: leaves what never found company."""

    def _days(self) -> Sequence[tuple[Table, str]]:
        return [(MESSAGES, "release_date")]


@pytest.mark.parametrize(("kind", "expected"), [(Forgetting, 0), (Patient, 1)])
async def test_what_never_found_company_goes_too(
    app: App,
    channel: grpc.aio.Channel,
    clock: SteppingClock,
    kind: type[Forgetting],
    expected: int,
) -> None:
    """It is told of as a batch like any other; what came a day later stays for that day."""
    tenant, chatbot = await waiting(channel)
    clock.advance(DAY)
    await submit(channel, chatbot, "and why that?")
    clock.advance(KEPT - DAY)

    await forget(app, kind)

    assert (1 + expected, 0) == await left(app, tenant)


async def test_what_is_due_is_not_released_anew(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """A server that stood still for so long deletes a crowd that waited, on the day it starts."""
    tenant, chatbot = await waiting(channel)
    for _ in range(CROWD - 1):
        await submit(channel, chatbot, "why?")
    clock.advance(KEPT)
    made = Forgetting(app.ports, days=DAYS)

    await UnansweredWorker(made, Release(app.ports), clock).step()

    assert (0, 0) == await left(app, tenant)


async def test_large_numbers_go_in_batches_that_several_servers_share(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each message is deleted, and counted, once; each batch has one line; others lose nothing."""
    tenant, _ = await released(app, channel, clock)
    await become_due(app, clock)
    other, _ = await waiting(channel)
    monkeypatch.setattr(forgetting, "BATCH", 8)

    counts = await asyncio.gather(*(forget(app) for _ in range(3)))

    assert (CROWD, 3) == (sum(counts), await lines(app, tenant))
    assert ((0, 0), (1, 0)) == (await left(app, tenant), await left(app, other))


class Dying:
    """A committer that fails from the second change on."""

    def __init__(self, committer: Committer) -> None:
        self._committer = committer
        self._count = 0

    async def commit(self, change: Change, outcome: type[E]) -> Committed[E]:
        """Commit the first, and fail."""
        self._count += 1
        if self._count > 1:
            raise StorageUnavailableError
        return await self._committer.commit(change, outcome)


async def test_a_crash_in_the_middle_is_taken_up(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was deleted stays so, and the rest goes with the next round, on whichever server."""
    tenant, _ = await released(app, channel, clock)
    await become_due(app, clock)
    monkeypatch.setattr(forgetting, "BATCH", 8)
    dying = Forgetting(replace(app.ports, committer=Dying(app.ports.committer)), days=DAYS)
    with pytest.raises(StorageUnavailableError):
        await dying.forget(clock.now().date())
    halfway = await left(app, tenant)

    count = await forget(app)

    assert ((0, CROWD - 8), CROWD - 8) == (halfway, count)
    assert ((0, 0), 3) == (await left(app, tenant), await lines(app, tenant))
