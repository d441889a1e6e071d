"""A stream of notices misses none, waits without reading, and holds little in memory.

Each promise is a check of `Notices`; a variant that breaks it is run through the same check.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Sequence,
)
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from server.domain.breach import notices as module
from server.domain.breach.breach import (
    BREACHES,
    Breach,
    BreachKind,
    BreachState,
    Facts,
    Notice,
    Scope,
    Timeline,
    notices,
)
from server.domain.breach.notices import BATCH, LATENESS, Letter, Notices, Told
from server.domain.call import Call
from server.domain.change import Change, Insert, Replace
from server.domain.clock import SteppingClock, SystemClock
from server.domain.identifiers import TimeOrderedIds
from server.domain.ports import Keyring, Ports, Query
from server.domain.tenants import TENANTS, Tenant, Tenants
from server.domain.values import Role
from server.storage.collections import Layout
from server.storage.committer import MongoCommitter
from server.storage.memory import MemoryDriver
from server.storage.reader import MongoReader
from server.storage.waking import Waking

BEGIN = datetime(2026, 3, 2, 9, tzinfo=UTC)
ROLE = Role.PROCESSOR
PROMPT_SECONDS = 5
"""How long a notice may take to come; far less than a stream waits without a hint."""

_layouts = itertools.count(1)


class OpenKeyring:
    """Seals nothing; streams only ever unseal who acknowledged a notice."""

    async def unseal_for_tenant(self, _tenant: str, sealed: bytes, _context: str) -> bytes:
        """Return what was given as sealed."""
        return sealed


class WatchedReader(MongoReader):
    """Counts what is read, and lets a test act just after a pass over the recent notices."""

    passes = 0
    rows = 0
    after_pass: Callable[[int], Awaitable[None]] | None = None

    async def scan(self, query: Query, type: type[Any]) -> AsyncIterator[Any]:
        """Yield what is asked for, as the reader does."""
        async for found in super().scan(query, type):
            yield found
        if query.order == "create_time":
            self.passes += 1
            if self.after_pass is not None:
                await self.after_pass(self.passes)

    async def _page(self, query: Query, after: tuple[object, str] | None) -> list[dict[str, Any]]:
        page = await super()._page(query, after)
        self.rows += len(page)
        return page


@dataclass
class Office:
    """One tenant, one breach, and notices of it that a test makes, over a store in memory."""

    clock: SteppingClock = field(default_factory=lambda: SteppingClock(BEGIN))
    service: type[Notices] = Notices

    def __post_init__(self) -> None:
        driver = MemoryDriver()
        layout = Layout(f"office{next(_layouts)}")
        # Nobody looks by itself for a minute: what comes, comes because of a hint.
        self.waking = Waking(driver, poll_seconds=60)
        self.reader = WatchedReader(driver, layout, self.waking)
        self.committer = MongoCommitter(driver, layout, SystemClock(), wake=self.waking.wake)
        ids = TimeOrderedIds(self.clock)
        keyring = cast("Keyring", OpenKeyring())
        self.ports = Ports(self.reader, self.committer, keyring, self.clock, ids)
        self.notices = self.service(self.ports, Tenants(self.ports))

    async def open(self) -> Office:
        """Make the tenant and the breach."""
        tenant = Tenant("acme", "acme", 1, b"key", "Acme", "UTC", BEGIN, BEGIN)
        facts = Facts((BreachKind.INTEGRITY,), "What happened.", Timeline(BEGIN))
        scope = Scope(tenants=("acme",))
        breach = Breach("n1", "", 1, facts, scope, BreachState.OPEN, BEGIN, BEGIN, 1)
        await self.write(Insert(TENANTS, tenant), Insert(BREACHES, breach.snapshot()))
        return self

    def notice(self, *, age: timedelta = timedelta(0)) -> Notice:
        """Return a notice that was made *age* ago."""
        id = f"acme/{self.ports.ids.new(ROLE)}"
        return Notice(id, "acme", 1, "n1", 1, ROLE, 7, self.clock.now() - age)

    async def post(self, *made: Notice) -> None:
        """Make notices visible."""
        await self.write(*(Insert(notices(ROLE), notice) for notice in made))

    async def acknowledge(self, notice: Notice) -> None:
        """Acknowledge *notice*, as somebody else's call would."""
        done = Notice(
            notice.id,
            "acme",
            2,
            "n1",
            1,
            ROLE,
            7,
            notice.create_time,
            is_acknowledged=True,
            sealed_acknowledger=b"somebody",
        )
        await self.write(Replace(notices(ROLE), done))

    async def write(self, *writes: Any) -> None:
        """Commit *writes*."""
        await self.committer.commit(Change(writes, ()), type(None))

    def watch(self) -> aclosing[AsyncGenerator[Letter]]:
        """Return a stream, to be closed at the end of a block."""
        return aclosing(self.notices.watch(Call("test", "test"), ("acme",), (ROLE,)))


async def following(letters: AsyncGenerator[Letter]) -> Letter:
    """Return the next letter; fail if it isn't prompt."""
    try:
        return await asyncio.wait_for(anext(letters), PROMPT_SECONDS)
    except TimeoutError:
        raise AssertionError("the stream brings nothing") from None


async def brings_what_becomes_visible_late(office: Office) -> None:
    """Check that a notice comes although one that was made after it came before it."""
    late, early = office.notice(age=LATENESS - timedelta(seconds=1)), office.notice()
    async with office.watch() as letters:
        await office.post(early)
        assert early == (await following(letters)).notice
        await office.post(late)
        assert late == (await following(letters)).notice


async def test_what_becomes_visible_late_is_not_missed() -> None:
    """Servers' clocks differ, and commits overtake each other: every notice comes all the same."""

    await brings_what_becomes_visible_late(await Office().open())


async def test_a_stream_with_a_position_would_miss_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check notices a stream that goes on from the newest notice it has seen."""
    monkeypatch.setattr(module, "LATENESS", timedelta(0))
    monkeypatch.setattr("tests.domain.test_notices.PROMPT_SECONDS", 0.5)

    with pytest.raises(AssertionError, match="brings nothing"):
        await brings_what_becomes_visible_late(await Office().open())


async def brings_what_another_acknowledged(office: Office) -> None:
    """Check that a new notice comes although it was acknowledged before the stream looked."""
    before, old, new = office.notice(), office.notice(), office.notice()
    await office.post(before, old)
    await office.acknowledge(old)

    async def post_and_acknowledge(passes: int) -> None:
        if passes == 2:  # the first pass of the stream, after the one that it begins with
            await office.post(new)
            await office.acknowledge(new)

    office.reader.after_pass = post_and_acknowledge
    async with office.watch() as letters:
        assert before == (await following(letters)).notice
        letter = await following(letters)
    assert (new.id, "somebody") == (letter.notice.id, letter.acknowledged_by)


async def test_what_another_subscriber_acknowledged_comes_all_the_same() -> None:
    """A notice is told to every subscriber, whoever is the fastest to acknowledge it."""

    await brings_what_another_acknowledged(await Office().open())


class OnlyUnacknowledged(Notices):
    """Broken: takes for new only what nobody has acknowledged."""

    def _recent(self, tenant: str, role: Role, since: datetime) -> AsyncIterator[Notice]:
        query = Query(
            notices(role),
            tenant,
            equals={"is_acknowledged": False},
            order="create_time",
            after=(since, ""),
        )
        return self._ports.reader.scan(query, Notice)


async def test_a_stream_of_the_unacknowledged_would_miss_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The check notices a stream that looks for unacknowledged notices only."""
    monkeypatch.setattr("tests.domain.test_notices.PROMPT_SECONDS", 0.5)

    with pytest.raises(AssertionError, match="brings nothing"):
        await brings_what_another_acknowledged(await Office(service=OnlyUnacknowledged).open())


async def brings_what_is_written_after_it_looked(office: Office) -> None:
    """Check that a notice comes at once that was written just after a pass."""
    new = office.notice()

    async def post(passes: int) -> None:
        if passes == 2:
            await office.post(new)

    office.reader.after_pass = post
    async with office.watch() as letters:
        assert new == (await following(letters)).notice


async def test_no_hint_is_lost_between_reading_and_waiting() -> None:
    """What is written just after a stream has read wakes it, though it doesn't wait yet."""

    await brings_what_is_written_after_it_looked(await Office().open())


class Later:
    """Broken: stands for a task, and begins only when it is awaited."""

    def __init__(self, work: Any) -> None:
        self._work = work

    def __await__(self) -> Generator[Any, None, Any]:
        return cast("Generator[Any, None, Any]", self._work.__await__())

    def cancel(self) -> None:
        """Give up what has not begun."""
        self._work.close()

    def result(self) -> None:
        """Do as a task does that is done."""


async def later(tasks: Sequence[Later], **_: Any) -> tuple[Sequence[Later], Sequence[Later]]:
    """Broken: stands for `asyncio.wait`, and begins to wait only now."""
    await tasks[0]
    return tasks, ()


async def test_waiting_after_reading_would_lose_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check notices a stream that begins to wait when it has read."""
    broken = SimpleNamespace(**{**vars(asyncio), "create_task": Later, "wait": later})
    monkeypatch.setattr(module, "asyncio", broken)
    monkeypatch.setattr("tests.domain.test_notices.PROMPT_SECONDS", 0.5)

    with pytest.raises(AssertionError, match="brings nothing"):
        await brings_what_is_written_after_it_looked(await Office().open())


async def test_a_leap_of_the_clock_loses_nothing() -> None:
    """A notice that was made just before the clock was set forward comes as well."""
    office = await Office().open()
    first, made_before = office.notice(), office.notice()
    async with office.watch() as letters:
        await office.post(first)
        await following(letters)
        office.clock.advance(months=25)
        await office.post(made_before)
        assert made_before == (await following(letters)).notice


async def test_a_slow_subscriber_holds_one_batch() -> None:
    """Of very many notices, no more is read than a batch before the first ones are taken."""
    office = await Office().open()
    for _ in range(5):
        await office.post(*(office.notice(age=2 * LATENESS) for _ in range(BATCH)))

    async with office.watch() as letters:
        await following(letters)
        held = office.reader.rows
        taken = [(await following(letters)).notice.id for _ in range(5 * BATCH - 1)]

    assert BATCH == held
    assert sorted(taken) == taken


async def test_what_was_told_is_forgotten() -> None:
    """A stream that goes on for ever remembers what it told of the last hour, and no more."""
    office = Office()
    told = Told(BEGIN - LATENESS)
    old = office.notice()
    assert told.is_new(old)
    office.clock.advance(timedelta(minutes=90))
    recent = office.notice()
    assert told.is_new(recent)

    told.advance(office.clock.now() - LATENESS)

    # The old one is older than what the stream asks for: it isn't met again.
    assert told.is_new(old)
    assert not told.is_new(recent)


async def test_waiting_costs_nothing() -> None:
    """While nothing is written, a stream reads nothing."""
    office = await Office().open()
    async with office.watch() as letters:
        waiting = asyncio.ensure_future(anext(letters))
        await asyncio.wait({waiting}, timeout=0.5)
        waiting.cancel()
        await asyncio.wait({waiting})

    # One that the stream begins with, and one before it waits.
    assert 2 == office.reader.passes


async def test_many_hints_make_few_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hints that never stop – others' acknowledgements – don't make a stream read all the time."""
    office = await Office().open()

    async def hint(*_: Any, **__: Any) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr(office.reader, "wait_for_change", hint)
    async with office.watch() as letters:
        waiting = asyncio.ensure_future(anext(letters))
        await asyncio.wait({waiting}, timeout=0.5)
        waiting.cancel()
        await asyncio.wait({waiting})

    assert 12 >= office.reader.passes
