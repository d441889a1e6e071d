"""Who calls.

This version runs in development mode: it listens on loopback only, and callers name
themselves. What they say is validated, logged and recorded, and proves nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from server.domain.errors import InvalidArgumentError, Violation

if TYPE_CHECKING:
    from collections.abc import Iterable

    from server.interceptors.exchange import Exchange, Step

CALLER_KEY = "x-privacyrights-caller"
ANONYMOUS = "anonymous"
DEVELOPMENT_MODE = f"development mode: callers are not authenticated, {CALLER_KEY} names them"

_CALLER = re.compile(r"[a-z0-9_-]{1,63}")


def with_identity(step: Step) -> Step:
    """Return *step* for calls whose caller has an acceptable name, or none."""

    async def identified(request: Any, exchange: Exchange) -> bytes | None:
        exchange.caller = caller_of(exchange.context.invocation_metadata() or ())
        return await step(request, exchange)

    return identified


def caller_of(metadata: Iterable[tuple[str, str | bytes]]) -> str:
    """Return the name that the caller goes by.

    Raises:
        InvalidArgumentError: it isn't a name, or there are several.
    """
    names = [value for key, value in metadata if key == CALLER_KEY]
    if not names:
        return ANONYMOUS
    name = names[0]
    if len(names) > 1 or not isinstance(name, str) or not _CALLER.fullmatch(name):
        rule = "must be given once, as 1-63 characters of a-z, 0-9, '_' and '-'"
        raise InvalidArgumentError((Violation(CALLER_KEY, rule),))
    return name
