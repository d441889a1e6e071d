"""What ConsentService answers: decisions, states and verdicts as messages of the contract."""

from __future__ import annotations

from privacyrights.v1 import catalogue_service_pb2 as catalogue_pb
from privacyrights.v1 import consent_service_pb2 as pb
from server.domain.catalogue.catalogue import LegalBasis
from server.domain.consent.consent import (
    Consent,
    ConsentDecision,
    Method,
    ParentalAuthority,
    State,
)
from server.domain.consent.processing import Verdict, VerdictReason
from server.domain.identifiers import role_of
from server.domain.subject import Choice
from server.handlers import names
from server.handlers.fields import ROLE_NUMBERS
from server.handlers.times import timestamp

CHOICES = {
    pb.CONSENT_CHOICE_GRANTED: Choice.GRANTED,
    pb.CONSENT_CHOICE_REFUSED: Choice.REFUSED,
    pb.CONSENT_CHOICE_WITHDRAWN: Choice.WITHDRAWN,
}
"""Choices as the contract numbers them."""
_CHOICE_NUMBERS = {choice: number for number, choice in CHOICES.items()}
METHODS = {
    pb.CONSENT_METHOD_CONTROL: Method.CONTROL,
    pb.CONSENT_METHOD_CONVERSATION: Method.CONVERSATION,
    pb.CONSENT_METHOD_WRITTEN: Method.WRITTEN,
    pb.CONSENT_METHOD_SPOKEN: Method.SPOKEN,
    pb.CONSENT_METHOD_BROWSER_SETTING: Method.BROWSER_SETTING,
}
"""Methods as the contract numbers them; what isn't stated has no entry."""
_METHOD_NUMBERS = {method: number for number, method in METHODS.items()}
_STATES = {state: pb.ConsentState.Value(f"CONSENT_STATE_{state.name}") for state in State}
_REASONS = {
    reason: pb.VerdictReason.Value(f"VERDICT_REASON_{reason.name}") for reason in VerdictReason
}
_BASES = {basis: catalogue_pb.LegalBasis.Value(f"LEGAL_BASIS_{basis.name}") for basis in LegalBasis}


def consent_message(consent: Consent) -> pb.Consent:
    """Return a state with the decision behind it."""
    return pb.Consent(
        purpose=f"purposes/{consent.purpose}",
        state=_STATES[consent.state],
        consent_decision=decision_message(consent.decision),
    )


def decision_message(decision: ConsentDecision) -> pb.ConsentDecision:
    """Return a decision."""
    return pb.ConsentDecision(
        name=names.to_name("consentDecisions", decision.id),
        purpose=f"purposes/{decision.purpose}",
        choice=_CHOICE_NUMBERS[decision.choice],
        policy_version=decision.policy_version and f"policyVersions/{decision.policy_version}",
        text_digest=decision.text_digest,
        locale=decision.locale,
        decision_time=timestamp(decision.decision_time),
        record_time=timestamp(decision.record_time),
        expire_time=timestamp(decision.expire_time),
        method=_METHOD_NUMBERS.get(decision.method, pb.CONSENT_METHOD_UNSPECIFIED),
        explicit=decision.explicit,
        parental_authority=_authority(decision.parental_authority),
        purpose_version=decision.purpose_version,
        generation=decision.generation,
        evidence_digest=decision.evidence_digest,
        role=ROLE_NUMBERS[role_of(decision.id.rpartition("/")[2])],
        subject_reference=decision.reference,
        from_visitor=decision.from_visitor,
    )


def _authority(authority: ParentalAuthority | None) -> pb.ParentalAuthority | None:
    if authority is None:
        return None
    return pb.ParentalAuthority(
        subject_is_child=authority.subject_is_child,
        authorised=authority.authorised,
        verification=authority.verification,
    )


def verdict_message(verdict: Verdict, reference: str) -> pb.Verdict:
    """Return a verdict on whoever is called *reference*."""
    return pb.Verdict(
        allowed=verdict.allowed,
        reasons=[_REASONS[reason] for reason in verdict.reasons],
        deciding_entry=verdict.deciding_entry
        and names.to_name("ledgerEntries", verdict.deciding_entry),
        legal_basis=_BASES[verdict.legal_basis],
        purpose_version=verdict.purpose_version,
        verdict_time=timestamp(verdict.verdict_time),
        expire_time=timestamp(verdict.expire_time),
        subject_reference=reference,
    )
