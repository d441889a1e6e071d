"""UpdateRecords of RecordsService: which fields of which records, and what became of them."""

from __future__ import annotations

from collections.abc import Sequence

from privacyrights.v1 import error_reason_pb2, types_pb2
from privacyrights.v1 import records_service_pb2 as pb
from server.domain.call import Call
from server.domain.ports import Clock
from server.domain.records.minimisation import record_key
from server.domain.records.updates import (
    Changes,
    RecordUpdates,
    UpdateFailure,
    UpdateWanted,
)
from server.domain.values import InvalidValueError, resource_id
from server.handlers import names
from server.handlers.fields import Fields
from server.handlers.record_messages import SOURCES, expire_time, plain_fields

MAX_PATHS = 100

_PATHS = frozenset({"source", "expire_time", "fields"})


class UpdateCalls:
    """Answers UpdateRecords."""

    def __init__(self, updates: RecordUpdates, clock: Clock) -> None:
        """Change through *updates*."""
        self._updates = updates
        self._clock = clock

    async def UpdateRecords(
        self, request: pb.UpdateRecordsRequest, call: Call
    ) -> pb.UpdateRecordsResponse:
        """Change fields of records that are there."""
        fields = Fields(self._clock.now())
        fields.request_id(request.request_id)
        role = fields.role("role", request.role)
        tenant = fields.take("parent", names.tenant, request.parent)
        who = None
        if request.HasField("subject"):
            who = fields.subject("subject", request.subject)
            if (who.tenant, who.role) != (tenant, role):
                fields.wrong("subject", "must be of the tenant and role of the call")
        wanted = UpdateWanted(
            tenant=tenant,
            role=role,
            purpose=fields.take("purpose", names.purpose, request.purpose),
            changes=_changes(fields, request),
            who=who,
            category=fields.optional("category", names.category, request.category),
            key=fields.optional("key", record_key, request.key),
        )
        fields.done()
        committed = await self._updates.update(call, wanted)
        return pb.UpdateRecordsResponse(
            updated_count=committed.outcome.updated,
            failed_count=committed.outcome.failed,
            failures=[_failure(each) for each in committed.outcome.failures],
            consistency_token=committed.token,
        )


def _changes(fields: Fields, request: pb.UpdateRecordsRequest) -> Changes:
    record, mask = request.record, _mask(fields, request.update_mask.paths)
    return Changes(
        mask=mask,
        fields=fields.take("record.fields", plain_fields, record.fields),
        source=fields.choice("record.source", SOURCES, record.source),
        expire_time=expire_time(fields, record),
    )


def _mask(fields: Fields, paths: Sequence[str]) -> frozenset[str]:
    """Return what *paths* name (AIP-134)."""
    for index, path in enumerate(fields.several("update_mask", paths, least=1, most=MAX_PATHS)):
        if path not in _PATHS and not _is_field(path):
            fields.wrong(
                f"update_mask.paths[{index}]",
                "must be source, expire_time, fields, or fields. and the name of a field",
            )
    return frozenset(paths)


def _is_field(path: str) -> bool:
    prefix, _, name = path.partition(".")
    try:
        return prefix == "fields" and bool(resource_id(name))
    except InvalidValueError:
        return False


def _failure(failure: UpdateFailure) -> pb.UpdateRecordsResponse.Failure:
    return pb.UpdateRecordsResponse.Failure(
        subject_reference=failure.reference,
        category=f"categories/{failure.category}",
        key=failure.key,
        failure=types_pb2.ItemFailure(
            reason=error_reason_pb2.ErrorReason.Value(f"ERROR_REASON_{failure.reason}"),
            message=failure.message,
            field=failure.field,
        ),
    )
