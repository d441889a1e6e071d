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


class NotSequencedYetError(ForbiddenByStateError):
    """The log hasn't come as far as what is asked for needs; it will have within a second."""

    reason = "NOT_SEQUENCED_YET"
    words = "the log has not been sequenced and signed that far yet; ask again in a second"
