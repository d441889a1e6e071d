"""Unanswered messages over a real channel: taken in, released in crowds, listed, and deleted."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import grpc
import pytest
from pymongo import AsyncMongoClient

from privacyrights.v1 import records_service_pb2 as pb
from privacyrights.v1 import tenant_service_pb2, tenant_service_pb2_grpc
from server.compose import App
from server.domain.clock import SteppingClock
from server.domain.unanswered.forgetting import Forgetting
from server.domain.unanswered.message import CROWD
from server.domain.unanswered.release import Release
from server.settings import Settings
from server.workers.unanswered import UnansweredWorker
from tests.rpc.conftest import Logged
from tests.rpc.kept import stub
from tests.rpc.people import new_id, new_tenant, refused
from tests.rpc.unanswered import listed, new_chatbot, submit

METHOD = "RecordsService/SubmitUnansweredMessages"


async def next_day(app: App, clock: SteppingClock) -> int:
    """Let a day pass, release, and return how many were."""
    clock.advance(timedelta(days=1))
    return await Release(app.ports).release(clock.now().date())


async def released(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock, number: int = CROWD
) -> tuple[str, str]:
    """Return a tenant and its chatbot, with so many released messages."""
    tenant = await new_tenant(channel)
    chatbot = await new_chatbot(channel, tenant)
    for count in range(number):
        await submit(channel, chatbot, f"question {count}")
    await next_day(app, clock)
    return tenant, chatbot


async def test_a_crowd_is_released_on_the_next_day(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """On the day itself nothing is listed, however many wait; on the next, all is, and once."""
    tenant = await new_tenant(channel)
    chatbot = await new_chatbot(channel, tenant)
    texts = {f"question {count}" for count in range(CROWD)}
    for text in texts:
        await submit(channel, chatbot, text, locale="fr-FR")

    same_day = await Release(app.ports).release(clock.now().date())
    at_first = await listed(channel, tenant)
    await next_day(app, clock)
    later = await listed(channel, tenant)

    assert (0, []) == (same_day, list(at_first))
    assert sorted(texts) == sorted(message.text for message in later)
    for message in later:
        assert (chatbot, "fr-FR") == (message.chatbot, message.locale)
        assert clock.now().date().isoformat() == message.release_date


async def test_who_is_without_company_waits(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """One too few is released by no number of days, and with the next one all are."""
    tenant = await new_tenant(channel)
    chatbot = await new_chatbot(channel, tenant)
    for count in range(CROWD - 1):
        await submit(channel, chatbot, f"question {count}")

    for _ in range(3):
        await next_day(app, clock)
    before = await listed(channel, tenant)
    await submit(channel, chatbot, "the last")
    await next_day(app, clock)

    assert [] == list(before)
    assert CROWD == len(await listed(channel, tenant))


@pytest.mark.parametrize("what", ["chatbot", "locale", "length", "call"])
async def test_what_sets_one_apart_keeps_it_waiting(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock, what: str
) -> None:
    """The same chatbot, language, class of length, and each of another call: else no company."""
    tenant = await new_tenant(channel)
    chatbot, other = await new_chatbot(channel, tenant), await new_chatbot(channel, tenant)
    for count in range(CROWD - 1):
        await submit(channel, chatbot, f"question {count}")
    match what:
        case "chatbot":
            await submit(channel, other, "apart")
        case "locale":
            await submit(channel, chatbot, "apart", locale="fr")
        case "length":
            await submit(channel, chatbot, "apart " * 100)
        case _:
            # Of one call, the first joins the others; the rest would be many of one hand.
            await submit(channel, chatbot, *["apart"] * CROWD)

    await next_day(app, clock)

    expected = CROWD if what == "call" else 0
    assert expected == len(await listed(channel, tenant))


async def test_large_calls_are_released_with_each_other(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """As many calls as a crowd needs, of 30 messages each, are released as a whole."""
    tenant = await new_tenant(channel)
    chatbot = await new_chatbot(channel, tenant)
    await asyncio.gather(
        *(submit(channel, chatbot, *(f"question {n}" for n in range(30))) for _ in range(CROWD))
    )

    await next_day(app, clock)

    assert CROWD * 30 == len(await listed(channel, tenant, page_size=70))


async def test_two_servers_release_each_message_once(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """Who comes second to a crowd leaves it."""
    tenant = await new_tenant(channel)
    chatbot = await new_chatbot(channel, tenant)
    for count in range(CROWD):
        await submit(channel, chatbot, f"question {count}")
    clock.advance(timedelta(days=1))

    forgetting = Forgetting(app.ports, days=180)
    workers = [UnansweredWorker(forgetting, Release(app.ports), clock) for _ in range(3)]
    await asyncio.gather(*(worker.step() for worker in workers))

    assert CROWD == len({message.text for message in await listed(channel, tenant)})
    assert CROWD == len(await listed(channel, tenant))


async def test_identifiers_are_masked_on_entry(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """What is listed has no address that somebody wrote into a message."""
    tenant = await new_tenant(channel)
    chatbot = await new_chatbot(channel, tenant)
    for _ in range(CROWD):
        await submit(channel, chatbot, "write to ada@example.org or call +33612345678")

    await next_day(app, clock)

    assert {"write to [e-mail] or call [number]"} == {
        message.text for message in await listed(channel, tenant)
    }


async def test_a_repeat_is_taken_in_once(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """The same request id adds nothing; with other messages it is refused."""
    tenant = await new_tenant(channel)
    chatbot = await new_chatbot(channel, tenant)
    id = new_id()
    for count in range(CROWD):
        await submit(channel, chatbot, f"question {count}", request_id=f"{id}-{count}")
        await submit(channel, chatbot, f"question {count}", request_id=f"{id}-{count}")

    told = await refused(submit(channel, chatbot, "another", request_id=f"{id}-0"))
    await next_day(app, clock)

    assert ("ALREADY_EXISTS", "REQUEST_ID_REUSED") == (told.code, told.reason)
    assert CROWD == len(await listed(channel, tenant))


async def test_no_log_line_and_no_record_has_more_than_the_method(
    channel: grpc.aio.Channel, settings: Settings, mongo_uri: str, logged: Logged
) -> None:
    """A request id made out of a conversation stays neither in the log nor in the database."""
    chatbot = await new_chatbot(channel, await new_tenant(channel))
    canary = "conversation-of-psid-4711"

    await submit(channel, chatbot, "why?", request_id=canary)
    await refused(submit(channel, f"{chatbot}-none", "why?", request_id=f"{canary}-2"))

    lines = [line for line in logged() if line.get("method") == METHOD]
    assert ["OK", "NOT_FOUND"] == [line["code"] for line in lines]
    for line in lines:
        assert {"timestamp", "level", "event", "method", "code"} == set(line)
    async with AsyncMongoClient[dict[str, Any]](mongo_uri) as client:
        database = client[settings.database]
        for name in await database.list_collection_names():
            async for document in database[name].find():
                assert canary not in str(document)


async def test_lists_by_chatbot_and_by_day(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """Either restricts the list; pages go through days and then ids, and miss nothing."""
    tenant, first = await released(app, channel, clock)
    day = clock.now().date().isoformat()
    second = await new_chatbot(channel, tenant)
    for count in range(CROWD):
        await submit(channel, second, f"question {count}")
    await next_day(app, clock)

    everything = await listed(channel, tenant, page_size=7)
    keys = [(message.release_date, message.name) for message in everything]

    assert 2 * CROWD == len(everything)
    assert sorted(keys) == keys
    for asked in ({"chatbot": first}, {"release_date": day}):
        found = await listed(channel, tenant, page_size=7, **asked)
        assert CROWD == len(found)
        assert {(first, day)} == {(each.chatbot, each.release_date) for each in found}


async def test_a_page_of_long_messages_stays_a_message(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """Where they are long, a page holds fewer than asked for, and the next ones the rest."""
    tenant = await new_tenant(channel)
    chatbot = await new_chatbot(channel, tenant)
    for _ in range(CROWD):
        await submit(channel, chatbot, *["\U0001f642" * 4000] * 3)
    await next_day(app, clock)

    page = await stub(channel).ListUnansweredMessages(
        pb.ListUnansweredMessagesRequest(parent=tenant, page_size=1000)
    )

    assert 3 * CROWD > len(page.messages) > 0
    assert 3 * CROWD == len(await listed(channel, tenant))


async def test_what_has_served_its_end_is_deleted(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """Deleting says how many were there; a repeat says the same, and other messages stay."""
    tenant, _ = await released(app, channel, clock)
    gone = [message.name for message in await listed(channel, tenant)][:5]
    request = pb.DeleteUnansweredMessagesRequest(
        parent=tenant, names=[*gone, gone[0]], request_id=new_id()
    )

    first = await stub(channel).DeleteUnansweredMessages(request)
    repeat = await stub(channel).DeleteUnansweredMessages(request)
    request.request_id = new_id()
    later = await stub(channel).DeleteUnansweredMessages(request)

    assert [5, 5, 0] == [each.deleted_count for each in (first, repeat, later)]
    left = {message.name for message in await listed(channel, tenant)}
    assert (CROWD - 5, set[str]()) == (len(left), left & set(gone))


async def test_another_tenants_messages_are_out_of_reach(
    app: App, channel: grpc.aio.Channel, clock: SteppingClock
) -> None:
    """They are neither listed, nor deleted by their names."""
    tenant, chatbot = await released(app, channel, clock)
    other = await new_tenant(channel)
    names = [message.name for message in await listed(channel, tenant)]

    told = await refused(
        stub(channel).DeleteUnansweredMessages(
            pb.DeleteUnansweredMessagesRequest(parent=other, names=names, request_id=new_id())
        )
    )
    by_chatbot = await refused(listed(channel, other, chatbot=chatbot))

    assert ("INVALID_ARGUMENT", "names[0]") == (told.code, told.fields[0])
    assert ("INVALID_ARGUMENT", ("chatbot",)) == (by_chatbot.code, by_chatbot.fields)
    assert [] == list(await listed(channel, other))
    assert CROWD == len(await listed(channel, tenant))


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("chatbot", "bot", "chatbot"),
        ("messages", [], "messages"),
        ("messages", ["x"] * 1001, "messages"),
        ("messages", ["fine", " "], "messages[1]"),
        ("messages", ["x" * 4001], "messages[0]"),
        ("messages", ["a\0b"], "messages[0]"),
        ("locale", "", "locale"),
        ("locale", "English", "locale"),
        ("request_id", "", "request_id"),
    ],
)
async def test_bad_submissions(
    channel: grpc.aio.Channel, field: str, value: object, expected: str
) -> None:
    """What is wrong is named, and nothing of it echoed."""
    chatbot = await new_chatbot(channel, await new_tenant(channel))
    asked: dict[str, Any] = {
        "chatbot": chatbot,
        "messages": ["why?"],
        "locale": "en",
        "request_id": new_id(),
        field: value,
    }

    told = await refused(
        stub(channel).SubmitUnansweredMessages(pb.SubmitUnansweredMessagesRequest(**asked))
    )

    assert ("INVALID_ARGUMENT", "FIELD_INVALID", (expected,)) == (
        told.code,
        told.reason,
        told.fields,
    )


async def test_whose_chatbot_there_is_none(channel: grpc.aio.Channel) -> None:
    """A tenant or chatbot that doesn't exist, or was deleted, has no messages."""
    tenant = await new_tenant(channel)
    chatbot = await new_chatbot(channel, tenant)
    await tenant_service_pb2_grpc.TenantServiceStub(channel).DeleteChatbot(
        tenant_service_pb2.DeleteChatbotRequest(name=chatbot, request_id=new_id())
    )

    told = [
        await refused(submit(channel, "tenants/nowhere/chatbots/bot", "why?")),
        await refused(submit(channel, f"{tenant}/chatbots/none", "why?")),
        await refused(submit(channel, chatbot, "why?")),
        await refused(listed(channel, "tenants/nowhere")),
        await refused(
            stub(channel).DeleteUnansweredMessages(
                pb.DeleteUnansweredMessagesRequest(
                    parent="tenants/nowhere",
                    names=["tenants/nowhere/unansweredMessages/n0"],
                    request_id=new_id(),
                )
            )
        ),
    ]

    expected = ["TENANT", "CHATBOT", "CHATBOT", "TENANT", "TENANT"]
    assert [f"{what}_NOT_FOUND" for what in expected] == [each.reason for each in told]
