"""What stops a sweep."""

from __future__ import annotations

from server.domain.errors.refusal import ForbiddenByStateError, NotFoundError


class SweepNotFoundError(NotFoundError):
    """No such sweep."""

    reason, thing = "SWEEP_NOT_FOUND", "sweep"


class PlanHashMismatchError(ForbiddenByStateError):
    """The sweep to execute isn't the plan that was seen."""

    reason = "PLAN_HASH_MISMATCH"
    words = "the hash is not that of the plan"


class BlastRadiusExceededError(ForbiddenByStateError):
    """The sweep would destroy more than it may without being told."""

    reason = "BLAST_RADIUS_EXCEEDED"
    words = "the plan destroys more subjects than the limit allows"
