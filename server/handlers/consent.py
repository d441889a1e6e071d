"""ConsentService: translates between the contract and `domain.consent.consents`."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import ClassVar, NamedTuple

from privacyrights.v1 import catalogue_service_pb2 as catalogue_pb
from privacyrights.v1 import consent_service_pb2 as pb
from server.domain.call import Call
from server.domain.catalogue.catalogue import LegalBasis
from server.domain.consent.checks import Checks
from server.domain.consent.consent import (
    Consent,
    ConsentDecision,
    Method,
    NewDecision,
    ParentalAuthority,
    Shown,
    State,
)
from server.domain.consent.consents import Consents
from server.domain.consent.processing import Verdict
from server.domain.consent.receipts import Receipts
from server.domain.errors import (
    ConsistencyTokenInvalidError,
    DomainError,
    StorageUnavailableError,
    TenantNotFoundError,
)
from server.domain.identifiers import role_of
from server.domain.ports import Clock, Freshness
from server.domain.subject import Choice
from server.domain.values import SubjectId, locale, optional_sentence, sha256_digest
from server.handlers import names
from server.handlers.failures import item_failure
from server.handlers.fields import ROLE_NUMBERS, Fields
from server.handlers.pages import page
from server.handlers.times import timestamp

MAX_CHECKS = 1000
MAX_VERIFICATION = 500

_CHOICES = {
    pb.CONSENT_CHOICE_GRANTED: Choice.GRANTED,
    pb.CONSENT_CHOICE_REFUSED: Choice.REFUSED,
    pb.CONSENT_CHOICE_WITHDRAWN: Choice.WITHDRAWN,
}
_CHOICES_OUT = {choice: number for number, choice in _CHOICES.items()}
_METHODS = {
    pb.CONSENT_METHOD_CONTROL: Method.CONTROL,
    pb.CONSENT_METHOD_CONVERSATION: Method.CONVERSATION,
    pb.CONSENT_METHOD_WRITTEN: Method.WRITTEN,
    pb.CONSENT_METHOD_SPOKEN: Method.SPOKEN,
    pb.CONSENT_METHOD_BROWSER_SETTING: Method.BROWSER_SETTING,
}
_METHODS_OUT = {method: number for number, method in _METHODS.items()}
_STATES = {state: pb.ConsentState.Value(f"CONSENT_STATE_{state.name}") for state in State}
_BASES = {basis: catalogue_pb.LegalBasis.Value(f"LEGAL_BASIS_{basis.name}") for basis in LegalBasis}

_CHECK_NOT_BUILT = ("categories",)

_OF_THE_WHOLE_BATCH = (
    ConsistencyTokenInvalidError,
    StorageUnavailableError,
    TenantNotFoundError,
)
"""What is wrong with every check of a batch if it is with one."""


class Check(NamedTuple):
    """Whose data, what for, and at which moment; None: now."""

    who: SubjectId
    purpose: str
    moment: datetime | None


class ConsentHandler:
    """Answers the calls of ConsentService."""

    SERVICE = "privacyrights.v1.ConsentService"
    NOT_BUILT: ClassVar[dict[str, tuple[str, ...]]] = {
        "CheckProcessing": _CHECK_NOT_BUILT,
        "BatchCheckProcessing": tuple(f"checks.{field}" for field in _CHECK_NOT_BUILT),
    }

    def __init__(
        self, consents: Consents, checks: Checks, receipts: Receipts, clock: Clock
    ) -> None:
        """Ask *consents*, *checks* and *receipts*."""
        self._consents = consents
        self._checks = checks
        self._receipts = receipts
        self._clock = clock

    async def RecordConsent(
        self, request: pb.RecordConsentRequest, call: Call
    ) -> pb.RecordConsentResponse:
        """Add one decision to the subject's history."""
        committed = await self._consents.record(call, self._decision(request))
        outcome = committed.outcome
        return pb.RecordConsentResponse(
            consent_decision=names.to_name("consentDecisions", outcome.decision),
            record_time=timestamp(outcome.record_time),
            generation=outcome.generation,
            consistency_token=committed.token,
        )

    async def WithdrawAllConsents(
        self, request: pb.WithdrawAllConsentsRequest, call: Call
    ) -> pb.WithdrawAllConsentsResponse:
        """Withdraw every consent that is granted now."""
        fields = Fields(self._clock.now())
        fields.request_id(request.request_id)
        who = fields.subject("subject", request.subject)
        time = fields.past_time("decision_time", request, request.decision_time)
        method = _method(fields, request.method)
        evidence = fields.optional("evidence_digest", sha256_digest, request.evidence_digest)
        fields.done()
        committed = await self._consents.withdraw_all(
            call, who, time, method=method, evidence_digest=evidence
        )
        return pb.WithdrawAllConsentsResponse(
            purposes=[f"purposes/{purpose}" for purpose in committed.outcome.purposes],
            record_time=timestamp(committed.outcome.record_time),
            consistency_token=committed.token,
        )

    async def ListConsents(
        self, request: pb.ListConsentsRequest, call: Call
    ) -> pb.ListConsentsResponse:
        """List the state of each purpose that the subject ever decided on."""
        fields = Fields(self._clock.now())
        who = fields.subject("subject", request.subject)
        as_of = fields.past_time("as_of_time", request, request.as_of_time)
        freshness = fields.freshness(request.consistency)
        fields.done()
        found = await self._consents.list(call, who, as_of=as_of, freshness=freshness)
        return pb.ListConsentsResponse(consents=[_consent(consent) for consent in found])

    async def GetConsentDecision(
        self, request: pb.GetConsentDecisionRequest, call: Call
    ) -> pb.GetConsentDecisionResponse:
        """Return one decision."""
        fields = Fields(self._clock.now())
        name = fields.take("name", _name, request.name)
        freshness = fields.freshness(request.consistency)
        fields.done()
        tenant, id = name
        found = await self._consents.decision(call, tenant=tenant, decision=id, freshness=freshness)
        return pb.GetConsentDecisionResponse(consent_decision=_decision(found))

    async def GetConsentReceipt(
        self, request: pb.GetConsentReceiptRequest, call: Call
    ) -> pb.GetConsentReceiptResponse:
        """Return the signed receipt of one decision."""
        fields = Fields(self._clock.now())
        name = fields.take("name", _name, request.name)
        language = fields.optional("locale", locale, request.locale)
        freshness = fields.freshness(request.consistency)
        fields.done()
        tenant, id = name
        receipt = await self._receipts.issue(
            call, tenant=tenant, decision=id, locale=language, freshness=freshness
        )
        return pb.GetConsentReceiptResponse(
            jws=receipt.jws, html=receipt.html, locale=receipt.locale
        )

    async def ListConsentDecisions(
        self, request: pb.ListConsentDecisionsRequest, call: Call
    ) -> pb.ListConsentDecisionsResponse:
        """List a subject's decisions, newest first."""
        fields = Fields(self._clock.now())
        asked = page(fields, request)
        who = fields.subject("subject", request.subject)
        purpose = fields.optional("purpose", names.purpose, request.purpose)
        freshness = fields.freshness(request.consistency)
        fields.done()
        found = await self._consents.history(
            call,
            who,
            purpose=purpose,
            after=asked.after,
            limit=asked.limit,
            freshness=freshness,
        )
        shown, token = asked.cut(found, lambda decision: (decision.number, decision.id))
        return pb.ListConsentDecisionsResponse(
            consent_decisions=[_decision(decision) for decision in shown], next_page_token=token
        )

    async def CheckProcessing(
        self, request: pb.CheckProcessingRequest, call: Call
    ) -> pb.CheckProcessingResponse:
        """Answer whether a subject's data may be processed for a purpose."""
        fields = Fields(self._clock.now())
        fields.not_built(request, *_CHECK_NOT_BUILT)
        check = Check(
            fields.subject("subject", request.subject),
            fields.take("purpose", names.purpose, request.purpose),
            fields.past_time("as_of_time", request, request.as_of_time),
        )
        freshness = fields.freshness(request.consistency)
        fields.done()
        return pb.CheckProcessingResponse(verdict=await self._checked(call, check, freshness))

    async def BatchCheckProcessing(
        self, request: pb.BatchCheckProcessingRequest, call: Call
    ) -> pb.BatchCheckProcessingResponse:
        """Answer many checks of one tenant and role, each by itself."""
        fields = Fields(self._clock.now())
        given = fields.several("checks", request.checks, least=1, most=MAX_CHECKS)
        freshness = fields.freshness(request.consistency)
        checks = [self._check(fields, index, one) for index, one in enumerate(given)]
        fields.done()
        first = checks[0].who
        for index, check in enumerate(checks):
            if (check.who.tenant, check.who.role) != (first.tenant, first.role):
                fields.wrong(
                    f"checks[{index}].subject", "must have the tenant and role of the first"
                )
        fields.done()
        # At once, so that their reads go to the database together.
        outcomes = await asyncio.gather(
            *(self._outcome(call, check, freshness) for check in checks)
        )
        return pb.BatchCheckProcessingResponse(outcomes=outcomes)

    def _check(self, fields: Fields, index: int, check: pb.CheckProcessingRequest) -> Check:
        fields.not_built(check, *_CHECK_NOT_BUILT)
        if check.HasField("consistency"):
            fields.wrong(f"checks[{index}].consistency", "must be given for the whole batch only")
        return Check(
            fields.subject(f"checks[{index}].subject", check.subject),
            fields.take(f"checks[{index}].purpose", names.purpose, check.purpose),
            fields.past_time(f"checks[{index}].as_of_time", check, check.as_of_time),
        )

    async def _outcome(
        self, call: Call, check: Check, freshness: Freshness
    ) -> pb.BatchCheckProcessingResponse.Outcome:
        try:
            verdict = await self._checked(call, check, freshness)
        except _OF_THE_WHOLE_BATCH:
            raise
        except DomainError as error:
            return pb.BatchCheckProcessingResponse.Outcome(failure=item_failure(error))
        return pb.BatchCheckProcessingResponse.Outcome(verdict=verdict)

    async def _checked(self, call: Call, check: Check, freshness: Freshness) -> pb.Verdict:
        who, purpose, moment = check
        if moment is None:
            verdict = await self._checks.check(call, who, purpose, freshness=freshness)
        else:
            verdict = await self._checks.check_at(call, who, purpose, moment, freshness=freshness)
        return _verdict(verdict, await self._checks.reference(who))

    def _decision(self, request: pb.RecordConsentRequest) -> NewDecision:
        fields = Fields(self._clock.now())
        fields.request_id(request.request_id)
        choice = fields.choice("choice", _CHOICES, request.choice)
        granted = choice is Choice.GRANTED
        decision = NewDecision(
            who=fields.subject("subject", request.subject),
            purpose=fields.take("purpose", names.purpose, request.purpose),
            choice=choice,
            shown=_shown(fields, request, required=granted),
            decision_time=fields.past_time("decision_time", request, request.decision_time),
            expire_time=fields.future_time("expire_time", request, request.expire_time),
            method=_method(fields, request.method),
            explicit=request.explicit,
            parental_authority=_parental_authority(fields, request),
            evidence_digest=fields.optional(
                "evidence_digest", sha256_digest, request.evidence_digest
            ),
        )
        if request.HasField("expire_time") and not granted:
            fields.wrong("expire_time", "must be given with a grant only")
        fields.done()
        return decision


def _name(text: str) -> tuple[str, str]:
    """Parse the name of a decision, whose id tells the regime."""
    tenant, id = names.consent_decision(text)
    role_of(id)
    return tenant, id


def _method(fields: Fields, number: int) -> Method:
    return fields.optional_choice("method", _METHODS, number) or Method.UNSPECIFIED


def _shown(fields: Fields, request: pb.RecordConsentRequest, *, required: bool) -> Shown | None:
    if not required and not (request.policy_version or request.text_digest or request.locale):
        return None
    return Shown(
        policy_version=fields.take("policy_version", names.policy_version, request.policy_version),
        text_digest=fields.take("text_digest", sha256_digest, request.text_digest),
        locale=fields.take("locale", locale, request.locale),
    )


def _parental_authority(
    fields: Fields, request: pb.RecordConsentRequest
) -> ParentalAuthority | None:
    if not request.HasField("parental_authority"):
        return None
    authority = request.parental_authority
    return ParentalAuthority(
        subject_is_child=authority.subject_is_child,
        authorised=authority.authorised,
        verification=fields.take(
            "parental_authority.verification",
            lambda text: optional_sentence(text, most=MAX_VERIFICATION),
            authority.verification,
        ),
    )


def _consent(consent: Consent) -> pb.Consent:
    return pb.Consent(
        purpose=f"purposes/{consent.purpose}",
        state=_STATES[consent.state],
        consent_decision=_decision(consent.decision),
    )


def _decision(decision: ConsentDecision) -> pb.ConsentDecision:
    return pb.ConsentDecision(
        name=names.to_name("consentDecisions", decision.id),
        purpose=f"purposes/{decision.purpose}",
        choice=_CHOICES_OUT[decision.choice],
        policy_version=decision.policy_version and f"policyVersions/{decision.policy_version}",
        text_digest=decision.text_digest,
        locale=decision.locale,
        decision_time=timestamp(decision.decision_time),
        record_time=timestamp(decision.record_time),
        expire_time=timestamp(decision.expire_time),
        method=_METHODS_OUT.get(decision.method, pb.CONSENT_METHOD_UNSPECIFIED),
        explicit=decision.explicit,
        parental_authority=_authority(decision.parental_authority),
        purpose_version=decision.purpose_version,
        generation=decision.generation,
        evidence_digest=decision.evidence_digest,
        role=ROLE_NUMBERS[role_of(decision.id.rpartition("/")[2])],
        subject_reference=decision.reference,
    )


def _authority(authority: ParentalAuthority | None) -> pb.ParentalAuthority | None:
    if authority is None:
        return None
    return pb.ParentalAuthority(
        subject_is_child=authority.subject_is_child,
        authorised=authority.authorised,
        verification=authority.verification,
    )


def _verdict(verdict: Verdict, reference: str) -> pb.Verdict:
    return pb.Verdict(
        allowed=verdict.allowed,
        reasons=[
            pb.VerdictReason.Value(f"VERDICT_REASON_{reason.name}") for reason in verdict.reasons
        ],
        deciding_entry=verdict.deciding_entry
        and names.to_name("ledgerEntries", verdict.deciding_entry),
        legal_basis=_BASES[verdict.legal_basis],
        purpose_version=verdict.purpose_version,
        verdict_time=timestamp(verdict.verdict_time),
        expire_time=timestamp(verdict.expire_time),
        subject_reference=reference,
    )
