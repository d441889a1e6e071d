"""Consent receipts: what a person decided, signed, for anyone to verify offline (Art. 7(1)).

The fields are those of ISO/IEC TS 27560:2023, the terms those of the W3C community's Data
Privacy Vocabulary; the form is a JWS (RFC 7515). Nobody is named but by reference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from server.domain.consent.receipt_claims import Matter, claims
from server.domain.consent.receipt_page import page
from server.domain.errors import PolicyVersionNotFoundError, SubjectErasedError
from server.domain.identifiers import role_of
from server.domain.subject import Subject
from server.domain.subjects import subjects

if TYPE_CHECKING:
    from server.domain.call import Call
    from server.domain.catalogue.catalogue import Catalogue
    from server.domain.catalogue.catalogues import Catalogues
    from server.domain.consent.consent import ConsentDecision
    from server.domain.consent.consents import Consents
    from server.domain.ports import Freshness, Ports
    from server.domain.tenants import Tenants

MEDIA_TYPE = "consent-receipt+jwt"
"""The `typ` of the JWS, so that it can't pass for a token of another kind (RFC 8725 3.11)."""


class Receipt(NamedTuple):
    """A receipt: the compact JWS, and a page for people with its language."""

    jws: str
    html: str
    locale: str


class Receipts:
    """Issues receipts. They are made when they are asked for, out of what never changes."""

    def __init__(
        self, ports: Ports, catalogues: Catalogues, tenants: Tenants, consents: Consents
    ) -> None:
        """Issue them for decisions of *consents* on purposes of *catalogues*."""
        self._ports = ports
        self._catalogues = catalogues
        self._tenants = tenants
        self._consents = consents

    async def issue(
        self, call: Call, *, tenant: str, decision: str, locale: str, freshness: Freshness
    ) -> Receipt:
        """Return the receipt of *decision*, the last part of its name; *locale* "": as shown.

        Raises:
            ConsentDecisionNotFoundError: the tenant has none with this id.
            SubjectErasedError: the life in which it was made has ended.
        """
        found = await self._consents.decision(
            call, tenant=tenant, decision=decision, freshness=freshness
        )
        await self._require_living(found, freshness)
        matter = await self._matter(found)
        now = self._ports.clock.now()
        jws = await self._ports.keyring.sign(
            msgspec.json.encode(claims(matter, now)), type=MEDIA_TYPE
        )
        html, language = page(matter, locale or found.locale)
        return Receipt(jws, html, language)

    async def _require_living(self, decision: ConsentDecision, freshness: Freshness) -> None:
        table = subjects(role_of(decision.id.rpartition("/")[2]))
        subject = await self._ports.reader.get(
            table, decision.tenant, decision.subject, Subject, freshness=freshness
        )
        # A receipt is for the person; of an ended life the decision alone is kept, as proof.
        if subject is None or subject.is_erased or subject.generation != decision.generation:
            raise SubjectErasedError(generation=decision.generation)

    async def _matter(self, decision: ConsentDecision) -> Matter:
        """Return *decision* with what it was about, as the catalogue was then."""
        known = await self._catalogues.at(decision.record_time)
        purpose = await self._catalogues.purpose_version(decision.purpose, decision.purpose_version)
        shown = await self._catalogues.text(decision.text_digest) if decision.text_digest else None
        tenant = await self._tenants.get(decision.tenant)
        return Matter(
            decision=decision,
            purpose=purpose,
            categories=[
                known.categories[id] for id in purpose.categories if id in known.categories
            ],
            rule=known.retention_rules.get(purpose.retention_rule),
            policy_version=decision.policy_version or _policy_then(known, decision),
            text=shown.text if shown else "",
            tenant_name=tenant.display_name,
        )


def _policy_then(known: Catalogue, decision: ConsentDecision) -> str:
    """Return the version in force when a person decided who wasn't shown one: who said no."""
    try:
        return known.policy_version_in_force(decision.decision_time).id
    except PolicyVersionNotFoundError:
        return ""
