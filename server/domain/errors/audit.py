"""What the ledger doesn't have, or can't tell."""

from __future__ import annotations

from server.domain.errors.refusal import ForbiddenByStateError, NotFoundError


class LedgerEntryNotFoundError(NotFoundError):
    """The log has no such entry."""

    reason, thing = "LEDGER_ENTRY_NOT_FOUND", "ledger entry"


class CommitmentMissingError(ForbiddenByStateError):
    """The entry commits to nothing, so that there is nothing to open."""

    reason = "COMMITMENT_MISSING"
    words = "the entry commits to no content"
