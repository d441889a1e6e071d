"""What is asked about the tenant's inquiries, and isn't there."""

from __future__ import annotations

from server.domain.errors.refusal import NotFoundError


class InquiryNotFoundError(NotFoundError):
    """No such inquiry of the tenant."""

    reason, thing = "INQUIRY_NOT_FOUND", "inquiry"
