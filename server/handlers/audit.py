"""AuditService: translates between the contract and `domain.audit`."""

from __future__ import annotations

import json

from privacyrights.v1 import audit_service_pb2 as pb
from privacyrights.v1 import types_pb2
from server.domain.audit import Audit, Wanted
from server.domain.call import Call
from server.domain.ledger import Entry
from server.domain.ports import Clock
from server.domain.values import InvalidValueError
from server.handlers import names
from server.handlers.fields import ROLE_NUMBERS, Fields
from server.handlers.pages import page
from server.handlers.times import timestamp

MAX_TYPES = 100
MAX_LABEL = 100
MAX_TARGET = 500


class AuditHandler:
    """Answers the calls of AuditService."""

    SERVICE = "privacyrights.v1.AuditService"

    def __init__(self, audit: Audit, clock: Clock) -> None:
        """Ask *audit*."""
        self._audit = audit
        self._clock = clock

    async def ListLedgerEntries(
        self, request: pb.ListLedgerEntriesRequest, call: Call
    ) -> pb.ListLedgerEntriesResponse:
        """List a tenant's ledger entries, newest first."""
        fields = Fields(self._clock.now())
        asked = page(fields, request)
        wanted = _wanted(fields, request)
        fields.done()
        found = await self._audit.entries(call, wanted, after=asked.after, limit=asked.limit)
        shown, token = asked.cut(found, lambda entry: (entry.time, entry.id))
        return pb.ListLedgerEntriesResponse(
            entries=[_entry(entry) for entry in shown], next_page_token=token
        )

    async def ListKeys(self, _request: pb.ListKeysRequest, _call: Call) -> pb.ListKeysResponse:
        """List the public keys as a JWK set."""
        return pb.ListKeysResponse(jwks=json.dumps(self._audit.jwks(), sort_keys=True))


def _wanted(fields: Fields, request: pb.ListLedgerEntriesRequest) -> Wanted:
    tenant = fields.take("parent", names.log, request.parent)
    subject = fields.subject("subject", request.subject) if request.HasField("subject") else None
    if subject is not None and subject.tenant != tenant:
        fields.wrong("subject.tenant", "must be the parent")
    if subject is not None and request.subject_reference:
        fields.wrong("subject_reference", "must not be given beside subject")
    types = fields.several("types", request.types, most=MAX_TYPES)
    return Wanted(
        tenant=tenant,
        subject=subject,
        types=tuple(
            fields.take(f"types[{index}]", _label, type) for index, type in enumerate(types)
        ),
        reference=fields.optional("subject_reference", _label, request.subject_reference),
        role=fields.optional_role("role", request.role),
        target=fields.optional("target", _target, request.target),
        actor=fields.optional("actor", _label, request.actor),
        purpose=fields.optional("purpose", names.purpose, request.purpose),
        start_time=fields.time("start_time", request, request.start_time),
        end_time=fields.time("end_time", request, request.end_time),
    )


def _label(text: str) -> str:
    if not 0 < len(text) <= MAX_LABEL:
        raise InvalidValueError(f"must have 1-{MAX_LABEL} characters")
    return text


def _target(text: str) -> str:
    if len(text) > MAX_TARGET:
        raise InvalidValueError(f"must have 1-{MAX_TARGET} characters")
    return text


def _entry(entry: Entry) -> pb.LedgerEntry:
    return pb.LedgerEntry(
        name=names.ledger_entry_name(entry.id),
        type=entry.type,
        time=timestamp(entry.time),
        role=ROLE_NUMBERS[entry.role] if entry.role else types_pb2.ROLE_UNSPECIFIED,
        subject_reference=entry.subject,
        actor=entry.actor,
        rpc=entry.rpc,
        purpose=entry.purpose and f"purposes/{entry.purpose}",
        reason=entry.reason,
        target=entry.target,
        commitment=entry.commitment,
    )
