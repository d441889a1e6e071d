"""Inquiries over a real channel, and what is kept and told of the professionals in them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from pymongo import AsyncMongoClient

from privacyrights.v1 import assistance_service_pb2 as pb
from privacyrights.v1.assistance_service_pb2_grpc import AssistanceServiceStub
from server.compose import App
from server.domain.assistance.inquiries import Inquiries
from server.domain.assistance.inquiry import (
    INQUIRIES,
    INQUIRY_MESSAGES,
    MAX_MESSAGES,
    MAX_THREAD_BYTES,
    Inquiry,
    NewMessage,
    Side,
    replied,
)
from server.domain.change import Change, Insert, Kind, Replace, Table
from server.domain.clock import SteppingClock
from server.domain.ledger import Entry
from server.domain.ports import Query
from server.domain.tenants import Tenants
from server.settings import Settings
from tests.rpc.assistance import CANARY, contact, contacts, opened, opening, reply
from tests.rpc.people import REASON, new_id, new_tenant, refused

if TYPE_CHECKING:
    from privacyrights.v1.assistance_service_pb2_grpc import AssistanceServiceAsyncStub


@pytest.fixture
def service(channel: grpc.aio.Channel) -> AssistanceServiceAsyncStub:
    """Return the service's stub."""
    return AssistanceServiceStub(channel)


@pytest.fixture
async def tenant(channel: grpc.aio.Channel) -> str:
    """Return the name of a tenant, in Paris, that no other test has."""
    return await new_tenant(channel)


async def ledger(app: App, tenant: str) -> list[Entry]:
    """Return what the ledger says of *tenant*, in the order of ids."""
    query = Query(Table(Kind.LEDGER), tenant=tenant.removeprefix("tenants/"), limit=1000)
    return list(await app.ports.reader.find(query, Entry))


async def test_inquiry_is_answered_and_closed(
    service: AssistanceServiceAsyncStub, tenant: str
) -> None:
    """An inquiry waits for us until it is answered, and keeps its whole thread."""
    asked = await opened(service, tenant, about=f"{tenant}/notices/p1")
    answered = (await service.ReplyToInquiry(reply(asked))).inquiry
    asked_on = (await service.ReplyToInquiry(reply(asked, pb.SIDE_TENANT, text="Why?"))).inquiry
    ended = await service.CloseInquiry(pb.CloseInquiryRequest(name=asked.name, request_id=new_id()))

    found = (await service.GetInquiry(pb.GetInquiryRequest(name=asked.name, reason=REASON))).inquiry

    assert [
        pb.INQUIRY_STATE_OPEN,
        pb.INQUIRY_STATE_ANSWERED,
        pb.INQUIRY_STATE_OPEN,
        pb.INQUIRY_STATE_CLOSED,
    ] == [one.state for one in (asked, answered, asked_on, found)]
    assert ended.inquiry == found
    assert (f"About {CANARY}", f"{tenant}/notices/p1") == (found.title, found.about)
    assert [
        (pb.SIDE_TENANT, "DPO", f"Where is the data of {CANARY}?"),
        (pb.SIDE_PLATFORM, "Compliance team", "In Paris."),
        (pb.SIDE_TENANT, "Compliance team", "Why?"),
    ] == [(one.side, one.author, one.text) for one in found.messages]


async def test_answer_is_due_on_the_fifth_day(
    service: AssistanceServiceAsyncStub, tenant: str
) -> None:
    """What is asked on a Monday is due when Saturday is over, where the tenant is."""
    asked = await opened(service, tenant)

    assert datetime(2026, 3, 7, 23, tzinfo=UTC) == asked.due_time.ToDatetime(tzinfo=UTC)


async def test_repeats_return_the_first_answer(
    service: AssistanceServiceAsyncStub, tenant: str
) -> None:
    """A repeated call changes nothing, and is told what the first was, whatever came since."""
    opening_ = opening(tenant)
    asked = await service.OpenInquiry(opening_)
    answer = reply(asked.inquiry)
    answered = await service.ReplyToInquiry(answer)
    closing = pb.CloseInquiryRequest(name=asked.inquiry.name, request_id=new_id())
    ended = await service.CloseInquiry(closing)

    assert asked.inquiry == (await service.OpenInquiry(opening_)).inquiry
    assert answered.inquiry == (await service.ReplyToInquiry(answer)).inquiry
    assert ended.inquiry == (await service.CloseInquiry(closing)).inquiry
    assert 1 == len(asked.inquiry.messages)
    assert 2 == len(ended.inquiry.messages)


async def test_reused_request_id_is_refused(
    service: AssistanceServiceAsyncStub, tenant: str
) -> None:
    """The id of one call can't be used for another one."""
    asked = await opened(service, tenant)
    answer = reply(asked)
    await service.ReplyToInquiry(answer)
    answer.text = "In Lyon."

    told = await refused(service.ReplyToInquiry(answer))

    assert ("ALREADY_EXISTS", "REQUEST_ID_REUSED") == (told.code, told.reason)


async def test_closed_inquiry_takes_nothing_more(
    service: AssistanceServiceAsyncStub, tenant: str
) -> None:
    """What is closed stays as it is."""
    asked = await opened(service, tenant)
    await service.CloseInquiry(pb.CloseInquiryRequest(name=asked.name, request_id=new_id()))

    replying = await refused(service.ReplyToInquiry(reply(asked)))
    closing = await refused(
        service.CloseInquiry(pb.CloseInquiryRequest(name=asked.name, request_id=new_id()))
    )

    assert ("FAILED_PRECONDITION", "ILLEGAL_TRANSITION", {"state": "closed"}) == (
        replying.code,
        replying.reason,
        replying.metadata,
    )
    assert replying == closing


async def filled(app: App, name: str, text: str, count: int) -> None:
    """Add *count* messages to an inquiry at once, as as many replies would one by one."""
    tenant, id = name.removeprefix("tenants/").split("/inquiries/")
    kept = Inquiries(app.ports, Tenants(app.ports))
    found = await app.ports.reader.get(INQUIRIES, tenant, f"{tenant}/{id}", Inquiry)
    assert found is not None
    now = app.ports.clock.now()
    message = NewMessage(Side.TENANT, "DPO", text)
    after = found
    writes: list[Insert | Replace] = []
    for _ in range(count):
        after = replied(after, message, found.due_time)
        written = await kept._message(after, message, now)  # pyright: ignore[reportPrivateUsage]  # to fill a thread at once
        writes.append(Insert(INQUIRY_MESSAGES, written))
    writes.append(Replace(INQUIRIES, replace(after, version=found.version + 1)))
    await app.ports.committer.commit(Change(writes=writes, entries=()), type(None))


async def test_full_thread_takes_nothing_more(
    service: AssistanceServiceAsyncStub, app: App, tenant: str
) -> None:
    """A thread ends at its limit, and says so; waiting would not help."""
    asked = await opened(service, tenant)
    await filled(app, asked.name, "x", MAX_MESSAGES - 2)

    last = (await service.ReplyToInquiry(reply(asked))).inquiry
    told = await refused(service.ReplyToInquiry(reply(asked)))

    assert MAX_MESSAGES == len(last.messages)
    assert ["In Paris."] == [one.text for one in last.messages if one.side == pb.SIDE_PLATFORM]
    assert "In Paris." == last.messages[-1].text
    assert ("RESOURCE_EXHAUSTED", "LIMIT_EXCEEDED") == (told.code, told.reason)
    assert told.retry_seconds is None


async def test_longest_thread_can_be_read(
    service: AssistanceServiceAsyncStub, app: App, tenant: str
) -> None:
    """However long its messages are, a thread fits what any client takes."""
    asked = await opened(service, tenant)
    longest = "漢" * 10_000
    count = (MAX_THREAD_BYTES - 1000) // len(longest.encode())
    await filled(app, asked.name, longest, count)

    told = await refused(service.ReplyToInquiry(reply(asked, text=longest)))
    found = await service.GetInquiry(pb.GetInquiryRequest(name=asked.name, reason=REASON))

    assert "LIMIT_EXCEEDED" == told.reason
    assert count + 1 == len(found.inquiry.messages)


async def test_concurrent_replies_are_all_kept(
    service: AssistanceServiceAsyncStub, tenant: str
) -> None:
    """Replies at the same time stand one after the other."""
    asked = await opened(service, tenant)

    await asyncio.gather(
        *(service.ReplyToInquiry(reply(asked, text=f"{number}")) for number in range(6))
    )

    found = (await service.GetInquiry(pb.GetInquiryRequest(name=asked.name, reason=REASON))).inquiry
    assert set("012345") == {one.text for one in found.messages[1:]}
    assert 7 == len(found.messages)


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"parent": "acme"}, "parent"),
        ({"title": ""}, "title"),
        ({"title": "x" * 201}, "title"),
        ({"text": " "}, "text"),
        ({"text": "x" * 10_001}, "text"),
        ({"text": "\x00"}, "text"),
        ({"author": ""}, "author"),
        ({"about": "somebody"}, "about"),
        ({"about": "tenants/another/notices/p1"}, "about"),
        ({"about": "tenants/another/subjects/x"}, "about"),
        ({"request_id": "a b"}, "request_id"),
    ],
)
async def test_inquiry_lacking_something_is_refused(
    service: AssistanceServiceAsyncStub, tenant: str, fields: dict[str, Any], path: str
) -> None:
    """What an inquiry must say is refused when it is missing or wrong."""

    told = await refused(service.OpenInquiry(opening(tenant, **fields)))

    assert ("INVALID_ARGUMENT", "FIELD_INVALID", (path,)) == (told.code, told.reason, told.fields)
    assert CANARY not in str(told)


async def test_inquiries_are_listed_first_due_first(
    service: AssistanceServiceAsyncStub, channel: grpc.aio.Channel, tenant: str
) -> None:
    """A list has everything of one tenant and of the state asked for, without the messages."""
    made = [(await opened(service, tenant)).name for _ in range(3)]
    await opened(service, await new_tenant(channel))
    await service.ReplyToInquiry(reply(pb.Inquiry(name=made[0])))

    first = await service.ListInquiries(
        pb.ListInquiriesRequest(parent=tenant, page_size=2, reason=REASON)
    )
    rest = await service.ListInquiries(
        pb.ListInquiriesRequest(
            parent=tenant, page_size=2, page_token=first.next_page_token, reason=REASON
        )
    )
    waiting = await service.ListInquiries(
        pb.ListInquiriesRequest(parent=tenant, state=pb.INQUIRY_STATE_OPEN, reason=REASON)
    )

    found = [*first.inquiries, *rest.inquiries]
    assert made == [one.name for one in found]
    assert "" == rest.next_page_token
    assert made[1:] == [one.name for one in waiting.inquiries]
    assert not any(one.messages for one in found)
    assert {f"About {CANARY}"} == {one.title for one in found}


async def test_other_tenants_inquiry_is_not_found(
    service: AssistanceServiceAsyncStub, channel: grpc.aio.Channel, tenant: str
) -> None:
    """Another tenant's inquiry is told of in the same words as one that doesn't exist."""
    asked = await opened(service, tenant)
    other = await new_tenant(channel)
    hers = asked.name.replace(tenant, other)

    told = [
        await refused(service.GetInquiry(pb.GetInquiryRequest(name=name, reason=REASON)))
        for name in (hers, f"{other}/inquiries/nothing")
    ]
    replying = await refused(service.ReplyToInquiry(reply(pb.Inquiry(name=hers))))

    assert ("NOT_FOUND", "INQUIRY_NOT_FOUND") == (told[0].code, told[0].reason)
    assert told[0] == told[1] == replying


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("OpenInquiry", opening("tenants/nowhere")),
        ("ListInquiries", pb.ListInquiriesRequest(parent="tenants/nowhere", reason=REASON)),
        ("SetContact", contact("tenants/nowhere")),
        ("ListContacts", pb.ListContactsRequest(parent="tenants/nowhere", reason=REASON)),
        ("ListComplianceGaps", pb.ListComplianceGapsRequest(parent="tenants/nowhere")),
    ],
)
async def test_unknown_tenant_is_not_found(
    service: AssistanceServiceAsyncStub, method: str, request_: object
) -> None:
    """Nothing is kept or told for a tenant that doesn't exist."""

    told = await refused(getattr(service, method)(request_))

    assert ("NOT_FOUND", "TENANT_NOT_FOUND") == (told.code, told.reason)


async def test_professionals_are_nowhere_plain(
    service: AssistanceServiceAsyncStub, app: App, settings: Settings, tenant: str
) -> None:
    """Neither a document nor the ledger nor a kept outcome holds a name, address or word."""
    asked = await opened(service, tenant, author=CANARY)
    await service.ReplyToInquiry(reply(asked, text=CANARY))
    await service.SetContact(contact(tenant))

    assert settings.mongo_uri is not None
    async with AsyncMongoClient[dict[str, Any]](settings.mongo_uri.get_secret_value()) as client:
        database = client[settings.database]
        kept = [
            document
            for collection in await database.list_collection_names()
            async for document in database[collection].find()
        ]

    assert asked.name.rpartition("/")[2] in str(kept)
    assert CANARY not in str(kept)
    assert "canary@" not in str(kept)
    assert CANARY not in str(await ledger(app, tenant))


async def test_ledger_tells_of_changes_and_reads(
    service: AssistanceServiceAsyncStub, app: App, tenant: str
) -> None:
    """What is changed, and what is read of professionals, is in the ledger."""
    asked = await opened(service, tenant)
    await service.ReplyToInquiry(reply(asked))
    await service.ReplyToInquiry(reply(asked, pb.SIDE_TENANT))
    await service.GetInquiry(pb.GetInquiryRequest(name=asked.name, reason=REASON))
    await service.ListInquiries(pb.ListInquiriesRequest(parent=tenant, reason=REASON))
    await service.CloseInquiry(pb.CloseInquiryRequest(name=asked.name, request_id=new_id()))
    await service.SetContact(contact(tenant))
    await contacts(service, tenant)

    found = [(entry.type, entry.target) for entry in await ledger(app, tenant)]

    assert [
        ("tenant.created", tenant),
        ("inquiry.opened", asked.name),
        ("inquiry.answered", asked.name),
        ("inquiry.continued", asked.name),
        ("inquiry.read", asked.name),
        ("inquiry.listed", ""),
        ("inquiry.closed", asked.name),
        ("contact.set", f"{tenant}/contacts/tenant-breach"),
        ("contact.listed", ""),
    ] == found


async def test_due_time_follows_what_is_asked_on(
    service: AssistanceServiceAsyncStub, clock: SteppingClock, tenant: str
) -> None:
    """A question after our answer has its own time; one more word before it has not."""
    asked = await opened(service, tenant)
    clock.advance(timedelta(days=2))
    added = (await service.ReplyToInquiry(reply(asked, pb.SIDE_TENANT))).inquiry
    answered = (await service.ReplyToInquiry(reply(asked))).inquiry
    asked_on = (await service.ReplyToInquiry(reply(asked, pb.SIDE_TENANT))).inquiry

    assert asked.due_time == added.due_time == answered.due_time
    assert timedelta(days=2) == asked_on.due_time.ToDatetime() - asked.due_time.ToDatetime()
