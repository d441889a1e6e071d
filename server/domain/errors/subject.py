"""Who is asked about, and isn't there: tenants, their chatbots, their people."""

from __future__ import annotations

from server.domain.errors.refusal import Code, DomainError, ForbiddenByStateError, NotFoundError


class TenantNotFoundError(NotFoundError):
    """No such tenant."""

    reason, thing = "TENANT_NOT_FOUND", "tenant"


class ChatbotNotFoundError(NotFoundError):
    """No such chatbot of the tenant."""

    reason, thing = "CHATBOT_NOT_FOUND", "chatbot"


class SubjectNotFoundError(NotFoundError):
    """Nothing is known of this subject."""

    reason, thing = "SUBJECT_NOT_FOUND", "subject"


class SubjectErasedError(ForbiddenByStateError):
    """The subject was erased, or the write was made for an earlier life of it (Art. 17)."""

    reason = "SUBJECT_ERASED"
    words = "the subject was erased; only a genuine new sign-up starts a new generation"


class ResourceExistsError(DomainError):
    """A resource with this id exists."""

    code, reason = Code.ALREADY_EXISTS, "RESOURCE_EXISTS"

    def __init__(self, *, thing: str) -> None:
        """Refuse to make a second *thing* with the same id."""
        super().__init__(f"a {thing} with this id exists", resource=thing)
