"""Ends a call when its time is over."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from server.interceptors.exchange import seconds_left
from server.interceptors.refusals import DeadlineExceededError

if TYPE_CHECKING:
    from server.interceptors.exchange import Exchange, Step


def with_deadline(step: Step, most_seconds: float | None) -> Step:
    """Return *step*, given the time that the caller gives, and never more than *most_seconds*.

    What the call waits for is cancelled: a read gives up its connection, which ends it in
    the database too. A commit belongs to the committer, and is never cut.
    """

    async def timed(request: Any, exchange: Exchange) -> bytes | None:
        left = seconds_left(exchange)
        if left is None:
            seconds = most_seconds
        else:
            seconds = left if most_seconds is None else min(left, most_seconds)
        scope = asyncio.timeout(seconds)
        try:
            async with scope:
                return await step(request, exchange)
        except TimeoutError:
            # One that the handler raised by itself is a defect, not the caller's deadline.
            if scope.expired():
                raise DeadlineExceededError from None
            raise

    return timed
