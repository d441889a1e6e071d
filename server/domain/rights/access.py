"""The answer to an access request: all that Art. 15(1)(a)-(h) wants told, and a copy (15(3)).

One JSON object that explains itself: `about` says what each member is, and on which
article it rests. It is made member by member, so that no one's data has to fit into memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from server.domain.catalogue.catalogue import LegalBasis
from server.domain.consent.consent import ConsentDecision, consents
from server.domain.consent.standing import acts_of
from server.domain.directives.directive import Directive, history
from server.domain.disclosure.disclosure import Disclosure, disclosures
from server.domain.disclosure.recipients import PLATFORM, RECIPIENTS, Recipient
from server.domain.errors import RetentionRuleNotFoundError, SubjectErasedError
from server.domain.ports import Query
from server.domain.records.minimisation import parsed
from server.domain.records.record import Record, records, seal_context
from server.domain.retention.activity import last_day
from server.domain.retention.retention import Whom, counted_from, explained, use_of
from server.domain.rights.request import RightsRequest
from server.domain.rights.requests import requests, sealing_context
from server.domain.subjects import SEALED_ID

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from server.domain.catalogue.catalogue import Catalogue, Purpose
    from server.domain.catalogue.catalogues import Catalogues
    from server.domain.change import Table
    from server.domain.directives.directives import Directives
    from server.domain.ports import Ports, Scalar
    from server.domain.retention.activity import Activity
    from server.domain.retention.anchors import Anchors
    from server.domain.subject import Subject
    from server.domain.tenants import Tenant, Tenants

FORMAT = "privacyrights-access-export/1"

_BATCH = 200

_ABOUT = {
    "format": "the name and version of this form",
    "request": "the request that this answers, when it was received, and when this was made",
    "controller": "who decides on the processing; we are its processor where our_role says so",
    "subject": "who this is about: the controller's id of the person and our pseudonym of it",
    "consents": "every decision on consent that was ever recorded, oldest first (Art. 7(1))",
    "objections_and_restrictions": "what stood or stands against processing (Art. 18, 21)",
    "disclosures": "to whom data was given, when, for what (Art. 15(1)(c))",
    "directives": "what the person wants, and wanted before, to happen with the data after death",
    "requests": "the requests made under data protection law, with the person's own words",
    "records": "the data itself (Art. 15(3)) with where it came from (Art. 15(1)(g))",
    "purposes": "what the data is used for, and the legal basis (Art. 15(1)(a))",
    "categories": "the kinds of data concerned, and the fields that each can have (Art. 15(1)(b))",
    "interactions": "the days of the first and the last interaction, all that is kept of them",
    "retention": "how long the data is kept, and why (Art. 15(1)(d))",
    "rights": "the rights that the person has (Art. 15(1)(e), (f))",
    "automated_decisions": "whether anything is decided by automated means (Art. 15(1)(h))",
}

_RIGHTS = {
    "rectification": "to have what is wrong corrected, and what is incomplete completed (Art. 16)",
    "erasure": "to have the data erased (Art. 17)",
    "restriction": "to have the processing restricted (Art. 18)",
    "objection": "to object; to direct marketing at any time and without a reason (Art. 21)",
    "portability": "to receive what was provided, in a machine-readable form (Art. 20)",
    "withdrawal": "to withdraw any consent, as easily as it was given (Art. 7(3))",
    "complaint": "to lodge a complaint with a supervisory authority (Art. 77)",
}

_NO_AUTOMATED_DECISIONS = (
    "This service keeps data and answers whether it may be processed. It makes no decision with "
    "legal or similarly significant effect, and no profile (Art. 22)."
)


class AccessDocuments:
    """Makes the answers to access requests."""

    def __init__(
        self,
        ports: Ports,
        tenants: Tenants,
        catalogues: Catalogues,
        anchors: Anchors,
        directives: Directives,
    ) -> None:
        """Read from *ports*; tell of *tenants*, *catalogues* and what retention counts from."""
        self._ports = ports
        self._tenants = tenants
        self._catalogues = catalogues
        self._anchors = anchors
        self._directives = directives

    async def of(self, request: RightsRequest, subject: Subject) -> AccessDocument:
        """Return the answer to *request* about *subject*, whose life it is about, not yet read."""
        tenant = await self._tenants.get(subject.tenant)
        return AccessDocument(
            self._ports,
            self._anchors,
            self._directives,
            tenant=tenant,
            catalogue=self._catalogues.current,
            request=request,
            subject=subject,
        )


class AccessDocument:
    """One answer: read piece by piece, once; `record_count` grows with what has been read."""

    def __init__(
        self,
        ports: Ports,
        anchors: Anchors,
        directives: Directives,
        *,
        tenant: Tenant,
        catalogue: Catalogue,
        request: RightsRequest,
        subject: Subject,
    ) -> None:
        """Read what there is about *subject* from *ports*, and until when it is kept."""
        self._ports = ports
        self._anchors = anchors
        self._directives = directives
        self._tenant = tenant
        self._catalogue = catalogue
        self._request = request
        self._subject = subject
        self._categories: set[str] = set()
        self._recorded_for: set[str] = set()
        self.record_count = 0

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the document from its beginning to its end.

        Raises:
            SubjectErasedError: the subject was erased.
        """
        yield msgspec.json.encode(await self._head()).removesuffix(b"}")
        lists = {
            "consents": self._consents(),
            "objections_and_restrictions": self._acts(),
            "disclosures": self._disclosures(),
            "directives": self._told_directives(),
            "requests": self._requests(),
            "records": self._records(),
        }
        for name, items in lists.items():
            async for piece in _member(name, items):
                yield piece
        # Which purposes and categories concern the person is known when the records are read.
        yield b"," + msgspec.json.encode(await self._tail()).removeprefix(b"{")

    async def _head(self) -> dict[str, Any]:
        subject = self._subject
        if subject.sealed_id is None:
            raise SubjectErasedError(generation=subject.generation)
        id = await self._ports.keyring.unseal(subject, subject.sealed_id, SEALED_ID)
        return {
            "about": _ABOUT,
            "format": FORMAT,
            "request": {
                "name": self._request.name,
                "receive_time": self._request.receive_time,
                "made_time": self._ports.clock.now(),
            },
            "controller": {
                "tenant": f"tenants/{self._tenant.id}",
                "display_name": self._tenant.display_name,
                "our_role": subject.role,
            },
            "subject": {
                "id": id.decode(),
                "reference": subject.reference,
                "known_since": subject.created_time,
                "generation": subject.generation,
                "restriction": subject.restriction or None,
                "objections": sorted(subject.objections),
            },
        }

    async def _tail(self) -> dict[str, Any]:
        role, id = self._subject.role, self._subject.id
        activity = await self._anchors.activity(role, self._tenant.id, id)
        if activity is not None and activity.generation != self._subject.generation:
            activity = None
        categories = self._catalogue.categories
        return {
            "purposes": [_purpose(each, self._subject) for each in self._purposes()],
            "categories": [
                {
                    "name": f"categories/{id}",
                    "title": category.title,
                    "fields": {each.name: each.description for each in category.fields},
                }
                for id in sorted(self._categories)
                if (category := categories.get(id)) is not None
            ],
            "interactions": {
                "first_date": activity.first_date if activity else None,
                "last_date": activity.last_date if activity else None,
            },
            "retention": await self._retention(activity),
            "rights": _RIGHTS,
            "automated_decisions": _NO_AUTOMATED_DECISIONS,
        }

    async def _retention(self, activity: Activity | None) -> dict[str, Any]:
        try:
            rule = await self._anchors.rule(self._subject.role)
        except RetentionRuleNotFoundError:
            return {"explanation": "No rule says yet how long the data is kept."}
        use = use_of(await self._anchors.chatbots(rule, self._tenant.id))
        retention = explained(
            rule,
            counted_from(rule.anchor, last_day(activity, self._subject.generation), use),
            self._tenant.time_zone,
            Whom(
                self._subject.reference,
                self._subject.generation,
                is_restricted=bool(self._subject.restriction),
                keep_until_date=self._subject.keep_until_date,
            ),
        )
        return {
            "rule": f"retentionRules/{rule.id}",
            "months": rule.months,
            "reason": rule.reason,
            "counted_from": retention.anchor_date or None,
            "due_time": retention.due_time,
            "explanation": retention.explanation,
        }

    def _purposes(self) -> Iterator[Purpose]:
        """Yield the purposes that concern the subject, by id.

        What was recorded for one purpose is also read for each other that needs its category;
        a purpose that rests on consent concerns whoever ever decided on it.
        """
        for id, purpose in sorted(self._catalogue.purposes.items()):
            reads = purpose.legal_basis is not LegalBasis.CONSENT and bool(
                self._categories.intersection(purpose.categories)
            )
            concerns = id in self._recorded_for or id in self._subject.consents or reads
            if purpose.role is self._subject.role and concerns:
                yield purpose

    async def _consents(self) -> AsyncIterator[dict[str, Any]]:
        query = self._about_subject(consents(self._subject.role), order="number")
        async for decision in self._ports.reader.scan(query, ConsentDecision):
            yield {
                "purpose": f"purposes/{decision.purpose}",
                "purpose_version": decision.purpose_version,
                "choice": decision.choice,
                "decision_time": decision.decision_time,
                "record_time": decision.record_time,
                "expire_time": decision.expire_time,
                "policy_version": decision.policy_version or None,
                "text_digest": decision.text_digest or None,
                "locale": decision.locale or None,
                "method": decision.method or None,
                "generation": decision.generation,
            }

    async def _acts(self) -> AsyncIterator[dict[str, Any]]:
        async for act in acts_of(self._ports.reader, self._subject):
            yield {
                "kind": act.kind,
                "time": act.time,
                "record_time": act.record_time,
                "purposes": [f"purposes/{id}" for id in act.purposes] or None,
                "direct_marketing": act.direct_marketing,
                "ground": act.ground or None,
                "request": act.cause or None,
            }

    async def _disclosures(self) -> AsyncIterator[dict[str, Any]]:
        query = self._about_subject(disclosures(self._subject.role))
        async for each in self._ports.reader.scan(query, Disclosure):
            recipient = await self._ports.reader.get(
                RECIPIENTS, PLATFORM, each.recipient, Recipient
            )
            yield {
                "recipient": f"recipients/{each.recipient}",
                # The specific recipient, not just its kind: CJEU C-154/21.
                "recipient_name": recipient.display_name if recipient else None,
                "country": recipient.country if recipient else None,
                "safeguard": (recipient.safeguard if recipient else "") or None,
                "purpose": f"purposes/{each.purpose}" if each.purpose else None,
                "categories": [f"categories/{id}" for id in each.categories],
                "disclosure_time": each.disclosure_time,
            }

    async def _told_directives(self) -> AsyncIterator[dict[str, Any]]:
        life = self._subject.generation
        query = self._about_subject(history(self._subject.role), generation=life)
        async for each in self._ports.reader.scan(query, Directive):
            words = (await self._directives.readable(each, self._subject)).words
            yield {
                "name": each.name,
                "version": each.version,
                "action": each.action,
                "categories": [f"categories/{id}" for id in each.categories],
                "keep_until_date": each.keep_until_date or None,
                "designated_person": words.designated_person or None,
                "beneficiary": words.beneficiary or None,
                "state": each.state,
                "time": each.update_time,
            }

    async def _requests(self) -> AsyncIterator[dict[str, Any]]:
        query = self._about_subject(requests(self._subject.role))
        async for each in self._ports.reader.scan(query, RightsRequest):
            yield {
                "name": each.name,
                "kind": each.right,
                "state": each.state,
                "receive_time": each.receive_time,
                "due_time": each.due_time,
                "end_time": each.end_time,
                "generation": each.generation,
                "statement": await self._statement(each),
            }

    async def _statement(self, request: RightsRequest) -> str | None:
        # Words of an earlier life went with its key.
        if request.sealed_statement is None or request.generation != self._subject.generation:
            return None
        context = sealing_context(request, "statement")
        words = await self._ports.keyring.unseal(self._subject, request.sealed_statement, context)
        return words.decode()

    async def _records(self) -> AsyncIterator[dict[str, Any]]:
        query = self._about_subject(
            records(self._subject.role), generation=self._subject.generation
        )
        now = self._ports.clock.now()
        async for record in self._ports.reader.scan(query, Record):
            if record.is_expired(now):
                continue
            self.record_count += 1
            self._categories.add(record.category)
            self._recorded_for.add(record.purpose)
            context = seal_context(record.category, record.key)
            content = await self._ports.keyring.unseal(self._subject, record.sealed, context)
            yield {
                "category": f"categories/{record.category}",
                "key": record.key,
                "purpose": f"purposes/{record.purpose}",
                "source": record.source or None,
                "create_time": record.create_time,
                "update_time": record.update_time,
                "expire_time": record.expire_time,
                "fields": parsed(content),
            }

    def _about_subject(self, table: Table, *, order: str = "id", generation: int = 0) -> Query:
        equals: Mapping[str, Scalar] = {
            "subject": self._subject.id,
            **({"generation": generation} if generation else {}),
        }
        return Query(table, self._subject.tenant, equals=equals, order=order, limit=_BATCH)


def _purpose(purpose: Purpose, subject: Subject) -> dict[str, Any]:
    consent = subject.consents.get(purpose.id)
    return {
        "name": f"purposes/{purpose.id}",
        "title": purpose.title,
        "legal_basis": purpose.legal_basis,
        "legitimate_interest": purpose.legitimate_interest or None,
        "consent": consent.choice if consent else None,
        "categories": [f"categories/{id}" for id in purpose.categories],
        "retention_rule": f"retentionRules/{purpose.retention_rule}",
    }


async def _member(name: str, items: AsyncIterator[Mapping[str, Any]]) -> AsyncIterator[bytes]:
    """Yield a further member of a JSON object: *name*, and the list of *items*."""
    yield f',"{name}":['.encode()
    separator = b""
    async for item in items:
        yield separator + msgspec.json.encode(item)
        separator = b","
    yield b"]"
