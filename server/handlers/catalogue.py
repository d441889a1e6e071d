"""CatalogueService: translates between the contract and the catalogue."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import ClassVar, TypeVar

import msgspec
from google.protobuf.message import Message

from privacyrights.v1 import catalogue_service_pb2 as pb
from server.domain.activities.activities import Activities
from server.domain.activities.page import page as activities_page
from server.domain.call import Call
from server.domain.catalogue.catalogues import Catalogues
from server.domain.catalogue.change_states import ChangeState
from server.domain.catalogue.instructions import Instruction, Instructions, Words
from server.domain.ports import Clock
from server.domain.values import locale, sha256_digest
from server.handlers import names
from server.handlers.catalogue_content import (
    RULE_NOT_BUILT,
    category_message,
    change_message,
    organisation_message,
    policy_version_message,
    proposal,
    purpose_message,
    retention_rule_message,
    state_number,
)
from server.handlers.fields import Fields
from server.handlers.pages import page
from server.handlers.times import timestamp

T = TypeVar("T")

MAX_REASON = 2_000
MAX_NOTE = 10_000
MAX_CHUNK = 65_536
CURRENT = "policyVersions/current"

_STATES = {state_number(state): state for state in ChangeState}
_MEDIA_TYPES = {
    pb.DOCUMENT_FORMAT_JSON: "application/json",
    pb.DOCUMENT_FORMAT_HTML: "text/html",
}
_OUTCOMES = {pb.REVIEW_OUTCOME_APPROVED: True, pb.REVIEW_OUTCOME_REJECTED: False}


class CatalogueHandler:
    """Answers the calls of CatalogueService."""

    SERVICE = "privacyrights.v1.CatalogueService"
    CATCHES_UP = True
    NOT_BUILT: ClassVar[dict[str, tuple[str, ...]]] = {
        "ProposeCatalogueChange": tuple(
            f"content.retention_rules.{name}" for name in RULE_NOT_BUILT
        ),
    }

    def __init__(
        self,
        catalogues: Catalogues,
        instructions: Instructions,
        activities: Activities,
        clock: Clock,
    ) -> None:
        """Ask *catalogues*, *instructions* and *activities*."""
        self._activities = activities
        self._catalogues = catalogues
        self._instructions = instructions
        self._clock = clock

    async def ProposeCatalogueChange(
        self, request: pb.ProposeCatalogueChangeRequest, call: Call
    ) -> pb.ProposeCatalogueChangeResponse:
        """Propose a change of the catalogue."""
        fields = Fields(self._clock.now())
        fields.request_id(request.request_id)
        proposer = fields.name("proposer", request.proposer)
        reason = fields.text("reason", request.reason, most=MAX_NOTE)
        proposed = proposal(fields, request.content)
        fields.done()
        committed = await self._catalogues.propose(
            call, proposal=proposed, proposer=proposer, reason=reason
        )
        return pb.ProposeCatalogueChangeResponse(
            catalogue_change=f"catalogueChanges/{committed.outcome.change}",
            consistency_token=committed.token,
        )

    async def ReviewCatalogueChange(
        self, request: pb.ReviewCatalogueChangeRequest, call: Call
    ) -> pb.ReviewCatalogueChangeResponse:
        """Record the legal review of a change."""
        fields = Fields(self._clock.now())
        fields.request_id(request.request_id)
        change = fields.take("name", names.catalogue_change, request.name)
        review = request.review
        reviewer = fields.name("review.reviewer", review.reviewer)
        approved = fields.choice("review.outcome", _OUTCOMES, review.outcome)
        note = fields.text("review.note", review.note, most=MAX_NOTE)
        evidence = fields.optional("review.evidence_digest", sha256_digest, review.evidence_digest)
        fields.done()
        committed = await self._catalogues.review(
            call,
            change=change,
            reviewer=reviewer,
            approved=approved,
            note=note,
            evidence_digest=evidence,
        )
        return pb.ReviewCatalogueChangeResponse(
            state=state_number(committed.outcome.state), consistency_token=committed.token
        )

    async def ApplyCatalogueChange(
        self, request: pb.ApplyCatalogueChangeRequest, call: Call
    ) -> pb.ApplyCatalogueChangeResponse:
        """Put an approved change into effect."""
        fields = Fields(self._clock.now())
        fields.request_id(request.request_id)
        change = fields.take("name", names.catalogue_change, request.name)
        at = fields.time("effective_time", request, request.effective_time)
        fields.done()
        committed = await self._catalogues.apply(call, change=change, effective_time=at)
        return pb.ApplyCatalogueChangeResponse(
            state=state_number(committed.outcome.state),
            catalogue_version=committed.outcome.number,
            effective_time=timestamp(committed.outcome.effective_time),
            consistency_token=committed.token,
        )

    async def WithdrawCatalogueChange(
        self, request: pb.WithdrawCatalogueChangeRequest, call: Call
    ) -> pb.WithdrawCatalogueChangeResponse:
        """Take a change back that is not in effect yet."""
        fields = Fields(self._clock.now())
        fields.request_id(request.request_id)
        change = fields.take("name", names.catalogue_change, request.name)
        reason = fields.text("reason", request.reason, most=MAX_REASON)
        fields.done()
        committed = await self._catalogues.withdraw(call, change=change, reason=reason)
        return pb.WithdrawCatalogueChangeResponse(
            state=state_number(committed.outcome.state), consistency_token=committed.token
        )

    async def GetCatalogueChange(
        self, request: pb.GetCatalogueChangeRequest, _call: Call
    ) -> pb.GetCatalogueChangeResponse:
        """Return one change."""
        fields = Fields(self._clock.now())
        change = fields.take("name", names.catalogue_change, request.name)
        fields.done()
        found = await self._catalogues.seen(change)
        return pb.GetCatalogueChangeResponse(catalogue_change=change_message(found))

    async def ListCatalogueChanges(
        self, request: pb.ListCatalogueChangesRequest, _call: Call
    ) -> pb.ListCatalogueChangesResponse:
        """List changes, newest first."""
        fields = Fields(self._clock.now())
        asked = page(fields, request)
        state = fields.optional_choice("state", _STATES, request.state)
        fields.done()
        found = await self._catalogues.changes(state=state, after=asked.after, limit=asked.limit)
        shown, token = asked.cut(found, lambda change: (change.id, change.id))
        return pb.ListCatalogueChangesResponse(
            catalogue_changes=[change_message(change) for change in shown], next_page_token=token
        )

    async def GetPurpose(self, request: pb.GetPurposeRequest, _call: Call) -> pb.GetPurposeResponse:
        """Return a purpose as it is in force, or as a past version had it."""
        fields = Fields(self._clock.now())
        version = _version(fields, request.version)
        id = fields.take("name", names.purpose, request.name)
        fields.done()
        found = await self._catalogues.purpose_version(id, version)
        return pb.GetPurposeResponse(purpose=purpose_message(found))

    async def ListPurposes(
        self, request: pb.ListPurposesRequest, _call: Call
    ) -> pb.ListPurposesResponse:
        """List the purposes in force, sorted by name."""
        fields = Fields(self._clock.now())
        role = fields.optional_role("role", request.role)
        matching = {
            id: purpose
            for id, purpose in self._catalogues.current.purposes.items()
            if (role is None or purpose.role is role)
            and (purpose.cookie or not request.cookies_only)
        }
        shown, token = _part(fields, request, matching)
        return pb.ListPurposesResponse(
            purposes=[purpose_message(purpose) for purpose in shown], next_page_token=token
        )

    async def GetCategory(
        self, request: pb.GetCategoryRequest, _call: Call
    ) -> pb.GetCategoryResponse:
        """Return a category as it is in force, or as a past version had it."""
        fields = Fields(self._clock.now())
        version = _version(fields, request.version)
        id = fields.take("name", names.category, request.name)
        fields.done()
        found = await self._catalogues.category_version(id, version)
        return pb.GetCategoryResponse(category=category_message(found))

    async def ListCategories(
        self, request: pb.ListCategoriesRequest, _call: Call
    ) -> pb.ListCategoriesResponse:
        """List the categories in force, sorted by name."""
        fields = Fields(self._clock.now())
        role = fields.optional_role("role", request.role)
        matching = {
            id: category
            for id, category in self._catalogues.current.categories.items()
            if role is None or category.role is role
        }
        shown, token = _part(fields, request, matching)
        return pb.ListCategoriesResponse(
            categories=[category_message(category) for category in shown], next_page_token=token
        )

    async def GetPolicyVersion(
        self, request: pb.GetPolicyVersionRequest, _call: Call
    ) -> pb.GetPolicyVersionResponse:
        """Return a version of the privacy policy."""
        fields = Fields(self._clock.now())
        if request.name == CURRENT:
            found = self._catalogues.current.policy_version_in_force(self._clock.now())
        else:
            id = fields.take("name", names.policy_version, request.name)
            fields.done()
            found = self._catalogues.current.policy_version(id)
        return pb.GetPolicyVersionResponse(policy_version=policy_version_message(found))

    async def ListPolicyVersions(
        self, request: pb.ListPolicyVersionsRequest, _call: Call
    ) -> pb.ListPolicyVersionsResponse:
        """List the versions of the privacy policy, newest first."""
        fields = Fields(self._clock.now())
        versions = self._catalogues.current.policy_versions
        shown, token = _part(fields, request, versions, newest_first=True)
        return pb.ListPolicyVersionsResponse(
            policy_versions=[policy_version_message(version) for version in shown],
            next_page_token=token,
        )

    async def GetRetentionRule(
        self, request: pb.GetRetentionRuleRequest, _call: Call
    ) -> pb.GetRetentionRuleResponse:
        """Return a retention rule as it is in force, or as a past version had it."""
        fields = Fields(self._clock.now())
        version = _version(fields, request.version)
        id = fields.take("name", names.retention_rule, request.name)
        fields.done()
        found = await self._catalogues.retention_rule_version(id, version)
        return pb.GetRetentionRuleResponse(retention_rule=retention_rule_message(found))

    async def ListRetentionRules(
        self, request: pb.ListRetentionRulesRequest, _call: Call
    ) -> pb.ListRetentionRulesResponse:
        """List the retention rules in force, sorted by name."""
        fields = Fields(self._clock.now())
        role = fields.optional_role("role", request.role)
        tenant = fields.optional("tenant", names.tenant, request.tenant)
        matching = {
            id: rule
            for id, rule in self._catalogues.current.retention_rules.items()
            if (role is None or rule.role is role) and (not tenant or rule.tenant in ("", tenant))
        }
        shown, token = _part(fields, request, matching)
        return pb.ListRetentionRulesResponse(
            retention_rules=[retention_rule_message(rule) for rule in shown], next_page_token=token
        )

    async def GetText(self, request: pb.GetTextRequest, _call: Call) -> pb.GetTextResponse:
        """Return a text that was published, by its digest."""
        fields = Fields(self._clock.now())
        digest = fields.take("digest", sha256_digest, request.digest)
        fields.done()
        found = await self._catalogues.text(digest)
        return pb.GetTextResponse(
            text=pb.LocalizedText(locale=found.locale, text=found.text, digest=found.id)
        )

    async def RecordInstruction(
        self, request: pb.RecordInstructionRequest, call: Call
    ) -> pb.RecordInstructionResponse:
        """Record what a tenant instructs."""
        fields = Fields(self._clock.now())
        fields.request_id(request.request_id)
        tenant = fields.take("parent", names.tenant, request.parent)
        category = fields.take("category", names.category, request.category)
        text = fields.text("text", request.text, most=MAX_NOTE)
        instructed_by = fields.name("instructed_by", request.instructed_by)
        evidence = fields.optional("evidence_digest", sha256_digest, request.evidence_digest)
        fields.done()
        committed = await self._instructions.record(
            call,
            tenant=tenant,
            category=category,
            words=Words(text, instructed_by),
            evidence_digest=evidence,
        )
        return pb.RecordInstructionResponse(
            instruction=names.to_name("instructions", committed.outcome.instruction),
            consistency_token=committed.token,
        )

    async def RevokeInstruction(
        self, request: pb.RevokeInstructionRequest, call: Call
    ) -> pb.RevokeInstructionResponse:
        """Take an instruction back."""
        fields = Fields(self._clock.now())
        fields.request_id(request.request_id)
        instruction = fields.take("name", names.instruction, request.name)
        reason = fields.text("reason", request.reason, most=MAX_REASON)
        fields.done()
        tenant, id = instruction
        committed = await self._instructions.revoke(
            call, tenant=tenant, instruction=id, reason=reason
        )
        return pb.RevokeInstructionResponse(
            revoke_time=timestamp(committed.outcome.revoke_time), consistency_token=committed.token
        )

    async def GetInstruction(
        self, request: pb.GetInstructionRequest, call: Call
    ) -> pb.GetInstructionResponse:
        """Return an instruction."""
        fields = Fields(self._clock.now())
        name = fields.take("name", names.instruction, request.name)
        reason = fields.reason(request.reason)
        fields.done()
        tenant, id = name
        found = await self._instructions.read(call, tenant, id, reason=reason)
        return pb.GetInstructionResponse(
            instruction=_instruction(found, await self._instructions.words(found))
        )

    async def ListInstructions(
        self, request: pb.ListInstructionsRequest, call: Call
    ) -> pb.ListInstructionsResponse:
        """List a tenant's instructions, newest first."""
        fields = Fields(self._clock.now())
        asked = page(fields, request)
        tenant = fields.take("parent", names.tenant, request.parent)
        reason = fields.reason(request.reason)
        fields.done()
        found = await self._instructions.list(
            call, tenant, reason=reason, after=asked.after, limit=asked.limit
        )
        shown, token = asked.cut(found, lambda instruction: (instruction.id, instruction.id))
        return pb.ListInstructionsResponse(
            instructions=[
                _instruction(instruction, await self._instructions.words(instruction))
                for instruction in shown
            ],
            next_page_token=token,
        )

    async def GetOrganisation(
        self, request: pb.GetOrganisationRequest, _call: Call
    ) -> pb.GetOrganisationResponse:
        """Return who the platform is."""
        fields = Fields(self._clock.now())
        version = _version(fields, request.version)
        fields.done()
        found = await self._catalogues.organisation_version(version)
        return pb.GetOrganisationResponse(organisation=organisation_message(found))

    async def ExportProcessingActivities(
        self, request: pb.ExportProcessingActivitiesRequest, call: Call
    ) -> AsyncIterator[pb.ExportProcessingActivitiesResponse]:
        """Stream the record of processing activities."""
        fields = Fields(self._clock.now())
        role = fields.role("role", request.role)
        tenant = fields.optional("tenant", names.tenant, request.tenant)
        media_type = fields.choice("format", _MEDIA_TYPES, request.format)
        language = fields.optional("locale", locale, request.locale)
        fields.done()
        record = await self._activities.export(call, role=role, tenant=tenant, locale=language)
        if request.format == pb.DOCUMENT_FORMAT_HTML:
            document = activities_page(record).encode()
        else:
            document = msgspec.json.format(msgspec.json.encode(record))
        for start in range(0, len(document), MAX_CHUNK):
            yield pb.ExportProcessingActivitiesResponse(
                chunk=document[start : start + MAX_CHUNK], media_type="" if start else media_type
            )


def _version(fields: Fields, version: int) -> int:
    """Return *version* of a thing; 0: that in force."""
    if version < 0:
        fields.wrong("version", "must not be negative")
    return version


def _part(
    fields: Fields, request: Message, things: Mapping[str, T], *, newest_first: bool = False
) -> tuple[list[T], str]:
    """Return the page of *things* – all in memory, sorted by id – that *request* asks for."""
    asked = page(fields, request)
    fields.done()
    ids = sorted(things, reverse=newest_first)
    if asked.after is not None:
        last = asked.after[1]
        ids = [id for id in ids if (id < last if newest_first else id > last)]
    shown, token = asked.cut(ids, lambda last: (last, last))
    return [things[id] for id in shown], token


def _instruction(instruction: Instruction, words: Words) -> pb.Instruction:
    return pb.Instruction(
        name=names.to_name("instructions", instruction.id),
        category=f"categories/{instruction.category}",
        text=words.text,
        instructed_by=words.instructed_by,
        evidence_digest=instruction.evidence_digest,
        create_time=timestamp(instruction.create_time),
        revoke_time=timestamp(instruction.revoke_time),
        revoke_reason=instruction.revoke_reason,
    )
