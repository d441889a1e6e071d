"""Who gets nothing, and why."""

from __future__ import annotations

from server.domain.errors.refusal import ForbiddenByStateError, NotFoundError


class RecipientNotFoundError(NotFoundError):
    """No such recipient."""

    reason, thing = "RECIPIENT_NOT_FOUND", "recipient"


class DisclosureNotFoundError(NotFoundError):
    """No such disclosure of the tenant."""

    reason, thing = "DISCLOSURE_NOT_FOUND", "disclosure"


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
