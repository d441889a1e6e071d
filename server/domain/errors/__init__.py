"""Every way in which a call can be refused, each with one canonical code and one reason.

    DomainError
    ├── INVALID_ARGUMENT     InvalidError: the request itself is wrong
    │   ├── request          InvalidArgumentError (FIELD_INVALID) · PageTokenInvalidError
    │   │                    ConsistencyTokenInvalidError · TimeInFutureError
    │   │                    ResumeTokenInvalidError
    │   └── records          FieldNotInCategoryError · FieldTypeMismatchError
    ├── NOT_FOUND            NotFoundError: missing and another tenant's are one answer
    │   ├── subject          TenantNotFoundError · ChatbotNotFoundError · SubjectNotFoundError
    │   ├── catalogue        PurposeNotFoundError · CategoryNotFoundError · TextNotFoundError
    │   │                    PolicyVersionNotFoundError · RetentionRuleNotFoundError
    │   │                    CatalogueChangeNotFoundError · InstructionNotFoundError
    │   │                    OrganisationNotFoundError
    │   ├── consent          ConsentDecisionNotFoundError
    │   ├── records          RecordNotFoundError
    │   ├── rights           RightsRequestNotFoundError · ExportNotFoundError
    │   │                    CertificateNotFoundError
    │   ├── retention        SweepNotFoundError
    │   ├── directives       DirectiveNotFoundError
    │   ├── disclosure       RecipientNotFoundError · DisclosureNotFoundError
    │   ├── feed             SubscriptionNotFoundError
    │   ├── breach           BreachNotFoundError · NoticeNotFoundError
    │   ├── assistance       InquiryNotFoundError · ContactNotFoundError
    │   └── audit            LedgerEntryNotFoundError
    ├── ALREADY_EXISTS       RequestIdReusedError · ResourceExistsError · RequestAlreadyOpenError
    ├── FAILED_PRECONDITION  ForbiddenByStateError: what the law or the state of things forbids
    │   ├── request          EtagMismatchError
    │   ├── feed             PartitionLostError (LEASE_LOST)
    │   ├── subject          SubjectErasedError
    │   ├── catalogue        ChangeNotReviewedError · ReviewerIsProposerError
    │   │                    CatalogueInconsistentError
    │   ├── consent          PurposeRetiredError · PurposeRoleMismatchError
    │   │                    ConsentNotBasisError · TextNotPublishedError
    │   │                    PolicyVersionNotInForceError · ParentalAuthorityRequiredError
    │   ├── records          CategoryNotInPurposeError · InstructionMissingError
    │   ├── rights           IllegalTransitionError · IdentityNotVerifiedError
    │   │                    ControllerNotAuthorisedError · ExportExpiredError
    │   │                    PriorNoticeMissingError
    │   ├── retention        PlanHashMismatchError · BlastRadiusExceededError
    │   ├── disclosure       RecipientNotVettedError · CommercialDisclosureError
    │   │                    LegalGroundMissingError
    │   ├── breach           BreachClosedError
    │   └── audit            CommitmentMissingError · NotSequencedYetError
    ├── PERMISSION_DENIED    ProcessingNotAllowedError
    ├── UNIMPLEMENTED        NotBuiltYetError
    ├── RESOURCE_EXHAUSTED   LimitExceededError
    ├── ABORTED              ConcurrentChangeError
    ├── UNAVAILABLE          StorageUnavailableError
    └── DATA_LOSS            SealedContentCorruptError (STORED_DATA_CORRUPT)

`ConflictError` is no answer to a caller: it asks the command to decide again.
Messages and metadata never hold personal data; they reach the caller as
`google.rpc.ErrorInfo` (AIP-193). There is one module for each room of the domain,
and one for the request, the storage, and what a refusal is.
"""

from server.domain.errors.assistance import ContactNotFoundError, InquiryNotFoundError
from server.domain.errors.audit import (
    CommitmentMissingError,
    LedgerEntryNotFoundError,
    NotSequencedYetError,
)
from server.domain.errors.breach import (
    BreachClosedError,
    BreachNotFoundError,
    NoticeNotFoundError,
)
from server.domain.errors.catalogue import (
    CatalogueChangeNotFoundError,
    CatalogueInconsistentError,
    CategoryNotFoundError,
    ChangeNotReviewedError,
    InstructionNotFoundError,
    OrganisationNotFoundError,
    PolicyVersionNotFoundError,
    PurposeNotFoundError,
    RetentionRuleNotFoundError,
    ReviewerIsProposerError,
    TextNotFoundError,
)
from server.domain.errors.consent import (
    ConsentDecisionNotFoundError,
    ConsentNotBasisError,
    ParentalAuthorityRequiredError,
    PolicyVersionNotInForceError,
    ProcessingNotAllowedError,
    PurposeRetiredError,
    PurposeRoleMismatchError,
    TextNotPublishedError,
)
from server.domain.errors.directives import DirectiveNotFoundError
from server.domain.errors.disclosure import (
    CommercialDisclosureError,
    DisclosureNotFoundError,
    LegalGroundMissingError,
    RecipientNotFoundError,
    RecipientNotVettedError,
)
from server.domain.errors.feed import PartitionLostError, SubscriptionNotFoundError
from server.domain.errors.records import (
    CategoryNotInPurposeError,
    FieldNotInCategoryError,
    FieldTypeMismatchError,
    InstructionMissingError,
    RecordNotFoundError,
)
from server.domain.errors.refusal import (
    Code,
    DomainError,
    ForbiddenByStateError,
    NotFoundError,
)
from server.domain.errors.request import (
    ConsistencyTokenInvalidError,
    EtagMismatchError,
    InvalidArgumentError,
    InvalidError,
    LimitExceededError,
    NotBuiltYetError,
    PageTokenInvalidError,
    RequestIdReusedError,
    ResumeTokenInvalidError,
    TimeInFutureError,
    Violation,
)
from server.domain.errors.retention import (
    BlastRadiusExceededError,
    PlanHashMismatchError,
    SweepNotFoundError,
)
from server.domain.errors.rights import (
    CertificateNotFoundError,
    ControllerNotAuthorisedError,
    ExportExpiredError,
    ExportNotFoundError,
    IdentityNotVerifiedError,
    IllegalTransitionError,
    PriorNoticeMissingError,
    RequestAlreadyOpenError,
    RightsRequestNotFoundError,
)
from server.domain.errors.storage import (
    ConcurrentChangeError,
    ConflictError,
    SealedContentCorruptError,
    StorageUnavailableError,
)
from server.domain.errors.subject import (
    ChatbotNotFoundError,
    ResourceExistsError,
    SubjectErasedError,
    SubjectNotFoundError,
    TenantNotFoundError,
)

__all__ = [
    "BlastRadiusExceededError",
    "BreachClosedError",
    "BreachNotFoundError",
    "CatalogueChangeNotFoundError",
    "CatalogueInconsistentError",
    "CategoryNotFoundError",
    "CategoryNotInPurposeError",
    "CertificateNotFoundError",
    "ChangeNotReviewedError",
    "ChatbotNotFoundError",
    "Code",
    "CommercialDisclosureError",
    "CommitmentMissingError",
    "ConcurrentChangeError",
    "ConflictError",
    "ConsentDecisionNotFoundError",
    "ConsentNotBasisError",
    "ConsistencyTokenInvalidError",
    "ContactNotFoundError",
    "ControllerNotAuthorisedError",
    "DirectiveNotFoundError",
    "DisclosureNotFoundError",
    "DomainError",
    "EtagMismatchError",
    "ExportExpiredError",
    "ExportNotFoundError",
    "FieldNotInCategoryError",
    "FieldTypeMismatchError",
    "ForbiddenByStateError",
    "IdentityNotVerifiedError",
    "IllegalTransitionError",
    "InquiryNotFoundError",
    "InstructionMissingError",
    "InstructionNotFoundError",
    "InvalidArgumentError",
    "InvalidError",
    "LedgerEntryNotFoundError",
    "LegalGroundMissingError",
    "LimitExceededError",
    "NotBuiltYetError",
    "NotFoundError",
    "NotSequencedYetError",
    "NoticeNotFoundError",
    "OrganisationNotFoundError",
    "PageTokenInvalidError",
    "ParentalAuthorityRequiredError",
    "PartitionLostError",
    "PlanHashMismatchError",
    "PolicyVersionNotFoundError",
    "PolicyVersionNotInForceError",
    "PriorNoticeMissingError",
    "ProcessingNotAllowedError",
    "PurposeNotFoundError",
    "PurposeRetiredError",
    "PurposeRoleMismatchError",
    "RecipientNotFoundError",
    "RecipientNotVettedError",
    "RecordNotFoundError",
    "RequestAlreadyOpenError",
    "RequestIdReusedError",
    "ResourceExistsError",
    "ResumeTokenInvalidError",
    "RetentionRuleNotFoundError",
    "ReviewerIsProposerError",
    "RightsRequestNotFoundError",
    "SealedContentCorruptError",
    "StorageUnavailableError",
    "SubjectErasedError",
    "SubjectNotFoundError",
    "SubscriptionNotFoundError",
    "SweepNotFoundError",
    "TenantNotFoundError",
    "TextNotFoundError",
    "TextNotPublishedError",
    "TimeInFutureError",
    "Violation",
]
