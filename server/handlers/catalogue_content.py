"""The catalogue's content between the contract and the domain, in both directions."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from privacyrights.v1 import catalogue_service_pb2 as pb
from privacyrights.v1 import types_pb2
from server.domain.catalogue.catalogue import (
    Anchor,
    Category,
    CategoryField,
    FieldType,
    LegalBasis,
    PolicyVersion,
    Proposal,
    PublishedText,
    Purpose,
    RetentionRule,
    TextRef,
)
from server.domain.catalogue.change_states import PLATFORM, CatalogueChange, ChangeState, Review
from server.domain.catalogue.organisation import Organisation
from server.domain.values import Role, locale, optional_sentence, resource_id, sentence
from server.handlers import names
from server.handlers.fields import MAX_NAME, Fields
from server.handlers.times import timestamp

MAX_TEXT = 10_000
MAX_REASON = 2_000
MAX_DESCRIPTION = 500
MAX_FIELDS = 100
MAX_CHANGED = 200
"""Most things of one kind in one change: its review is to be possible."""

MAX_CATEGORIES = 100
MAX_TEXTS = 100
MAX_FIELD_BYTES = 65_536
DEFAULT_FIELD_BYTES = 1_024
MAX_MONTHS = 1_200

RULE_NOT_BUILT = ("tenant", "category", "purpose", "ground", "days", "object")
"""Fields of a retention rule that are refused: it holds for everything of its role."""

_ROLES = {Role.CONTROLLER: types_pb2.ROLE_CONTROLLER, Role.PROCESSOR: types_pb2.ROLE_PROCESSOR}
_BASES = {pb.LegalBasis.Value(f"LEGAL_BASIS_{basis.name}"): basis for basis in LegalBasis}
_BASES_OUT = {basis: number for number, basis in _BASES.items()}
_TYPES = {pb.FieldType.Value(f"FIELD_TYPE_{type.name}"): type for type in FieldType}
_TYPES_OUT = {type: number for number, type in _TYPES.items()}
_ANCHORS = {
    pb.RetentionAnchor.Value(f"RETENTION_ANCHOR_{anchor.name}"): anchor for anchor in Anchor
}
ANCHOR_NUMBERS = {anchor: number for number, anchor in _ANCHORS.items()}
"""Anchors as the contract numbers them."""


def proposal(fields: Fields, content: pb.CatalogueContent) -> Proposal:
    """Return what *content* proposes; what is wrong with it is noted in *fields*."""
    if not content.ListFields():
        fields.wrong("content", "must change at least one thing")
    published: dict[str, PublishedText] = {}

    def listed(name: str) -> Sequence[Any]:
        return fields.several(f"content.{name}", getattr(content, name), most=MAX_CHANGED)

    return Proposal(
        purposes=tuple(
            _purpose(fields, f"content.purposes[{index}]", message, published)
            for index, message in enumerate(listed("purposes"))
        ),
        categories=tuple(
            _category(fields, f"content.categories[{index}]", message)
            for index, message in enumerate(listed("categories"))
        ),
        policy_versions=tuple(
            _policy_version(fields, f"content.policy_versions[{index}]", message, published)
            for index, message in enumerate(listed("policy_versions"))
        ),
        retention_rules=tuple(
            _retention_rule(fields, f"content.retention_rules[{index}]", message)
            for index, message in enumerate(listed("retention_rules"))
        ),
        retired_purposes=tuple(
            fields.take(f"content.retired_purposes[{index}]", names.purpose, name)
            for index, name in enumerate(listed("retired_purposes"))
        ),
        retired_categories=tuple(
            fields.take(f"content.retired_categories[{index}]", names.category, name)
            for index, name in enumerate(listed("retired_categories"))
        ),
        texts=tuple(published.values()),
        retired_retention_rules=tuple(
            fields.take(f"content.retired_retention_rules[{index}]", names.retention_rule, name)
            for index, name in enumerate(listed("retired_retention_rules"))
        ),
        organisation=(
            _organisation(fields, "content.organisation", content.organisation)
            if content.HasField("organisation")
            else None
        ),
    )


def _purpose(
    fields: Fields, at: str, message: pb.Purpose, published: dict[str, PublishedText]
) -> Purpose:
    return Purpose(
        id=fields.take(f"{at}.name", names.purpose, message.name),
        role=fields.role(f"{at}.role", message.role),
        title=fields.name(f"{at}.title", message.title),
        legal_basis=fields.choice(f"{at}.legal_basis", _BASES, message.legal_basis),
        categories=tuple(
            fields.take(f"{at}.categories[{index}]", names.category, name)
            for index, name in enumerate(
                fields.several(f"{at}.categories", message.categories, most=MAX_CATEGORIES)
            )
        ),
        retention_rule=fields.take(
            f"{at}.retention_rule", names.retention_rule, message.retention_rule
        ),
        texts=_texts(fields, f"{at}.texts", list(message.texts), published),
        dpv_term=_optional(fields, f"{at}.dpv_term", message.dpv_term, most=MAX_NAME),
        direct_marketing=message.direct_marketing,
        cookie=message.cookie,
        renewal_time=fields.time(f"{at}.renewal_time", message, message.renewal_time),
        legitimate_interest=_optional(
            fields, f"{at}.legitimate_interest", message.legitimate_interest, most=MAX_REASON
        ),
    )


def _category(fields: Fields, at: str, message: pb.Category) -> Category:
    given = fields.several(f"{at}.fields", message.fields, least=1, most=MAX_FIELDS)
    if len({field.name for field in given}) < len(given):
        fields.wrong(f"{at}.fields", "must not name a field twice")
    return Category(
        id=fields.take(f"{at}.name", names.category, message.name),
        role=fields.role(f"{at}.role", message.role),
        title=fields.name(f"{at}.title", message.title),
        fields=tuple(
            _category_field(fields, f"{at}.fields[{index}]", field)
            for index, field in enumerate(given)
        ),
        special_category=message.special_category,
        requires_instruction=message.requires_instruction,
        provided_by_subject=message.provided_by_subject,
        dpv_term=_optional(fields, f"{at}.dpv_term", message.dpv_term, most=MAX_NAME),
    )


def _category_field(fields: Fields, at: str, message: pb.CategoryField) -> CategoryField:
    if not 0 <= message.max_bytes <= MAX_FIELD_BYTES:
        fields.wrong(f"{at}.max_bytes", f"must be 0-{MAX_FIELD_BYTES}")
    return CategoryField(
        name=fields.take(f"{at}.name", resource_id, message.name),
        type=fields.choice(f"{at}.type", _TYPES, message.type),
        max_bytes=message.max_bytes or DEFAULT_FIELD_BYTES,
        required=message.required,
        description=_optional(
            fields, f"{at}.description", message.description, most=MAX_DESCRIPTION
        ),
    )


def _policy_version(
    fields: Fields, at: str, message: pb.PolicyVersion, published: dict[str, PublishedText]
) -> PolicyVersion:
    date = fields.take(f"{at}.name", names.policy_version, message.name)
    return PolicyVersion(
        id=date,
        texts=_texts(fields, f"{at}.texts", list(message.texts), published),
        effective_time=datetime.fromisoformat(date or "1970-01-01").replace(tzinfo=UTC),
    )


def _retention_rule(fields: Fields, at: str, message: pb.RetentionRule) -> RetentionRule:
    fields.not_built(message, *RULE_NOT_BUILT)
    if not 1 <= message.months <= MAX_MONTHS:
        fields.wrong(f"{at}.months", f"must be 1-{MAX_MONTHS}")
    return RetentionRule(
        id=fields.take(f"{at}.name", names.retention_rule, message.name),
        role=fields.role(f"{at}.role", message.role),
        months=message.months,
        anchor=fields.choice(f"{at}.anchor", _ANCHORS, message.anchor),
        reason=fields.text(f"{at}.reason", message.reason, most=MAX_REASON),
    )


def _organisation(fields: Fields, at: str, message: pb.Organisation) -> Organisation:
    return Organisation(
        display_name=fields.name(f"{at}.display_name", message.display_name),
        address=fields.text(f"{at}.address", message.address, most=MAX_DESCRIPTION),
        contact_point=fields.text(
            f"{at}.contact_point", message.contact_point, most=MAX_DESCRIPTION
        ),
        data_protection_officer=_optional(
            fields,
            f"{at}.data_protection_officer",
            message.data_protection_officer,
            most=MAX_DESCRIPTION,
        ),
        representative=_optional(
            fields, f"{at}.representative", message.representative, most=MAX_DESCRIPTION
        ),
        security_measures=_optional(
            fields, f"{at}.security_measures", message.security_measures, most=MAX_TEXT
        ),
        supervisory_authority=_optional(
            fields, f"{at}.supervisory_authority", message.supervisory_authority, most=MAX_NAME
        ),
    )


def _texts(
    fields: Fields, at: str, messages: list[pb.LocalizedText], published: dict[str, PublishedText]
) -> tuple[TextRef, ...]:
    given = fields.several(at, messages, least=1, most=MAX_TEXTS)
    if len({message.locale for message in given}) < len(given):
        fields.wrong(at, "must have one text per locale")
    refs: list[TextRef] = []
    for index, message in enumerate(given):
        language = fields.take(f"{at}[{index}].locale", locale, message.locale)
        text = fields.take(
            f"{at}[{index}].text", lambda words: sentence(words, most=MAX_TEXT), message.text
        )
        digest = hashlib.sha256(message.text.encode()).hexdigest()
        published.setdefault(
            digest, PublishedText(id=digest, tenant=PLATFORM, locale=language, text=text)
        )
        refs.append(TextRef(locale=language, digest=digest))
    return tuple(refs)


def _optional(fields: Fields, at: str, text: str, *, most: int) -> str:
    return fields.take(at, lambda words: optional_sentence(words, most=most), text)


def purpose_message(purpose: Purpose) -> pb.Purpose:
    """Return *purpose* as the contract has it; its texts by digest."""
    return pb.Purpose(
        name=f"purposes/{purpose.id}",
        role=_ROLES[purpose.role],
        title=purpose.title,
        legal_basis=_BASES_OUT[purpose.legal_basis],
        categories=[f"categories/{id}" for id in purpose.categories],
        retention_rule=f"retentionRules/{purpose.retention_rule}",
        texts=_text_messages(purpose.texts),
        dpv_term=purpose.dpv_term,
        direct_marketing=purpose.direct_marketing,
        cookie=purpose.cookie,
        version=purpose.version,
        effective_time=timestamp(purpose.effective_time),
        retire_time=timestamp(purpose.retire_time),
        renewal_time=timestamp(purpose.renewal_time),
        legitimate_interest=purpose.legitimate_interest,
    )


def category_message(category: Category) -> pb.Category:
    """Return *category* as the contract has it."""
    return pb.Category(
        name=f"categories/{category.id}",
        role=_ROLES[category.role],
        title=category.title,
        fields=[
            pb.CategoryField(
                name=field.name,
                type=_TYPES_OUT[field.type],
                max_bytes=field.max_bytes,
                required=field.required,
                description=field.description,
            )
            for field in category.fields
        ],
        special_category=category.special_category,
        requires_instruction=category.requires_instruction,
        provided_by_subject=category.provided_by_subject,
        dpv_term=category.dpv_term,
        version=category.version,
        effective_time=timestamp(category.effective_time),
        retire_time=timestamp(category.retire_time),
    )


def policy_version_message(version: PolicyVersion) -> pb.PolicyVersion:
    """Return *version* as the contract has it; its texts by digest."""
    return pb.PolicyVersion(
        name=f"policyVersions/{version.id}",
        texts=_text_messages(version.texts),
        effective_time=timestamp(version.effective_time),
    )


def retention_rule_message(rule: RetentionRule) -> pb.RetentionRule:
    """Return *rule* as the contract has it."""
    return pb.RetentionRule(
        name=f"retentionRules/{rule.id}",
        role=_ROLES[rule.role],
        months=rule.months,
        anchor=ANCHOR_NUMBERS[rule.anchor],
        reason=rule.reason,
        version=rule.version,
        effective_time=timestamp(rule.effective_time),
        retire_time=timestamp(rule.retire_time),
    )


def organisation_message(organisation: Organisation) -> pb.Organisation:
    """Return *organisation* as the contract has it."""
    return pb.Organisation(
        display_name=organisation.display_name,
        address=organisation.address,
        contact_point=organisation.contact_point,
        data_protection_officer=organisation.data_protection_officer,
        representative=organisation.representative,
        security_measures=organisation.security_measures,
        supervisory_authority=organisation.supervisory_authority,
        version=organisation.version,
        effective_time=timestamp(organisation.effective_time),
    )


def change_message(change: CatalogueChange) -> pb.CatalogueChange:
    """Return *change* as the contract has it."""
    proposed = change.proposal
    return pb.CatalogueChange(
        name=f"catalogueChanges/{change.id}",
        content=pb.CatalogueContent(
            purposes=[purpose_message(purpose) for purpose in proposed.purposes],
            categories=[category_message(category) for category in proposed.categories],
            policy_versions=[policy_version_message(v) for v in proposed.policy_versions],
            retention_rules=[retention_rule_message(rule) for rule in proposed.retention_rules],
            retired_purposes=[f"purposes/{id}" for id in proposed.retired_purposes],
            retired_categories=[f"categories/{id}" for id in proposed.retired_categories],
            retired_retention_rules=[
                f"retentionRules/{id}" for id in proposed.retired_retention_rules
            ],
            organisation=(
                organisation_message(proposed.organisation) if proposed.organisation else None
            ),
        ),
        proposer=change.proposer,
        reason=change.reason,
        state=state_number(change.state),
        review=_review_message(change.review) if change.review else None,
        create_time=timestamp(change.create_time),
        effective_time=timestamp(change.effective_time),
        catalogue_version=change.catalogue_version,
    )


def state_number(state: ChangeState) -> pb.CatalogueChangeState.ValueType:
    """Return *state* as the contract has it."""
    return pb.CatalogueChangeState.Value(f"CATALOGUE_CHANGE_STATE_{state.name}")


def _review_message(review: Review) -> pb.Review:
    outcome = pb.REVIEW_OUTCOME_APPROVED if review.approved else pb.REVIEW_OUTCOME_REJECTED
    return pb.Review(
        reviewer=review.reviewer,
        outcome=outcome,
        note=review.note,
        evidence_digest=review.evidence_digest,
        review_time=timestamp(review.review_time),
    )


def _text_messages(refs: tuple[TextRef, ...]) -> list[pb.LocalizedText]:
    return [pb.LocalizedText(locale=ref.locale, digest=ref.digest) for ref in refs]
