"""What no consent, or no purpose, allows."""

from __future__ import annotations

from server.domain.errors.refusal import Code, DomainError, ForbiddenByStateError, NotFoundError


class ConsentDecisionNotFoundError(NotFoundError):
    """No such decision."""

    reason, thing = "CONSENT_DECISION_NOT_FOUND", "consent decision"


class PurposeRetiredError(ForbiddenByStateError):
    """The purpose takes no new grants and no new data."""

    reason = "PURPOSE_RETIRED"
    words = "the purpose is retired"


class PurposeRoleMismatchError(ForbiddenByStateError):
    """The purpose belongs to the other role (S1)."""

    reason = "PURPOSE_ROLE_MISMATCH"
    words = "the purpose belongs to the other role"


class ConsentNotBasisError(ForbiddenByStateError):
    """The purpose doesn't rest on consent, so there is nothing to agree to (Art. 6(1))."""

    reason = "CONSENT_NOT_BASIS"
    words = "the legal basis of the purpose is not consent"


class TextNotPublishedError(ForbiddenByStateError):
    """The text that was shown isn't the published one of that policy version and purpose (S15)."""

    reason = "TEXT_NOT_PUBLISHED"
    words = "the digest is not that of the published text"


class PolicyVersionNotInForceError(ForbiddenByStateError):
    """The policy version isn't in force yet."""

    reason = "POLICY_VERSION_NOT_IN_FORCE"
    words = "the policy version is not in force yet"


class ParentalAuthorityRequiredError(ForbiddenByStateError):
    """A child's consent needs the holder of parental responsibility (Art. 8)."""

    reason = "PARENTAL_AUTHORITY_REQUIRED"
    words = "a child's consent needs the authorisation of the holder of parental responsibility"


class ProcessingNotAllowedError(DomainError):
    """The verdict on this processing is "no"; the metadata says why."""

    code, reason = Code.PERMISSION_DENIED, "PROCESSING_NOT_ALLOWED"

    def __init__(self, *, reasons: str) -> None:
        """Refuse for *reasons*, a comma-separated list of `VerdictReason` names."""
        super().__init__("the processing is not allowed", verdict_reasons=reasons)
