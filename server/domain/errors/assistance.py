"""What is asked about the tenant's inquiries and contacts, and isn't there."""

from __future__ import annotations

from server.domain.errors.refusal import NotFoundError


class InquiryNotFoundError(NotFoundError):
    """No such inquiry of the tenant."""

    reason, thing = "INQUIRY_NOT_FOUND", "inquiry"


class ContactNotFoundError(NotFoundError):
    """No such contact of the tenant."""

    reason, thing = "CONTACT_NOT_FOUND", "contact"
