"""What the catalogue and its reviews refuse."""

from __future__ import annotations

from server.domain.errors.refusal import ForbiddenByStateError, NotFoundError


class PurposeNotFoundError(NotFoundError):
    """The catalogue has no such purpose."""

    reason, thing = "PURPOSE_NOT_FOUND", "purpose"


class CategoryNotFoundError(NotFoundError):
    """The catalogue has no such category."""

    reason, thing = "CATEGORY_NOT_FOUND", "category"


class PolicyVersionNotFoundError(NotFoundError):
    """The catalogue has no such policy version."""

    reason, thing = "POLICY_VERSION_NOT_FOUND", "policy version"


class TextNotFoundError(NotFoundError):
    """No published text has this digest."""

    reason, thing = "TEXT_NOT_FOUND", "text"


class RetentionRuleNotFoundError(NotFoundError):
    """The catalogue has no such retention rule."""

    reason, thing = "RETENTION_RULE_NOT_FOUND", "retention rule"


class OrganisationNotFoundError(NotFoundError):
    """The catalogue doesn't say yet who the platform is."""

    reason, thing = "ORGANISATION_NOT_FOUND", "organisation"


class CatalogueChangeNotFoundError(NotFoundError):
    """No such proposed change of the catalogue."""

    reason, thing = "CATALOGUE_CHANGE_NOT_FOUND", "catalogue change"


class InstructionNotFoundError(NotFoundError):
    """No such instruction of the tenant."""

    reason, thing = "INSTRUCTION_NOT_FOUND", "instruction"


class ChangeNotReviewedError(ForbiddenByStateError):
    """The change has no approving legal review (S17)."""

    reason = "CHANGE_NOT_REVIEWED"
    words = "the change has not been approved by a legal review"


class ReviewerIsProposerError(ForbiddenByStateError):
    """The proposer can't review the own change (S17)."""

    reason = "REVIEWER_IS_PROPOSER"
    words = "the review must be somebody else's than the proposer's"


class CatalogueInconsistentError(ForbiddenByStateError):
    """The change would leave the catalogue contradicting itself."""

    reason = "CATALOGUE_INCONSISTENT"
    words = "the catalogue would contradict itself"

    def __init__(self, *, problem: str) -> None:
        """Refuse with *problem* in the metadata; the catalogue holds no personal data."""
        super().__init__(problem=problem)
