"""Every way in which a call can be refused, each with one canonical code and one reason.

    DomainError
    ├── INVALID_ARGUMENT     InvalidArgumentError (FIELD_INVALID) · PageTokenInvalidError
    │                        ConsistencyTokenInvalidError · FieldNotInCategoryError
    │                        FieldTypeMismatchError · TimeInFutureError
    ├── NOT_FOUND            NotFoundError: one subclass per kind of thing
    ├── ALREADY_EXISTS       RequestIdReusedError · ResourceExistsError · RequestAlreadyOpenError
    ├── FAILED_PRECONDITION  what the law or the state of things forbids, one subclass per ground
    ├── PERMISSION_DENIED    ProcessingNotAllowedError
    ├── UNIMPLEMENTED        NotBuiltYetError
    ├── RESOURCE_EXHAUSTED   LimitExceededError
    ├── ABORTED              ConcurrentChangeError
    ├── UNAVAILABLE          StorageUnavailableError
    └── DATA_LOSS            SealedContentCorruptError (STORED_DATA_CORRUPT)

`ConflictError` is no answer to a caller: it asks the command to decide again.
Messages and metadata never hold personal data; they reach the caller as
`google.rpc.ErrorInfo` (AIP-193).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar


class Code(StrEnum):
    """The canonical codes (google.rpc.Code) that the domain answers with."""

    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    NOT_FOUND = "NOT_FOUND"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    FAILED_PRECONDITION = "FAILED_PRECONDITION"
    RESOURCE_EXHAUSTED = "RESOURCE_EXHAUSTED"
    ABORTED = "ABORTED"
    UNIMPLEMENTED = "UNIMPLEMENTED"
    UNAVAILABLE = "UNAVAILABLE"
    DATA_LOSS = "DATA_LOSS"


class ConflictError(Exception):
    """What was read has changed, or what was to be added exists: read and decide again."""


class DomainError(Exception):
    """A refusal: a code, a reason out of the contract's `ErrorReason`, and metadata."""

    code: ClassVar[Code]
    reason: ClassVar[str]

    def __init__(self, message: str, **metadata: str | int) -> None:
        """Refuse with *message*; *metadata* becomes `ErrorInfo.metadata`."""
        super().__init__(message)
        self.message = message
        self.metadata = {name: str(value) for name, value in metadata.items()}


@dataclass(frozen=True, slots=True)
class Violation:
    """One field that breaks one rule; `field` is its path, such as `subject.tenant`."""

    field: str
    rule: str


class InvalidError(DomainError):
    """The request itself is wrong, whatever the state of things."""

    code = Code.INVALID_ARGUMENT

    def __init__(self, violations: tuple[Violation, ...], **metadata: str | int) -> None:
        """Refuse because of *violations*, all of them at once."""
        super().__init__("; ".join(f"{v.field}: {v.rule}" for v in violations), **metadata)
        self.violations = violations


class InvalidArgumentError(InvalidError):
    """Fields break their rules."""

    reason = "FIELD_INVALID"


class PageTokenInvalidError(InvalidError):
    """The page token isn't one of ours, or belongs to another list (AIP-158)."""

    reason = "PAGE_TOKEN_INVALID"

    def __init__(self) -> None:
        """Refuse the field `page_token`."""
        super().__init__((Violation("page_token", "must be what the same list returned"),))


class ConsistencyTokenInvalidError(InvalidError):
    """The consistency token isn't one of ours."""

    reason = "CONSISTENCY_TOKEN_INVALID"

    def __init__(self) -> None:
        """Refuse the field `consistency_token`."""
        super().__init__(
            (Violation("consistency_token", "must be a token that an earlier call returned"),)
        )


class FieldNotInCategoryError(InvalidError):
    """A record has a field that its category doesn't allow: more than the purpose needs (S3)."""

    reason = "FIELD_NOT_IN_CATEGORY"


class FieldTypeMismatchError(InvalidError):
    """A record's field has another type or a larger size than its category says."""

    reason = "FIELD_TYPE_MISMATCH"


class TimeInFutureError(InvalidError):
    """A time lies in the future, beyond what clocks may differ."""

    reason = "TIME_IN_FUTURE"


class NotFoundError(DomainError):
    """There is no such thing, or it is another tenant's: the two answers are identical."""

    code = Code.NOT_FOUND
    thing: ClassVar[str]

    def __init__(self, **metadata: str | int) -> None:
        """Refuse in the same words for a missing thing and for another tenant's."""
        super().__init__(f"no such {self.thing}", **metadata)


class TenantNotFoundError(NotFoundError):
    """No such tenant."""

    reason, thing = "TENANT_NOT_FOUND", "tenant"


class ChatbotNotFoundError(NotFoundError):
    """No such chatbot of the tenant."""

    reason, thing = "CHATBOT_NOT_FOUND", "chatbot"


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


class CatalogueChangeNotFoundError(NotFoundError):
    """No such proposed change of the catalogue."""

    reason, thing = "CATALOGUE_CHANGE_NOT_FOUND", "catalogue change"


class InstructionNotFoundError(NotFoundError):
    """No such instruction of the tenant."""

    reason, thing = "INSTRUCTION_NOT_FOUND", "instruction"


class ConsentDecisionNotFoundError(NotFoundError):
    """No such decision of the subject."""

    reason, thing = "CONSENT_DECISION_NOT_FOUND", "consent decision"


class SubjectNotFoundError(NotFoundError):
    """Nothing is known of this subject."""

    reason, thing = "SUBJECT_NOT_FOUND", "subject"


class RecordNotFoundError(NotFoundError):
    """No such record of the subject."""

    reason, thing = "RECORD_NOT_FOUND", "record"


class RightsRequestNotFoundError(NotFoundError):
    """No such request."""

    reason, thing = "RIGHTS_REQUEST_NOT_FOUND", "request"


class ExportNotFoundError(NotFoundError):
    """No export belongs to the request, or it was deleted."""

    reason, thing = "EXPORT_NOT_FOUND", "export"


class CertificateNotFoundError(NotFoundError):
    """No erasure certificate belongs to the request."""

    reason, thing = "CERTIFICATE_NOT_FOUND", "certificate"


class SweepNotFoundError(NotFoundError):
    """No such sweep."""

    reason, thing = "SWEEP_NOT_FOUND", "sweep"


class BreachNotFoundError(NotFoundError):
    """No such breach."""

    reason, thing = "BREACH_NOT_FOUND", "breach"


class NoticeNotFoundError(NotFoundError):
    """No such notice of the tenant."""

    reason, thing = "NOTICE_NOT_FOUND", "notice"


class RecipientNotFoundError(NotFoundError):
    """No such recipient."""

    reason, thing = "RECIPIENT_NOT_FOUND", "recipient"


class InquiryNotFoundError(NotFoundError):
    """No such inquiry of the tenant."""

    reason, thing = "INQUIRY_NOT_FOUND", "inquiry"


class RequestIdReusedError(DomainError):
    """The request id belongs to an earlier call with another content (AIP-155)."""

    code, reason = Code.ALREADY_EXISTS, "REQUEST_ID_REUSED"

    def __init__(self) -> None:
        """Refuse without telling what the other call was."""
        super().__init__("request_id was used by a call with another content")


class ResourceExistsError(DomainError):
    """A resource with this id exists."""

    code, reason = Code.ALREADY_EXISTS, "RESOURCE_EXISTS"

    def __init__(self, *, thing: str) -> None:
        """Refuse to make a second *thing* with the same id."""
        super().__init__(f"a {thing} with this id exists", resource=thing)


class RequestAlreadyOpenError(DomainError):
    """A verified request for the same right is open: a second one would only repeat it."""

    code, reason = Code.ALREADY_EXISTS, "REQUEST_ALREADY_OPEN"

    def __init__(self, *, request: str) -> None:
        """Refuse, naming the open *request*."""
        super().__init__("a verified request of the same kind is open", request=request)


class ForbiddenByStateError(DomainError):
    """The law, or the state of things, forbids the call; the same call may be right later."""

    code = Code.FAILED_PRECONDITION
    words: ClassVar[str]

    def __init__(self, **metadata: str | int) -> None:
        """Refuse in the words of the subclass."""
        super().__init__(self.words, **metadata)


class SubjectErasedError(ForbiddenByStateError):
    """The subject was erased, or the write was made for an earlier life of it (Art. 17)."""

    reason = "SUBJECT_ERASED"
    words = "the subject was erased; only a genuine new sign-up starts a new generation"


class PurposeRetiredError(ForbiddenByStateError):
    """The purpose takes no new grants and no new data."""

    reason = "PURPOSE_RETIRED"
    words = "the purpose is retired"


class PurposeRoleMismatchError(ForbiddenByStateError):
    """The purpose belongs to the other role (S1)."""

    reason = "PURPOSE_ROLE_MISMATCH"
    words = "the purpose belongs to the other role"


class CategoryNotInPurposeError(ForbiddenByStateError):
    """The purpose doesn't need this category: data minimisation (S3, Art. 5(1)(c))."""

    reason = "CATEGORY_NOT_IN_PURPOSE"
    words = "the purpose does not allow this category of data"


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


class InstructionMissingError(ForbiddenByStateError):
    """The tenant hasn't instructed this kind of collection (S6, Art. 28(3)(a))."""

    reason = "INSTRUCTION_MISSING"
    words = "the tenant's documented instruction for this category is missing"


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


class BreachClosedError(ForbiddenByStateError):
    """The breach is closed: its record is complete and takes no more."""

    reason = "BREACH_CLOSED"
    words = "the breach is closed"


class IllegalTransitionError(ForbiddenByStateError):
    """The state of the thing doesn't allow this step."""

    reason = "ILLEGAL_TRANSITION"
    words = "the state does not allow this step"


class IdentityNotVerifiedError(ForbiddenByStateError):
    """Nobody has verified that the request is the person's own (Art. 12(6))."""

    reason = "IDENTITY_NOT_VERIFIED"
    words = "the identity of the requester has not been verified"


class ControllerNotAuthorisedError(ForbiddenByStateError):
    """The tenant, who is the controller, hasn't authorised the execution (Art. 28(3)(a))."""

    reason = "CONTROLLER_NOT_AUTHORISED"
    words = "the tenant, as controller, has not authorised the execution"


class ExportExpiredError(ForbiddenByStateError):
    """The export was kept as long as it was promised, and isn't any more."""

    reason = "EXPORT_EXPIRED"
    words = "the export has expired"


class PlanHashMismatchError(ForbiddenByStateError):
    """The sweep to execute isn't the plan that was seen."""

    reason = "PLAN_HASH_MISMATCH"
    words = "the hash is not that of the plan"


class BlastRadiusExceededError(ForbiddenByStateError):
    """The sweep would destroy more than it may without being told."""

    reason = "BLAST_RADIUS_EXCEEDED"
    words = "the plan destroys more subjects than the limit allows"


class RecipientNotVettedError(ForbiddenByStateError):
    """The recipient isn't vetted, or its safeguard has expired (S9)."""

    reason = "RECIPIENT_NOT_VETTED"
    words = "the recipient is not vetted, or its safeguard has expired"


class CommercialDisclosureError(ForbiddenByStateError):
    """Personal data is never disclosed for commerce (S9)."""

    reason = "COMMERCIAL_DISCLOSURE"
    words = "personal data is not disclosed for commercial purposes"


class LegalGroundMissingError(ForbiddenByStateError):
    """An authority gets what the law makes it get: ground, scope and approver are known (S9)."""

    reason = "LEGAL_GROUND_MISSING"
    words = "a disclosure to an authority needs its legal ground, its scope and who approved it"


class ProcessingNotAllowedError(DomainError):
    """The verdict on this processing is "no"; the metadata says why."""

    code, reason = Code.PERMISSION_DENIED, "PROCESSING_NOT_ALLOWED"

    def __init__(self, *, reasons: str) -> None:
        """Refuse for *reasons*, a comma-separated list of `VerdictReason` names."""
        super().__init__("the processing is not allowed", verdict_reasons=reasons)


class NotBuiltYetError(DomainError):
    """The contract has it, this version of the server doesn't."""

    code, reason = Code.UNIMPLEMENTED, "NOT_BUILT_YET"

    def __init__(self, *, what: str) -> None:
        """Refuse the method or field *what*."""
        super().__init__(f"{what} is part of the contract, but not built yet", what=what)


class LimitExceededError(DomainError):
    """As much of something as there may be is there, and waiting does not help."""

    code, reason = Code.RESOURCE_EXHAUSTED, "LIMIT_EXCEEDED"

    def __init__(self, *, what: str, limit: int) -> None:
        """Refuse more than *limit* of *what*, such as "messages of an inquiry"."""
        super().__init__(f"there may be no more than {limit} {what}", what=what, limit=limit)


class ConcurrentChangeError(DomainError):
    """Others kept changing the same thing; the call wrote nothing and can be repeated."""

    code, reason = Code.ABORTED, "CONCURRENT_CHANGE"

    def __init__(self) -> None:
        """Ask the caller to repeat."""
        super().__init__("others changed the same thing at the same time; repeat the call")


class StorageUnavailableError(DomainError):
    """The database can't answer or confirm now; a repeat with the same request id is safe."""

    code, reason = Code.UNAVAILABLE, "STORAGE_UNAVAILABLE"

    def __init__(self) -> None:
        """Ask the caller to repeat with the same request id."""
        super().__init__("the storage is unavailable; repeat the call with the same request_id")


class SealedContentCorruptError(DomainError):
    """What is stored isn't what we sealed: damaged, moved or tampered with.

    Nobody's request is at fault and no repeat mends it: it is logged as an error, and
    looked into as a possible breach of integrity (Art. 4(12)).
    """

    code, reason = Code.DATA_LOSS, "STORED_DATA_CORRUPT"

    def __init__(self) -> None:
        """Tell that stored data failed its check, and nothing about it."""
        super().__init__("stored data failed its integrity check")
