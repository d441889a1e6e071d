"""What stands between a request and its execution."""

from __future__ import annotations

from server.domain.errors.refusal import Code, DomainError, ForbiddenByStateError, NotFoundError


class RightsRequestNotFoundError(NotFoundError):
    """No such request."""

    reason, thing = "RIGHTS_REQUEST_NOT_FOUND", "request"


class ExportNotFoundError(NotFoundError):
    """No export belongs to the request, or it was deleted."""

    reason, thing = "EXPORT_NOT_FOUND", "export"


class CertificateNotFoundError(NotFoundError):
    """No erasure certificate belongs to the request."""

    reason, thing = "CERTIFICATE_NOT_FOUND", "certificate"


class RequestAlreadyOpenError(DomainError):
    """A verified request for the same right is open: a second one would only repeat it."""

    code, reason = Code.ALREADY_EXISTS, "REQUEST_ALREADY_OPEN"

    def __init__(self, *, request: str) -> None:
        """Refuse, naming the open *request*."""
        super().__init__("a verified request of the same kind is open", request=request)


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


class PriorNoticeMissingError(ForbiddenByStateError):
    """The person must be told before, and the time that was told must have come (Art. 18(3))."""

    reason = "PRIOR_NOTICE_MISSING"
    words = "the person must be told first, and the time given must have come"


class ExportExpiredError(ForbiddenByStateError):
    """The export was kept as long as it was promised, and isn't any more."""

    reason = "EXPORT_EXPIRED"
    words = "the export has expired"
