"""Who has the whole database can't tell who wrote which unanswered message (S5)."""

from __future__ import annotations

import random
import secrets
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import grpc
import pytest
from pymongo import AsyncMongoClient

from privacyrights.v1 import records_service_pb2 as pb
from server.compose import App
from server.domain.call import Call
from server.domain.change import Change, Insert
from server.domain.clock import SteppingClock
from server.domain.identifiers import random_id
from server.domain.ports import Ports
from server.domain.tenants import Tenants
from server.domain.unanswered.message import CROWD, MESSAGES, Held, UnansweredMessage
from server.domain.unanswered.message import released_context as context
from server.domain.unanswered.messages import Submission, UnansweredMessages
from server.domain.unanswered.release import Release
from server.settings import Settings
from tests.rpc.kept import CALL, ledger, put, stub
from tests.rpc.onlooker import Client, Onlooker
from tests.rpc.people import end_user, new_id, new_tenant
from tests.rpc.unanswered import new_chatbot, submit

PEOPLE = 60
LINKED_BY_CHANCE = 9
"""Of so many people, by chance one is guessed right; as many as this once in a million times."""


class Variant:
    """How messages are taken in and released: as the server does, over the wire."""

    def __init__(self, ports: Ports, channel: grpc.aio.Channel) -> None:
        self.ports = ports
        self.channel = channel

    async def submit(self, chatbot: str, text: str) -> None:
        """Hand in one message."""
        await submit(self.channel, chatbot, text)

    async def release(self) -> None:
        """Release, on the day after."""
        await Release(self.ports).release(self.ports.clock.now().date())


async def linked(
    variant: Variant, clock: SteppingClock, client: Client, database: str
) -> dict[str, int]:
    """Return how many of all people are linked to their message by each guess."""
    channel = variant.channel
    tenant = await new_tenant(channel)
    chatbot = await new_chatbot(channel, tenant)
    onlooker = Onlooker(client, database, tenant)
    await onlooker.watch()
    texts: list[str] = []
    for _ in range(PEOPLE):
        clock.advance(timedelta(seconds=random.randint(1, 300)))
        await put(channel, end_user(tenant))
        texts.append(f"where do I find {secrets.token_urlsafe(6)}?")
        await variant.submit(chatbot, texts[-1])
    people = await onlooker.people()
    clock.advance(timedelta(days=1))
    await variant.release()
    response = await stub(channel).ListUnansweredMessages(
        pb.ListUnansweredMessagesRequest(parent=tenant, page_size=1000)
    )
    words = {_id(each.name): each.text for each in response.messages}
    assert sorted(texts) == sorted(words.values()), "all messages are there, and once"
    wrote = dict(zip(people, texts, strict=True))
    guesses = await onlooker.guesses(list(words))
    return {
        name: sum(wrote[person] == words[id] for person, id in zip(people, order, strict=False))
        for name, order in guesses.items()
    }


@pytest.fixture
async def client(mongo_uri: str) -> AsyncGenerator[Client]:
    """Return a connection of somebody who may read everything."""
    async with AsyncMongoClient[dict[str, Any]](mongo_uri, tz_aware=True) as made:
        yield made


async def test_whoever_has_the_database_guesses_no_better_than_chance(
    app: App,
    channel: grpc.aio.Channel,
    clock: SteppingClock,
    client: Client,
    settings: Settings,
) -> None:
    """Neither ids, order, time, places, lengths nor repeats join a message to its writer."""
    found = await linked(Variant(app.ports, channel), clock, client, settings.database)

    assert LINKED_BY_CHANCE > max(found.values()), found


async def test_nothing_in_ledger_or_log_is_about_a_message(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """The ledger has one line for a release, and none for what was handed in."""
    tenant = await new_tenant(channel)
    chatbot = await new_chatbot(channel, tenant)
    before = len(await ledger(app.ports, tenant))
    for _ in range(CROWD):
        await submit(channel, chatbot, "why?")

    at_first = await ledger(app.ports, tenant)
    clock.advance(timedelta(days=1))
    await Release(app.ports).release(clock.now().date())

    assert before == len(at_first)
    added = (await ledger(app.ports, tenant))[before:]
    assert ["unanswered_messages.released"] == [each.type for each in added]


class Immediate(Variant):
    """Broken: a message is written as soon as it comes, with a random id and the day only."""

    async def submit(self, chatbot: str, text: str) -> None:
        """Write."""
        message = await _message(self.ports, chatbot, text)
        await self.ports.committer.commit(Change((Insert(MESSAGES, message),), ()), type(None))

    async def release(self) -> None:
        """Do nothing."""


class SortedIds(Variant):
    """Broken: ids sort by time, and what is released keeps that order."""

    async def submit(self, chatbot: str, text: str) -> None:
        """Hand in one message, under a time-sorted id."""
        ids = self.ports.ids

        class Sorted(UnansweredMessages):
            def _new_id(self) -> str:
                return ids.new()

        await Sorted(self.ports, Tenants(self.ports)).submit(_call(), _submission(chatbot, text))

    async def release(self) -> None:
        """Release in the order of ids."""

        class Unmixed(Release):
            def _mixed(self, held: Sequence[Held]) -> Sequence[Held]:
                return held

        await Unmixed(self.ports).release(self.ports.clock.now().date())


class KeptIds(Variant):
    """Broken: random ids and a mixed release, but what is released keeps the id it waited with."""

    async def release(self) -> None:
        """Release under the ids of what waited."""

        class Keeping(Release):
            async def _released(self, held: Held, today: object) -> UnansweredMessage:
                released = await super()._released(held, today)  # type: ignore[arg-type]
                content = await self._ports.keyring.unseal_for_tenant(
                    held.tenant, released.sealed, context(released.id)
                )
                sealed = await self._ports.keyring.seal_for_tenant(
                    held.tenant, content, context(held.id)
                )
                return replace(released, id=held.id, sealed=sealed)

        await Keeping(self.ports).release(self.ports.clock.now().date())


@dataclass(frozen=True, slots=True)
class Timed(UnansweredMessage):
    """A message with the time of its coming."""

    submit_time: datetime


class ExactTimes(Variant):
    """Broken: mixed and with random ids, but with the exact time."""

    def __init__(self, ports: Ports, channel: grpc.aio.Channel) -> None:
        super().__init__(ports, channel)
        self._waiting: list[Timed] = []

    async def submit(self, chatbot: str, text: str) -> None:
        """Remember."""
        message = await _message(self.ports, chatbot, text)
        fields = (message.id, message.tenant, 1, message.chatbot, message.locale)
        self._waiting.append(
            Timed(*fields, message.release_date, message.sealed, self.ports.clock.now())
        )

    async def release(self) -> None:
        """Write all, mixed."""
        mixed = random.sample(self._waiting, len(self._waiting))
        writes = [Insert(MESSAGES, each) for each in mixed]
        await self.ports.committer.commit(Change(writes, ()), type(None))


@pytest.mark.parametrize("broken", [Immediate, SortedIds, KeptIds, ExactTimes])
async def test_that_an_order_a_time_or_an_id_would_be_noticed(
    app: App,
    channel: grpc.aio.Channel,
    clock: SteppingClock,
    client: Client,
    settings: Settings,
    *,
    broken: type[Variant],
) -> None:
    """With any of these, the same onlooker links nearly everybody."""
    found = await linked(broken(app.ports, channel), clock, client, settings.database)

    assert PEOPLE * 0.9 <= max(found.values()), found


def _id(name: str) -> str:
    _, tenant, _, id = name.split("/")
    return f"{tenant}/{id}"


def _call() -> Call:
    return replace(CALL, request_id=new_id(), content=b"x")


def _submission(chatbot: str, text: str) -> Submission:
    _, tenant, _, id = chatbot.split("/")
    return Submission(tenant, id, "en", [text])


async def _message(ports: Ports, chatbot: str, text: str) -> UnansweredMessage:
    asked = _submission(chatbot, text)
    id = f"{asked.tenant}/{random_id()}"
    sealed = await ports.keyring.seal_for_tenant(asked.tenant, text.encode(), context(id))
    day = ports.clock.now().date().isoformat()
    return UnansweredMessage(id, asked.tenant, 1, asked.chatbot, asked.locale, day, sealed)
