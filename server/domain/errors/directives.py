"""What stands between a directive and its effect."""

from __future__ import annotations

from server.domain.errors.refusal import NotFoundError


class DirectiveNotFoundError(NotFoundError):
    """No such directive."""

    reason, thing = "DIRECTIVE_NOT_FOUND", "directive"
