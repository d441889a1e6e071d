"""What a consent receipt says: the fields of ISO/IEC TS 27560:2023, in terms of DPV."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from server.domain.catalogue.catalogue import Anchor, Category, Purpose, RetentionRule
from server.domain.subject import Choice
from server.domain.values import Role

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from server.domain.consent.consent import ConsentDecision

ISSUER = "privacyrights"

SCHEMA = "ISO/IEC TS 27560:2023"

PREFIXES = {
    "dpv": "https://w3id.org/dpv#",
    "pd": "https://w3id.org/dpv/pd#",
    "eu-gdpr": "https://w3id.org/dpv/legal/eu/gdpr#",
}
"""Where the terms of a receipt are defined (Data Privacy Vocabulary 2)."""

_STATES: Mapping[Choice, str] = {
    Choice.GRANTED: "dpv:ConsentGiven",
    Choice.REFUSED: "dpv:ConsentRefused",
    Choice.WITHDRAWN: "dpv:ConsentWithdrawn",
}

_RIGHTS = (
    "eu-gdpr:A7-3",
    "eu-gdpr:A15",
    "eu-gdpr:A16",
    "eu-gdpr:A17",
    "eu-gdpr:A18",
    "eu-gdpr:A20",
    "eu-gdpr:A77",
)

_ANCHORS: Mapping[Anchor, str] = {
    Anchor.LAST_INTERACTION: "the last interaction",
    Anchor.TENANT_CHATBOTS_ELSE_CONNECTION: (
        "the last interaction of any of the customer's chatbots, else the last connection"
    ),
}

IN_THE_NOTICE = "as the privacy notice says"
"""What the receipt leaves to the policy version that it names."""

_WITHDRAWAL = (
    "By saying so wherever consent was given; it takes effect at once, and what was done before "
    "stays lawful (Art. 7(3))."
)


@dataclass(frozen=True, slots=True)
class Matter:
    """A decision with what it was about, as it was then.

    Shapes:
        policy_version: its date, "" if there was none.
        text: the very words that were shown, "" if none were.
    """

    decision: ConsentDecision
    purpose: Purpose
    categories: Sequence[Category]
    rule: RetentionRule | None
    policy_version: str
    text: str
    tenant_name: str

    @property
    def name(self) -> str:
        """The resource name of the decision."""
        tenant, id = self.decision.id.split("/", 1)
        return f"tenants/{tenant}/consentDecisions/{id}"

    @property
    def is_special(self) -> bool:
        """Whether special-category data is concerned (Art. 9)."""
        return any(category.special_category for category in self.categories)


def claims(matter: Matter, now: datetime) -> dict[str, Any]:
    """Return the claims of the receipt of *matter*, issued at *now*.

    Claims:
        iss, iat, jti: as in RFC 7519; `jti` is the decision's name.
        schema_version, receipt_id, record_id, pii_principal_id: the header of the record;
            the principal is named by reference only.
        processing: what was decided on, as it was then.
        party_identification: who is responsible for it.
        event: what was decided, when and how.
        ledger_entry: the entry that recorded it.
    """
    decision = matter.decision
    entry = decision.entry.rpartition("/")[2]
    return {
        "iss": ISSUER,
        "iat": int(now.timestamp()),
        "jti": matter.name,
        "schema_version": SCHEMA,
        "prefixes": PREFIXES,
        "receipt_id": matter.name,
        "record_id": matter.name,
        "pii_principal_id": decision.reference,
        "generation": decision.generation,
        "processing": _processing(matter),
        "party_identification": _parties(matter),
        "event": _event(matter),
        "ledger_entry": f"tenants/{decision.tenant}/ledgerEntries/{entry}" if entry else None,
    }


def _processing(matter: Matter) -> dict[str, Any]:
    decision, purpose, rule = matter.decision, matter.purpose, matter.rule
    policy, digest = matter.policy_version, decision.text_digest
    return {
        "privacy_notice": f"policyVersions/{policy}" if policy else None,
        "consent_text_digest": f"sha256:{digest}" if digest else None,
        "language": decision.locale or None,
        "purpose": f"purposes/{purpose.id}",
        "purpose_version": purpose.version,
        "purpose_title": purpose.title,
        "purpose_type": purpose.dpv_term or "dpv:Purpose",
        "lawful_basis": ["eu-gdpr:A6-1-a", *(["eu-gdpr:A9-2-a"] if matter.is_special else [])],
        "pii_information": [
            {
                "category": f"categories/{category.id}",
                "pii_type": category.dpv_term or "dpv:PersonalData",
                "special_pii_category": category.special_category,
            }
            for category in matter.categories
        ],
        "pii_controllers": [_controller(matter)],
        "storage_locations": IN_THE_NOTICE,
        "recipient_third_parties": IN_THE_NOTICE,
        "retention_period": {
            "rule": f"retentionRules/{purpose.retention_rule}",
            "duration": f"P{rule.months}M" if rule else None,
            "counted_from": _ANCHORS[rule.anchor] if rule else None,
        },
        "jurisdiction": "EU",
        "withdrawal_method": _WITHDRAWAL,
        "privacy_rights": _RIGHTS,
    }


def _controller(matter: Matter) -> str:
    """Return who decides on the processing: the tenant, whose processor the platform is, or it."""
    is_ours = matter.purpose.role is Role.CONTROLLER
    return ISSUER if is_ours else f"tenants/{matter.decision.tenant}"


def _parties(matter: Matter) -> list[dict[str, str]]:
    platform = {"party_id": ISSUER, "party_name": "the platform"}
    if matter.purpose.role is Role.CONTROLLER:
        return [{**platform, "party_role": "dpv:DataController"}]
    return [
        {
            "party_id": f"tenants/{matter.decision.tenant}",
            "party_name": matter.tenant_name,
            "party_role": "dpv:DataController",
        },
        {**platform, "party_role": "dpv:DataProcessor"},
    ]


def _event(matter: Matter) -> dict[str, Any]:
    decision = matter.decision
    authority = decision.parental_authority
    is_childs = authority is not None and authority.subject_is_child
    return {
        "event_time": decision.decision_time,
        "record_time": decision.record_time,
        "validity_end_time": decision.expire_time,
        "event_type": (
            "dpv:ExplicitlyExpressedConsent" if decision.explicit else "dpv:ExpressedConsent"
        ),
        "event_state": _STATES[decision.choice],
        "indication_method": decision.method or None,
        "entity_id": decision.reference,
        "authorised_by": "dpv:ParentOfDataSubject" if is_childs else None,
        "evidence_digest": (
            f"sha256:{decision.evidence_digest}" if decision.evidence_digest else None
        ),
    }
