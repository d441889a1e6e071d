"""DisclosureService: translates between the contract, and recipients with their disclosures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import ClassVar

from privacyrights.v1 import disclosure_service_pb2 as pb
from server.domain.call import Call
from server.domain.disclosure.countries import country
from server.domain.disclosure.disclosure import Disclosures, LegalDemand, NewDisclosure, Shown
from server.domain.disclosure.recipients import (
    PLATFORM,
    Recipient,
    RecipientKind,
    Recipients,
    Safeguard,
)
from server.domain.identifiers import role_of
from server.domain.ports import Clock
from server.domain.values import optional_sentence, resource_id, sha256_digest
from server.handlers import names
from server.handlers.etags import etag
from server.handlers.fields import MAX_NAME, ROLE_NUMBERS, Fields
from server.handlers.pages import page
from server.handlers.times import timestamp

MAX_NAMED = 100
"""Most purposes of a recipient, and categories of a disclosure."""
MAX_CONTRACT = 500
MAX_DEMAND = 2_000

_RECIPIENT_NOT_BUILT = ("vetting_expire_time", "safeguard_digest")

_KINDS = {
    pb.RECIPIENT_KIND_PROCESSOR: RecipientKind.PROCESSOR,
    pb.RECIPIENT_KIND_CONTROLLER: RecipientKind.CONTROLLER,
    pb.RECIPIENT_KIND_AUTHORITY: RecipientKind.AUTHORITY,
}
_KINDS_OUT = {kind: number for number, kind in _KINDS.items()}
_SAFEGUARDS = {
    pb.TRANSFER_SAFEGUARD_EEA: Safeguard.EEA,
    pb.TRANSFER_SAFEGUARD_ADEQUACY_DECISION: Safeguard.ADEQUACY_DECISION,
    pb.TRANSFER_SAFEGUARD_STANDARD_CONTRACTUAL_CLAUSES: Safeguard.STANDARD_CONTRACTUAL_CLAUSES,
    pb.TRANSFER_SAFEGUARD_BINDING_CORPORATE_RULES: Safeguard.BINDING_CORPORATE_RULES,
    pb.TRANSFER_SAFEGUARD_DEROGATION: Safeguard.DEROGATION,
}
_SAFEGUARDS_OUT = {safeguard: number for number, safeguard in _SAFEGUARDS.items()}


class DisclosureHandler:
    """Answers the calls of DisclosureService."""

    SERVICE = "privacyrights.v1.DisclosureService"
    CATCHES_UP = True
    NOT_BUILT: ClassVar[dict[str, tuple[str, ...]]] = {
        "CreateRecipient": tuple(f"recipient.{name}" for name in _RECIPIENT_NOT_BUILT),
        "RecordDisclosure": ("content_digest",),
    }

    def __init__(self, recipients: Recipients, disclosures: Disclosures, clock: Clock) -> None:
        """Ask *recipients* and *disclosures*."""
        self._recipients = recipients
        self._disclosures = disclosures
        self._clock = clock

    async def CreateRecipient(
        self, request: pb.CreateRecipientRequest, call: Call
    ) -> pb.CreateRecipientResponse:
        """Register a recipient."""
        committed = await self._recipients.create(call, self._recipient(request))
        return pb.CreateRecipientResponse(
            recipient=_recipient(committed.outcome), consistency_token=committed.token
        )

    async def GetRecipient(
        self, request: pb.GetRecipientRequest, _call: Call
    ) -> pb.GetRecipientResponse:
        """Return a recipient."""
        fields = Fields(self._clock.now())
        recipient = fields.take("name", names.recipient, request.name)
        fields.done()
        return pb.GetRecipientResponse(recipient=_recipient(await self._recipients.get(recipient)))

    async def ListRecipients(
        self, request: pb.ListRecipientsRequest, _call: Call
    ) -> pb.ListRecipientsResponse:
        """List the recipients."""
        fields = Fields(self._clock.now())
        asked = page(fields, request)
        fields.done()
        found = await self._recipients.list(after=asked.after, limit=asked.limit)
        shown, token = asked.cut(found, lambda recipient: (recipient.id, recipient.id))
        return pb.ListRecipientsResponse(
            recipients=[_recipient(recipient) for recipient in shown], next_page_token=token
        )

    async def RecordDisclosure(
        self, request: pb.RecordDisclosureRequest, call: Call
    ) -> pb.RecordDisclosureResponse:
        """Record that a subject's data was given to a recipient."""
        fields = Fields(self._clock.now())
        fields.not_built(request, *self.NOT_BUILT["RecordDisclosure"])
        fields.request_id(request.request_id)
        new = NewDisclosure(
            who=fields.subject("subject", request.subject),
            recipient=fields.take("recipient", names.recipient, request.recipient),
            purpose=fields.optional("purpose", names.purpose, request.purpose),
            categories=_named(fields, "categories", names.category, request.categories, least=1),
            disclosure_time=fields.past_time("disclosure_time", request, request.disclosure_time),
            legal_demand=_legal_demand(fields, request),
        )
        fields.done()
        committed = await self._disclosures.record(call, new)
        return pb.RecordDisclosureResponse(
            disclosure=names.to_name("disclosures", committed.outcome.disclosure),
            consistency_token=committed.token,
        )

    async def ListDisclosures(
        self, request: pb.ListDisclosuresRequest, call: Call
    ) -> pb.ListDisclosuresResponse:
        """List a subject's disclosures, newest first."""
        fields = Fields(self._clock.now())
        asked = page(fields, request)
        who = fields.subject("subject", request.subject)
        reason = fields.reason(request.reason, about=who.value)
        fields.done()
        found = await self._disclosures.list(
            call, who, reason=reason, after=asked.after, limit=asked.limit
        )
        shown, token = asked.cut(found.shown, lambda one: (one.disclosure.id, one.disclosure.id))
        return pb.ListDisclosuresResponse(
            disclosures=[_disclosure(one) for one in shown],
            next_page_token=token,
            ledger_entry=names.to_name("ledgerEntries", found.entry),
        )

    async def GetDisclosure(
        self, request: pb.GetDisclosureRequest, call: Call
    ) -> pb.GetDisclosureResponse:
        """Return a disclosure."""
        fields = Fields(self._clock.now())
        name = fields.take("name", names.disclosure, request.name)
        reason = fields.reason(request.reason)
        fields.done()
        tenant, id = name
        found = await self._disclosures.read(call, tenant=tenant, disclosure=id, reason=reason)
        return pb.GetDisclosureResponse(
            disclosure=_disclosure(found.shown[0]),
            ledger_entry=names.to_name("ledgerEntries", found.entry),
        )

    def _recipient(self, request: pb.CreateRecipientRequest) -> Recipient:
        now = self._clock.now()
        fields = Fields(now)
        given = request.recipient
        fields.not_built(given, *_RECIPIENT_NOT_BUILT)
        fields.request_id(request.request_id)
        recipient = Recipient(
            id=fields.take("recipient_id", resource_id, request.recipient_id),
            tenant=PLATFORM,
            version=1,
            display_name=fields.name("recipient.display_name", given.display_name),
            kind=fields.choice("recipient.kind", _KINDS, given.kind),
            country=fields.take("recipient.country", country, given.country),
            purposes=_named(fields, "recipient.purposes", names.purpose, given.purposes),
            contract=fields.take(
                "recipient.contract",
                lambda text: optional_sentence(text, most=MAX_CONTRACT).strip(),
                given.contract,
            ),
            safeguard=fields.optional_choice("recipient.safeguard", _SAFEGUARDS, given.safeguard)
            or Safeguard.NONE,
            safeguard_expire_time=fields.time(
                "recipient.safeguard_expire_time", given, given.safeguard_expire_time
            ),
            vetting_digest=fields.take(
                "recipient.vetting_digest", sha256_digest, given.vetting_digest
            ),
            vetting_time=_vetting_time(fields, given, now),
            create_time=now,
        )
        fields.done()
        return recipient


def _vetting_time(fields: Fields, given: pb.Recipient, now: datetime) -> datetime:
    if not given.HasField("vetting_time"):
        fields.wrong("recipient.vetting_time", "must be given")
    return fields.past_time("recipient.vetting_time", given, given.vetting_time) or now


def _named(
    fields: Fields,
    field: str,
    parse: Callable[[str], str],
    given: Sequence[str],
    *,
    least: int = 0,
) -> tuple[str, ...]:
    """Return the ids in the names *given*, which differ from each other."""
    if not least <= len(given) <= MAX_NAMED:
        fields.wrong(field, f"must have {least}-{MAX_NAMED} names")
        return ()
    for index, name in enumerate(given):
        if name in given[:index]:
            fields.wrong(f"{field}[{index}]", "must not be there twice")
    return tuple(fields.take(f"{field}[{index}]", parse, name) for index, name in enumerate(given))


def _legal_demand(fields: Fields, request: pb.RecordDisclosureRequest) -> LegalDemand | None:
    # That something is missing matters for an authority only, which the domain knows.
    if not request.HasField("legal_demand"):
        return None
    demand = request.legal_demand

    def part(name: str, text: str, most: int) -> str:
        field = f"legal_demand.{name}"
        return fields.take(field, lambda text: optional_sentence(text, most=most), text)

    return LegalDemand(
        legal_ground=part("legal_ground", demand.legal_ground, MAX_DEMAND),
        scope=part("scope", demand.scope, MAX_DEMAND),
        approver=part("approver", demand.approver, MAX_NAME),
    )


def _recipient(recipient: Recipient) -> pb.Recipient:
    return pb.Recipient(
        name=f"recipients/{recipient.id}",
        display_name=recipient.display_name,
        kind=_KINDS_OUT[recipient.kind],
        country=recipient.country,
        purposes=[f"purposes/{purpose}" for purpose in recipient.purposes],
        contract=recipient.contract,
        safeguard=_SAFEGUARDS_OUT.get(recipient.safeguard, pb.TRANSFER_SAFEGUARD_UNSPECIFIED),
        safeguard_expire_time=timestamp(recipient.safeguard_expire_time),
        vetting_digest=recipient.vetting_digest,
        vetting_time=timestamp(recipient.vetting_time),
        create_time=timestamp(recipient.create_time),
        etag=etag(recipient.version),
        update_time=timestamp(recipient.create_time),
    )


def _disclosure(one: Shown) -> pb.Disclosure:
    disclosure, demand = one.disclosure, one.legal_demand
    return pb.Disclosure(
        name=names.to_name("disclosures", disclosure.id),
        recipient=f"recipients/{disclosure.recipient}",
        purpose=disclosure.purpose and f"purposes/{disclosure.purpose}",
        categories=[f"categories/{category}" for category in disclosure.categories],
        disclosure_time=timestamp(disclosure.disclosure_time),
        record_time=timestamp(disclosure.record_time),
        role=ROLE_NUMBERS[role_of(disclosure.id.rpartition("/")[2])],
        subject_reference=disclosure.subject.rpartition("/")[2],
        generation=disclosure.generation,
        legal_demand=None
        if demand is None
        else pb.LegalDemand(
            legal_ground=demand.legal_ground, scope=demand.scope, approver=demand.approver
        ),
    )
