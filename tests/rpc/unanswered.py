"""Handing in and listing unanswered messages."""

from __future__ import annotations

from collections.abc import Sequence

import grpc

from privacyrights.v1 import records_service_pb2 as pb
from privacyrights.v1 import tenant_service_pb2, tenant_service_pb2_grpc
from tests.rpc.kept import stub
from tests.rpc.people import new_id


async def new_chatbot(channel: grpc.aio.Channel, tenant: str) -> str:
    """Register a chatbot of *tenant*, and return its name."""
    made = await tenant_service_pb2_grpc.TenantServiceStub(channel).CreateChatbot(
        tenant_service_pb2.CreateChatbotRequest(
            parent=tenant,
            chatbot_id=new_id("bot"),
            chatbot=tenant_service_pb2.Chatbot(display_name="Bot"),
            request_id=new_id(),
        )
    )
    return made.chatbot.name


async def submit(
    channel: grpc.aio.Channel,
    chatbot: str,
    *texts: str,
    locale: str = "en",
    request_id: str | None = None,
) -> pb.SubmitUnansweredMessagesResponse:
    """Hand in *texts* at once."""
    return await stub(channel).SubmitUnansweredMessages(
        pb.SubmitUnansweredMessagesRequest(
            chatbot=chatbot,
            messages=texts,
            locale=locale,
            request_id=new_id() if request_id is None else request_id,
        )
    )


async def listed(
    channel: grpc.aio.Channel, tenant: str, *, page_size: int = 1000, **asked: str
) -> Sequence[pb.UnansweredMessage]:
    """Return the released messages of *tenant*, of all pages."""
    found: list[pb.UnansweredMessage] = []
    token = ""
    while True:
        page = await stub(channel).ListUnansweredMessages(
            pb.ListUnansweredMessagesRequest(
                parent=tenant, page_size=page_size, page_token=token, **asked
            )
        )
        found += page.messages
        token = page.next_page_token
        if not token:
            return found
