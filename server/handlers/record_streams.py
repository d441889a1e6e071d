"""StreamRecords of RecordsService: everybody's records, in messages that clients accept."""

from __future__ import annotations

from collections.abc import AsyncIterator

from privacyrights.v1 import records_service_pb2 as pb
from privacyrights.v1 import types_pb2
from server.domain.call import Call
from server.domain.errors import ResumeTokenInvalidError
from server.domain.ports import Clock
from server.domain.records.minimisation import stated_reason
from server.domain.records.streams import RecordStreams, StreamPiece, StreamWanted
from server.domain.values import SubjectId
from server.handlers import names
from server.handlers.fields import ROLE_NUMBERS, Fields
from server.handlers.pages import Page, resumed
from server.handlers.record_messages import IS_METADATA, record_message

MAX_CATEGORIES = 100


class StreamCalls:
    """Answers StreamRecords."""

    def __init__(self, streams: RecordStreams, clock: Clock) -> None:
        """Stream from *streams*."""
        self._streams = streams
        self._clock = clock

    async def StreamRecords(
        self, request: pb.StreamRecordsRequest, call: Call
    ) -> AsyncIterator[pb.StreamRecordsResponse]:
        """Stream the records of everybody who may be processed."""
        fields = Fields(self._clock.now())
        asked = resumed(request, request.resume_token)
        categories = fields.several("categories", request.categories, most=MAX_CATEGORIES)
        tenant = fields.take("parent", names.tenant, request.parent)
        left_out, after = _place(asked, tenant)
        wanted = StreamWanted(
            tenant=tenant,
            role=fields.role("role", request.role),
            purpose=fields.take("purpose", names.purpose, request.purpose),
            reason=fields.take("reason", lambda text: stated_reason(text, ""), request.reason),
            categories=tuple(
                fields.take(f"categories[{index}]", names.category, name)
                for index, name in enumerate(categories)
            ),
            recorded_for_purpose_only=request.recorded_for_purpose_only,
            is_metadata=fields.choice("view", IS_METADATA, request.view or pb.RECORD_VIEW_FULL),
            freshness=fields.freshness(request.consistency),
            after=after,
            left_out=left_out,
        )
        fields.done()
        async for piece in self._streams.stream(call, wanted):
            yield _message(piece, asked)


def _place(asked: Page, tenant: str) -> tuple[int, str]:
    """Return how many were left out, and where the stream of *tenant* goes on.

    Raises:
        ResumeTokenInvalidError: the token was made up.
    """
    if asked.after is None:
        return 0, ""
    left_out, position = asked.after
    is_of_tenant = position.startswith(f"{tenant}/") and position.count("/") > 1
    if not isinstance(left_out, int) or left_out < 0 or not (is_of_tenant or not position):
        raise ResumeTokenInvalidError
    return left_out, position


def _message(piece: StreamPiece, asked: Page) -> pb.StreamRecordsResponse:
    return pb.StreamRecordsResponse(
        subject=_subject(piece.who) if piece.who is not None else None,
        subject_reference=piece.reference,
        records=[record_message(opened) for opened in piece.records],
        ledger_entry=names.to_name("ledgerEntries", piece.entry) if piece.entry else "",
        left_out_count=piece.left_out,
        resume_token=asked.token((piece.left_out, piece.position)),
    )


def _subject(who: SubjectId) -> types_pb2.Subject:
    subject = types_pb2.Subject(
        role=ROLE_NUMBERS[who.role], tenant=f"tenants/{who.tenant}", generation=who.generation
    )
    if who.is_visitor:
        subject.visitor_id = who.value
    else:
        subject.subject_id = who.value
    return subject
