"""The calls of RecordsService about unanswered messages: translates to `domain.unanswered`."""

from __future__ import annotations

from collections.abc import Callable

from privacyrights.v1 import records_service_pb2 as pb
from server.domain.call import Call
from server.domain.ports import Clock
from server.domain.unanswered.message import MAX_MESSAGE
from server.domain.unanswered.messages import Opened, Submission, UnansweredMessages
from server.domain.values import InvalidValueError, calendar_date, locale
from server.handlers import names
from server.handlers.fields import Fields
from server.handlers.pages import page

MAX_MESSAGES = 1000


class UnansweredCalls:
    """Answers the calls about unanswered messages."""

    def __init__(self, unanswered: UnansweredMessages, clock: Clock) -> None:
        """Ask *unanswered*."""
        self._unanswered = unanswered
        self._clock = clock

    async def SubmitUnansweredMessages(
        self, request: pb.SubmitUnansweredMessagesRequest, call: Call
    ) -> pb.SubmitUnansweredMessagesResponse:
        """Take messages in."""
        fields = Fields(self._clock.now())
        fields.request_id(request.request_id)
        chatbot = fields.take("chatbot", names.chatbot, request.chatbot)
        given = fields.several("messages", request.messages, least=1, most=MAX_MESSAGES)
        texts = [
            fields.text(f"messages[{index}]", text, most=MAX_MESSAGE)
            for index, text in enumerate(given)
        ]
        language = fields.take("locale", locale, request.locale)
        fields.done()
        tenant, id = chatbot
        await self._unanswered.submit(call, Submission(tenant, id, language, texts))
        return pb.SubmitUnansweredMessagesResponse()

    async def ListUnansweredMessages(
        self, request: pb.ListUnansweredMessagesRequest, call: Call
    ) -> pb.ListUnansweredMessagesResponse:
        """Return one page of what was released."""
        fields = Fields(self._clock.now())
        tenant = fields.take("parent", names.tenant, request.parent)
        chatbot = ""
        if request.chatbot:
            chatbot = fields.take("chatbot", _of(tenant, names.chatbot), request.chatbot)
        day = fields.optional("release_date", calendar_date, request.release_date)
        asked = page(fields, request)
        fields.done()
        call.notes["tenant"] = tenant
        found, has_more = await self._unanswered.released(
            tenant, chatbot=chatbot, day=day, after=asked.after, size=asked.size
        )
        token = ""
        if has_more:
            last = found[-1].message
            token = asked.token((last.release_date, last.id))
        return pb.ListUnansweredMessagesResponse(
            messages=[_message(each) for each in found], next_page_token=token
        )

    async def DeleteUnansweredMessages(
        self, request: pb.DeleteUnansweredMessagesRequest, call: Call
    ) -> pb.DeleteUnansweredMessagesResponse:
        """Delete some of what was released."""
        fields = Fields(self._clock.now())
        fields.request_id(request.request_id)
        tenant = fields.take("parent", names.tenant, request.parent)
        given = fields.several("names", request.names, least=1, most=MAX_MESSAGES)
        ids: set[str] = set()
        for index, name in enumerate(given):
            id = fields.take(f"names[{index}]", _of(tenant, names.unanswered_message), name)
            ids.add(f"{tenant}/{id}")
        fields.done()
        committed = await self._unanswered.delete(call, tenant, ids)
        return pb.DeleteUnansweredMessagesResponse(deleted_count=committed.outcome.count)


def _of(tenant: str, parse: Callable[[str], tuple[str, str]]) -> Callable[[str], str]:
    """Return a parser like *parse* that gives the id of what belongs to *tenant*."""

    def parsed(name: str) -> str:
        owner, id = parse(name)
        if owner != tenant:
            raise InvalidValueError("must be of the parent")
        return id

    return parsed


def _message(opened: Opened) -> pb.UnansweredMessage:
    message = opened.message
    return pb.UnansweredMessage(
        name=names.to_name("unansweredMessages", message.id),
        chatbot=f"tenants/{message.tenant}/chatbots/{message.chatbot}",
        text=opened.text,
        locale=message.locale,
        release_date=message.release_date,
    )
