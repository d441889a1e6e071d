"""RecordsService: translates between the contract and `domain.records.records`."""

from __future__ import annotations

import asyncio

from privacyrights.v1 import records_service_pb2 as pb
from server.domain.call import Call
from server.domain.errors import (
    ConsistencyTokenInvalidError,
    DomainError,
    StorageUnavailableError,
    TenantNotFoundError,
)
from server.domain.ports import Clock, Freshness
from server.domain.records.batches import RecordBatches
from server.domain.records.minimisation import record_key, stated_reason
from server.domain.records.record import DEFAULT_KEY, Wanted
from server.domain.records.records import Records
from server.domain.records.streams import RecordStreams
from server.domain.records.updates import RecordUpdates
from server.domain.registration import Registration, Summary
from server.domain.unanswered.messages import UnansweredMessages
from server.domain.values import SubjectId
from server.handlers import names
from server.handlers.failures import item_failure
from server.handlers.fields import Fields
from server.handlers.imports import ImportCalls
from server.handlers.pages import page
from server.handlers.record_messages import (
    IS_METADATA,
    asked_for,
    new_record,
    outcome,
    record_message,
    tenant_of_all,
)
from server.handlers.record_streams import StreamCalls
from server.handlers.record_updates import UpdateCalls
from server.handlers.times import timestamp
from server.handlers.unanswered import UnansweredCalls

MAX_SUBJECTS = 1000
MAX_CATEGORIES = 100
MAX_KEYS = 100

_OF_THE_WHOLE_BATCH = (
    ConsistencyTokenInvalidError,
    StorageUnavailableError,
    TenantNotFoundError,
)
"""What is wrong with everybody of a batch if it is with one."""


class RecordsHandler(ImportCalls, StreamCalls, UpdateCalls, UnansweredCalls):
    """Answers the calls of RecordsService."""

    SERVICE = "privacyrights.v1.RecordsService"

    def __init__(
        self,
        records: Records,
        *,
        batches: RecordBatches,
        streams: RecordStreams,
        updates: RecordUpdates,
        registration: Registration,
        unanswered: UnansweredMessages,
        clock: Clock,
    ) -> None:
        """Ask *records*, of one person or of many, *registration*, and *unanswered*."""
        ImportCalls.__init__(self, batches, clock)
        StreamCalls.__init__(self, streams, clock)
        UpdateCalls.__init__(self, updates, clock)
        UnansweredCalls.__init__(self, unanswered, clock)
        self._records = records
        self._batches = batches
        self._registration = registration
        self._clock = clock

    async def RegisterSubject(
        self, request: pb.RegisterSubjectRequest, call: Call
    ) -> pb.RegisterSubjectResponse:
        """Make a subject known."""
        fields = Fields(self._clock.now())
        fields.request_id(request.request_id)
        who = fields.subject("subject", request.subject)
        event_time = fields.past_time("event_time", request, request.event_time)
        fields.done()
        committed = await self._registration.register(call, who, event_time=event_time)
        return pb.RegisterSubjectResponse(
            subject=_summary(committed.outcome), consistency_token=committed.token
        )

    async def GetSubject(self, request: pb.GetSubjectRequest, call: Call) -> pb.GetSubjectResponse:
        """Return what is known of a subject, without the data."""
        fields = Fields(self._clock.now())
        who = fields.subject("subject", request.subject)
        freshness = fields.freshness(request.consistency)
        fields.done()
        found = await self._registration.get(call, who, freshness=freshness)
        return pb.GetSubjectResponse(subject=_summary(found))

    async def BatchGetSubjects(
        self, request: pb.BatchGetSubjectsRequest, call: Call
    ) -> pb.BatchGetSubjectsResponse:
        """Return what is known of many subjects, each by itself."""
        fields = Fields(self._clock.now())
        given = fields.several("subjects", request.subjects, least=1, most=MAX_SUBJECTS)
        freshness = fields.freshness(request.consistency)
        people = [fields.subject(f"subjects[{index}]", who) for index, who in enumerate(given)]
        fields.done()
        for index, who in enumerate(people):
            if (who.tenant, who.role) != (people[0].tenant, people[0].role):
                fields.wrong(f"subjects[{index}]", "must have the tenant and role of the first")
        fields.done()
        # At once, so that their reads go to the database together.
        outcomes = await asyncio.gather(*(self._known(call, who, freshness) for who in people))
        # The call is about many: its log line must not name the one that was looked up last.
        call.notes.pop("subject", None)
        return pb.BatchGetSubjectsResponse(outcomes=outcomes)

    async def _known(
        self, call: Call, who: SubjectId, freshness: Freshness
    ) -> pb.BatchGetSubjectsResponse.Outcome:
        try:
            found = await self._registration.get(call, who, freshness=freshness)
        except _OF_THE_WHOLE_BATCH:
            raise
        except DomainError as error:
            return pb.BatchGetSubjectsResponse.Outcome(failure=item_failure(error))
        return pb.BatchGetSubjectsResponse.Outcome(subject=_summary(found))

    async def PutRecord(self, request: pb.PutRecordRequest, call: Call) -> pb.PutRecordResponse:
        """Keep a record."""
        fields = Fields(self._clock.now())
        fields.request_id(request.request_id)
        new = new_record(fields, request)
        fields.done()
        committed = await self._records.put(call, new)
        return pb.PutRecordResponse(
            record_time=timestamp(committed.outcome.record_time),
            generation=committed.outcome.generation,
            consistency_token=committed.token,
        )

    async def BatchPutRecords(
        self, request: pb.BatchPutRecordsRequest, call: Call
    ) -> pb.BatchPutRecordsResponse:
        """Keep many records, each by itself."""
        fields = Fields(self._clock.now())
        fields.request_id(request.request_id)
        tenant = tenant_of_all(fields, request)
        fields.done()
        asked = [asked_for(item, self._clock.now()) for item in request.requests]
        done = await self._batches.put(call, tenant, asked)
        return pb.BatchPutRecordsResponse(
            outcomes=[outcome(each) for each in done.outcomes],
            consistency_token=done.token,
        )

    async def ReadRecords(
        self, request: pb.ReadRecordsRequest, call: Call
    ) -> pb.ReadRecordsResponse:
        """Return a subject's records for a purpose."""
        fields = Fields(self._clock.now())
        asked = page(fields, request)
        who = fields.subject("subject", request.subject)
        if len(request.categories) > MAX_CATEGORIES:
            fields.wrong("categories", f"must not be more than {MAX_CATEGORIES}")
        wanted = Wanted(
            who=who,
            purpose=fields.take("purpose", names.purpose, request.purpose),
            reason=fields.take(
                "reason", lambda text: stated_reason(text, who.value), request.reason
            ),
            categories=tuple(
                fields.take(f"categories[{index}]", names.category, name)
                for index, name in enumerate(request.categories[:MAX_CATEGORIES])
            ),
            keys=tuple(
                fields.take(f"keys[{index}]", record_key, key)
                for index, key in enumerate(fields.several("keys", request.keys, most=MAX_KEYS))
            ),
            is_metadata=fields.choice("view", IS_METADATA, request.view or pb.RECORD_VIEW_FULL),
            freshness=fields.freshness(request.consistency),
            after=asked.after,
            size=asked.size,
        )
        fields.done()
        reading = await self._records.read(call, wanted)
        token = ""
        if reading.has_more:
            last = reading.records[-1].record.id
            token = asked.token((last, last))
        return pb.ReadRecordsResponse(
            records=[record_message(opened) for opened in reading.records],
            next_page_token=token,
            ledger_entry=names.to_name("ledgerEntries", reading.entry),
        )

    async def DeleteRecord(
        self, request: pb.DeleteRecordRequest, call: Call
    ) -> pb.DeleteRecordResponse:
        """Delete a record."""
        fields = Fields(self._clock.now())
        fields.request_id(request.request_id)
        who = fields.subject("subject", request.subject)
        category = fields.take("category", names.category, request.category)
        key = fields.take("key", record_key, request.key or DEFAULT_KEY)
        fields.done()
        committed = await self._records.delete(call, who, category=category, key=key)
        return pb.DeleteRecordResponse(consistency_token=committed.token)


def _summary(summary: Summary) -> pb.SubjectSummary:
    return pb.SubjectSummary(
        reference=summary.reference,
        generation=summary.generation,
        create_time=timestamp(summary.create_time),
        erase_time=timestamp(summary.erase_time),
        restricted=summary.is_restricted,
        death_record_time=timestamp(summary.death_record_time),
    )
