"""AuditService: translates between the contract and `domain.audit`."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

from privacyrights.v1 import audit_service_pb2 as pb
from server.domain.audit import Audit, Wanted
from server.domain.call import Call
from server.domain.errors import NotSequencedYetError
from server.domain.ledger.checkpoint import Checkpoint
from server.domain.opening.openings import Openings
from server.domain.ports import Clock
from server.domain.rights.deletion import Deletions
from server.domain.values import InvalidValueError
from server.handlers import names
from server.handlers.fields import Fields
from server.handlers.ledger_messages import entry_message
from server.handlers.pages import page
from server.handlers.times import timestamp

MAX_TYPES = 100
MAX_LABEL = 100
MAX_TARGET = 500


class AuditHandler:
    """Answers the calls of AuditService."""

    SERVICE = "privacyrights.v1.AuditService"

    def __init__(
        self, audit: Audit, openings: Openings, deletions: Deletions, clock: Clock
    ) -> None:
        """Ask *audit*, *openings* and *deletions*."""
        self._audit = audit
        self._openings = openings
        self._deletions = deletions
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
            entries=[entry_message(entry) for entry in shown], next_page_token=token
        )

    async def GetLedgerEntry(
        self, request: pb.GetLedgerEntryRequest, call: Call
    ) -> pb.GetLedgerEntryResponse:
        """Return one entry."""
        fields = Fields(self._clock.now())
        id = fields.take("name", names.ledger_entry, request.name)
        fields.done()
        return pb.GetLedgerEntryResponse(entry=entry_message(await self._audit.entry(call, id)))

    async def ExportLedger(
        self, request: pb.ExportLedgerRequest, call: Call
    ) -> AsyncIterator[pb.ExportLedgerResponse]:
        """Stream a log in order, and at its end the checkpoint."""
        fields = Fields(self._clock.now())
        tenant = fields.take("parent", names.log, request.parent)
        start, end = request.start_position, request.end_position
        if start < 0:
            fields.wrong("start_position", "must not be negative")
        if end < 0 or 0 < end < start:
            fields.wrong("end_position", "must not be before start_position")
        fields.done()
        checkpoint = await self._audit.checkpoint(call, tenant)
        if max(start, end) > checkpoint.size:
            raise NotSequencedYetError
        async for entries in self._audit.export(tenant, start, end or checkpoint.size):
            yield pb.ExportLedgerResponse(entries=[entry_message(entry) for entry in entries])
        if end in (0, checkpoint.size):
            yield pb.ExportLedgerResponse(checkpoint=_checkpoint(checkpoint))

    async def GetCheckpoint(
        self, request: pb.GetCheckpointRequest, call: Call
    ) -> pb.GetCheckpointResponse:
        """Return the newest checkpoint of a log."""
        fields = Fields(self._clock.now())
        tenant = fields.take("parent", names.log, request.parent)
        fields.done()
        found = await self._audit.checkpoint(call, tenant)
        return pb.GetCheckpointResponse(checkpoint=_checkpoint(found))

    async def GetInclusionProof(
        self, request: pb.GetInclusionProofRequest, call: Call
    ) -> pb.GetInclusionProofResponse:
        """Prove that an entry is in the log of a given size."""
        fields = Fields(self._clock.now())
        id = fields.take("entry", names.ledger_entry, request.entry)
        if request.size < 1:
            fields.wrong("size", "must be at least 1")
        fields.done()
        entry = await self._audit.entry(call, id)
        if entry.position is None:
            raise NotSequencedYetError
        if entry.position >= request.size:
            fields.wrong("size", "must be more than the entry's position")
            fields.done()
        hashes = await self._audit.inclusion_proof(entry.tenant, entry.position, request.size)
        return pb.GetInclusionProofResponse(position=entry.position, hashes=hashes)

    async def GetConsistencyProof(
        self, request: pb.GetConsistencyProofRequest, call: Call
    ) -> pb.GetConsistencyProofResponse:
        """Prove that a log only grew between two sizes."""
        fields = Fields(self._clock.now())
        tenant = fields.take("parent", names.log, request.parent)
        if request.first_size < 1:
            fields.wrong("first_size", "must be at least 1")
        if request.second_size < request.first_size:
            fields.wrong("second_size", "must not be below first_size")
        fields.done()
        hashes = await self._audit.consistency_proof(
            call, tenant, request.first_size, request.second_size
        )
        return pb.GetConsistencyProofResponse(hashes=hashes)

    async def OpenCommitment(
        self, request: pb.OpenCommitmentRequest, call: Call
    ) -> pb.OpenCommitmentResponse:
        """Open the commitment of an entry."""
        fields = Fields(self._clock.now())
        id = fields.take("entry", names.ledger_entry, request.entry)
        reason = fields.reason(request.reason)
        fields.done()
        opened = await self._openings.open(call, id, name=request.entry, reason=reason)
        return pb.OpenCommitmentResponse(salt=opened.salt, content=opened.content)

    async def VerifyDeletion(
        self, request: pb.VerifyDeletionRequest, call: Call
    ) -> pb.VerifyDeletionResponse:
        """Say whether a life of a subject has ended, and prove it."""
        fields = Fields(self._clock.now())
        who = fields.subject("subject", request.subject)
        fields.done()
        found = await self._deletions.verify(call, who)
        return pb.VerifyDeletionResponse(
            erased=found.is_erased,
            generation=found.generation,
            erase_time=timestamp(found.erase_time),
            ledger_entry=found.entry and names.ledger_entry_name(found.entry),
            remaining_ciphertexts=found.remaining,
            certificate=found.certificate,
            current_generation=found.current_generation,
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


def _checkpoint(checkpoint: Checkpoint) -> pb.Checkpoint:
    return pb.Checkpoint(
        size=checkpoint.size,
        root_hash=checkpoint.root,
        note=checkpoint.note,
        sign_time=timestamp(checkpoint.sign_time),
    )
