"""What the feed refuses."""

from __future__ import annotations

from server.domain.errors.refusal import ForbiddenByStateError, NotFoundError


class SubscriptionNotFoundError(NotFoundError):
    """No such subscription."""

    reason, thing = "SUBSCRIPTION_NOT_FOUND", "subscription"


class PartitionLostError(ForbiddenByStateError):
    """The member doesn't have the partition, or not any more."""

    reason = "LEASE_LOST"
    words = "another member of the subscription has the partition now, or nobody had it yet"
