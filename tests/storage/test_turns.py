"""Calls that clash over a document decide one after the other: none is told to come back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path

import pytest

from server.domain.call import Call
from server.domain.change import Change, Committed, Insert, Replace
from server.domain.clock import SystemClock
from server.domain.commands import Commands, Decision
from server.domain.errors import ConcurrentChangeError, TenantNotFoundError
from server.domain.ports import Ports
from server.domain.subject import Subject
from server.domain.turns import Contested, Turn, Turns
from tests.contract.samples import SUBJECTS, Answer, entry, person, renewed
from tests.parts import parts

TENANT = "contested"
SLOWLY = 0.03
"""Seconds that a decision takes, so that many are under way at a time."""


@pytest.fixture
async def ports(mongo_uri: str, tmp_path: Path) -> AsyncIterator[Ports]:
    """Return the parts of a server on a database."""
    async with parts(mongo_uri, "turns", tmp_path / "keys.json", SystemClock()) as ports:
        yield ports


async def people(ports: Ports, *references: str) -> list[Subject]:
    """Return new people, of whom the database knows."""
    known = [person(TENANT, reference) for reference in references]
    writes = tuple(Insert(SUBJECTS, each) for each in known)
    await ports.committer.commit(Change(writes, (entry(TENANT),)), Answer)
    return known


class Caller:
    """Runs calls that each change all of the people they are about."""

    def __init__(self, ports: Ports) -> None:
        self.ports = ports
        self.commands = Commands(ports)
        self.decisions = 0

    async def current(self, about: Iterable[Subject]) -> list[Subject]:
        """Return the people as they are now."""
        found = [await self.ports.reader.get(SUBJECTS, TENANT, each.id, Subject) for each in about]
        return [each for each in found if each is not None]

    async def change(self, request: str, about: Sequence[Subject]) -> Committed[Answer]:
        """Read *about*, think, and make each of them the next version."""

        async def decide() -> Decision[Answer]:
            self.decisions += 1
            before = await self.current(about)
            await asyncio.sleep(SLOWLY)
            return Decision(
                writes=tuple(Replace(SUBJECTS, renewed(each)) for each in before),
                entries=(entry(TENANT),),
                outcome=Answer(request),
            )

        call = Call(caller="web", rpc="Notes.Take", request_id=request)
        return await self.commands.run(call, TENANT, Answer, decide)


async def all_hold(ports: Ports, reference: str, *, callers: int) -> Caller:
    """Show that as many calls about one person all leave their mark, however long each takes."""
    about = await people(ports, reference)
    caller = Caller(ports)

    await asyncio.gather(*(caller.change(f"{reference}{n}", about) for n in range(callers)))

    (last,) = await caller.current(about)
    assert callers + 1 == last.version
    return caller


async def test_however_many_decide_about_one_person_all_hold(ports: Ports) -> None:
    """Each decides twice at most: once among all, and once when it is its turn."""
    caller = await all_hold(ports, "ada", callers=40)

    assert 80 >= caller.decisions


class Jostling(Turn):
    """Broken: nobody waits for anybody."""

    def must_wait_for(self, documents: Iterable[Contested]) -> bool:  # noqa: ARG002 – a broken variant looks at less
        """Say no."""
        return False

    async def take(self, documents: Iterable[Contested]) -> None:
        """Wait for none of *documents*."""


async def test_that_jostling_would_be_noticed(
    ports: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without turns, some calls lose as often as a call decides."""
    monkeypatch.setattr("server.domain.turns.Turn", Jostling)

    with pytest.raises(ConcurrentChangeError):
        await all_hold(ports, "bob", callers=40)


async def test_newcomers_join_the_line(ports: Ports) -> None:
    """Who comes when others already wait doesn't push in, so that nobody waits for ever."""
    about = await people(ports, "cyd")
    caller = Caller(ports)
    calls: list[asyncio.Task[Committed[Answer]]] = []

    for number in range(60):
        calls.append(asyncio.create_task(caller.change(f"cyd{number}", about)))
        await asyncio.sleep(SLOWLY / 3)
    await asyncio.gather(*calls)

    (last,) = await caller.current(about)
    assert 61 == last.version
    assert 120 >= caller.decisions


async def test_calls_about_several_people_do_not_wait_for_each_other_in_a_circle(
    ports: Ports,
) -> None:
    """Whatever people calls have in common, and in whatever order they name them, all end."""
    eve, fay, gil = await people(ports, "eve", "fay", "gil")
    caller = Caller(ports)
    circles = [[eve, fay], [fay, gil], [gil, eve], [fay, eve], [gil, fay, eve]]

    async with asyncio.timeout(60):
        await asyncio.gather(*(caller.change(f"circle{n}", circles[n % 5]) for n in range(30)))

    assert [1 + 24, 1 + 24, 1 + 18] == [
        each.version for each in await caller.current([eve, fay, gil])
    ]


async def test_who_is_refused_or_hangs_up_keeps_nobody_waiting(ports: Ports) -> None:
    """A turn ends with its call, however that ends."""
    about = await people(ports, "hal")
    caller = Caller(ports)

    async def refuse() -> Decision[Answer]:
        await asyncio.sleep(SLOWLY)
        raise TenantNotFoundError

    with ports.turns.turn() as turn:
        await turn.take([Contested(SUBJECTS.name, about[0].id)])
        gone = asyncio.create_task(caller.change("gone", about))
        waiting = [asyncio.create_task(caller.change(f"hal{n}", about)) for n in range(3)]
        await asyncio.sleep(SLOWLY * 4)
        gone.cancel()
        assert not any(call.done() for call in waiting)
    refused = Call(caller="web", rpc="Notes.Take", request_id="refused")
    with pytest.raises(TenantNotFoundError):
        await caller.commands.run(refused, TENANT, Answer, refuse)
    await asyncio.gather(*waiting)

    (last,) = await caller.current(about)
    assert 4 == last.version


async def test_a_line_is_gone_with_those_who_stood_in_it() -> None:
    """What was contested once costs no memory for ever."""
    turns = Turns()
    document = Contested("notes", "ada")

    async def stand() -> None:
        with turns.turn() as turn:
            await turn.take([document])
            await asyncio.sleep(0)

    await asyncio.gather(*(stand() for _ in range(5)))

    with turns.turn() as turn:
        assert not turn.must_wait_for([document])
