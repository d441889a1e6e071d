"""ConsentService: translates between the contract and `domain.consent.consents`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from privacyrights.v1 import consent_service_pb2 as pb
from server.domain.call import Call
from server.domain.consent.checks import Checks
from server.domain.consent.choices import CookieChoices
from server.domain.consent.consent import (
    Method,
    NewDecision,
    ParentalAuthority,
    Shown,
)
from server.domain.consent.consents import Consents
from server.domain.consent.receipts import Receipts
from server.domain.consent.signals import NewSignal, PrivacySignals
from server.domain.consent.visitors import Act, Visitors
from server.domain.consent.watching import Watching
from server.domain.errors import (
    ConsistencyTokenInvalidError,
    DomainError,
    StorageUnavailableError,
    TenantNotFoundError,
)
from server.domain.identifiers import role_of
from server.domain.ports import Clock, Freshness
from server.domain.subject import Choice
from server.domain.values import (
    SubjectId,
    locale,
    optional_sentence,
    sha256_digest,
    visitor_value,
)
from server.handlers import names
from server.handlers.consent_messages import (
    CHOICES,
    METHODS,
    consent_message,
    decision_message,
    verdict_message,
)
from server.handlers.failures import item_failure
from server.handlers.fields import Fields
from server.handlers.invalidations import decode_watch, told_message
from server.handlers.pages import page
from server.handlers.times import timestamp

MAX_CHECKS = 1000
MAX_CHOICES = 50
MAX_VERIFICATION = 500

MAX_CATEGORIES = 100

_SIGNALS = {pb.PRIVACY_SIGNAL_GLOBAL_PRIVACY_CONTROL: "global_privacy_control"}

_OF_THE_WHOLE_BATCH = (
    ConsistencyTokenInvalidError,
    StorageUnavailableError,
    TenantNotFoundError,
)
"""What is wrong with every check of a batch if it is with one."""


class Check(NamedTuple):
    """Whose data, what for, at which moment (None: now), and which of it (none: all)."""

    who: SubjectId
    purpose: str
    moment: datetime | None
    categories: tuple[str, ...]


class ConsentHandler:
    """Answers the calls of ConsentService."""

    SERVICE = "privacyrights.v1.ConsentService"
    ENDLESS = frozenset({"WatchInvalidations"})

    def __init__(
        self,
        consents: Consents,
        cookie_choices: CookieChoices,
        visitors: Visitors,
        signals: PrivacySignals,
        checks: Checks,
        *,
        watching: Watching,
        receipts: Receipts,
        clock: Clock,
    ) -> None:
        """Ask the domain's services."""
        self._consents = consents
        self._cookie_choices = cookie_choices
        self._visitors = visitors
        self._signals = signals
        self._checks = checks
        self._receipts = receipts
        self._watching = watching
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

    async def RecordCookieChoices(
        self, request: pb.RecordCookieChoicesRequest, call: Call
    ) -> pb.RecordCookieChoicesResponse:
        """Record what somebody chose per cookie purpose: all of the choices or none."""
        choices = self._choices(request)
        committed = await self._cookie_choices.record(call, choices)
        outcome = committed.outcome
        return pb.RecordCookieChoicesResponse(
            consent_decisions=[names.to_name("consentDecisions", id) for id in outcome.decisions],
            record_time=timestamp(outcome.record_time),
            generation=outcome.generation,
            consistency_token=committed.token,
        )

    async def LinkVisitor(
        self, request: pb.LinkVisitorRequest, call: Call
    ) -> pb.LinkVisitorResponse:
        """Join what a visitor chose to an account."""
        fields = Fields(self._clock.now())
        fields.request_id(request.request_id)
        account = fields.subject("subject", request.subject)
        if account.is_visitor:
            fields.wrong("subject.subject_id", "must be given: visitors are joined to accounts")
        value = fields.take("visitor_id", visitor_value, request.visitor_id)
        act = Act(
            method=fields.choice("method", METHODS, request.method),
            time=fields.past_time("decision_time", request, request.decision_time),
            evidence_digest=fields.optional(
                "evidence_digest", sha256_digest, request.evidence_digest
            ),
        )
        fields.done()
        visitor = SubjectId(account.role, account.tenant, value, is_visitor=True)
        committed = await self._visitors.link(call, account, visitor, act)
        outcome = committed.outcome
        return pb.LinkVisitorResponse(
            consent_decisions=[names.to_name("consentDecisions", id) for id in outcome.decisions],
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

    async def RecordPrivacySignal(
        self, request: pb.RecordPrivacySignalRequest, call: Call
    ) -> pb.RecordPrivacySignalResponse:
        """Record that a browser's privacy signal is on, or was switched off."""
        fields = Fields(self._clock.now())
        fields.request_id(request.request_id)
        fields.choice("signal", _SIGNALS, request.signal)
        new = NewSignal(
            fields.subject("subject", request.subject),
            is_on=not request.switched_off,
            time=fields.past_time("signal_time", request, request.signal_time),
        )
        fields.done()
        committed = await self._signals.record(call, new)
        return pb.RecordPrivacySignalResponse(
            purposes=[f"purposes/{id}" for id in committed.outcome.purposes],
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
        return pb.ListConsentsResponse(consents=[consent_message(consent) for consent in found])

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
        return pb.GetConsentDecisionResponse(consent_decision=decision_message(found))

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
            consent_decisions=[decision_message(decision) for decision in shown],
            next_page_token=token,
        )

    async def CheckProcessing(
        self, request: pb.CheckProcessingRequest, call: Call
    ) -> pb.CheckProcessingResponse:
        """Answer whether a subject's data may be processed for a purpose."""
        fields = Fields(self._clock.now())
        check = Check(
            fields.subject("subject", request.subject),
            fields.take("purpose", names.purpose, request.purpose),
            fields.past_time("as_of_time", request, request.as_of_time),
            _categories(fields, "categories", request.categories),
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

    async def WatchInvalidations(
        self, request: pb.WatchInvalidationsRequest, _call: Call
    ) -> AsyncGenerator[pb.WatchInvalidationsResponse]:
        """Stream which verdicts are no longer to be relied on."""
        watched, positions = decode_watch(request, Fields(self._clock.now()))
        async with aclosing(self._watching.watch(watched, positions)) as messages:
            async for told in messages:
                yield told_message(watched, told)

    def _check(self, fields: Fields, index: int, check: pb.CheckProcessingRequest) -> Check:
        if check.HasField("consistency"):
            fields.wrong(f"checks[{index}].consistency", "must be given for the whole batch only")
        return Check(
            fields.subject(f"checks[{index}].subject", check.subject),
            fields.take(f"checks[{index}].purpose", names.purpose, check.purpose),
            fields.past_time(f"checks[{index}].as_of_time", check, check.as_of_time),
            _categories(fields, f"checks[{index}].categories", check.categories),
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
        who, purpose, moment, categories = check
        if moment is None:
            verdict = await self._checks.check(
                call, who, purpose, categories=categories, freshness=freshness
            )
        else:
            verdict = await self._checks.check_at(
                call, who, purpose, moment, categories=categories, freshness=freshness
            )
        return verdict_message(verdict, await self._checks.reference(who))

    def _decision(self, request: pb.RecordConsentRequest) -> NewDecision:
        fields = Fields(self._clock.now())
        fields.request_id(request.request_id)
        choice = fields.choice("choice", CHOICES, request.choice)
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

    def _choices(self, request: pb.RecordCookieChoicesRequest) -> list[NewDecision]:
        fields = Fields(self._clock.now())
        fields.request_id(request.request_id)
        given = fields.several("choices", request.choices, least=1, most=MAX_CHOICES)
        common = NewDecision(
            who=fields.subject("subject", request.subject),
            purpose="",
            choice=Choice.REFUSED,
            decision_time=fields.past_time("decision_time", request, request.decision_time),
            method=_method(fields, request.method),
            parental_authority=_parental_authority(fields, request),
            evidence_digest=fields.optional(
                "evidence_digest", sha256_digest, request.evidence_digest
            ),
        )
        expire_time = fields.future_time("expire_time", request, request.expire_time)
        choices = [
            self._choice(fields, request, index, replace(common, expire_time=expire_time))
            for index in range(len(given))
        ]
        granted = [each for each in choices if each.choice is Choice.GRANTED]
        if request.HasField("expire_time") and not granted:
            fields.wrong("expire_time", "must be given with a grant only")
        if len({each.purpose for each in choices}) < len(choices):
            fields.wrong("choices", "must have each purpose once at most")
        fields.done()
        return choices

    def _choice(
        self,
        fields: Fields,
        request: pb.RecordCookieChoicesRequest,
        index: int,
        common: NewDecision,
    ) -> NewDecision:
        """Return one choice; an end that *common* has is for grants only."""
        given, field = request.choices[index], f"choices[{index}]"
        choice = fields.choice(f"{field}.choice", CHOICES, given.choice)
        purpose = fields.take(f"{field}.purpose", names.purpose, given.purpose)
        decision = replace(common, purpose=purpose, choice=choice)
        if choice is not Choice.GRANTED:
            return replace(decision, expire_time=None)
        policy = fields.take("policy_version", names.policy_version, request.policy_version)
        digest = fields.take(f"{field}.text_digest", sha256_digest, given.text_digest)
        language = fields.take("locale", locale, request.locale)
        return replace(decision, shown=Shown(policy, digest, language))


def _name(text: str) -> tuple[str, str]:
    """Parse the name of a decision, whose id tells the regime."""
    tenant, id = names.consent_decision(text)
    role_of(id)
    return tenant, id


def _categories(fields: Fields, field: str, given: Sequence[str]) -> tuple[str, ...]:
    several = fields.several(field, given, most=MAX_CATEGORIES)
    return tuple(
        fields.take(f"{field}[{index}]", names.category, name) for index, name in enumerate(several)
    )


def _method(fields: Fields, number: int) -> Method:
    return fields.optional_choice("method", METHODS, number) or Method.UNSPECIFIED


def _shown(fields: Fields, request: pb.RecordConsentRequest, *, required: bool) -> Shown | None:
    if not required and not (request.policy_version or request.text_digest or request.locale):
        return None
    return Shown(
        policy_version=fields.take("policy_version", names.policy_version, request.policy_version),
        text_digest=fields.take("text_digest", sha256_digest, request.text_digest),
        locale=fields.take("locale", locale, request.locale),
    )


def _parental_authority(
    fields: Fields, request: pb.RecordConsentRequest | pb.RecordCookieChoicesRequest
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
