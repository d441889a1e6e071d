"""Logs one line for each call, when it is over."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

from server.domain.values import InvalidValueError, request_id
from server.interceptors.exchange import Exchange

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from grpc.aio import ServicerContext

    from server.interceptors.exchange import Step

    Entry = Callable[[Any, ServicerContext[bytes, bytes]], Awaitable[bytes | None]]


UNLINKED = frozenset({"RecordsService/SubmitUnansweredMessages"})
"""Methods whose line has only itself and the code: how long a call took tells how much was sent,
and a request id may have been made out of a conversation (S5)."""


def with_line(step: Step, rpc: str, log_call: Callable[..., None]) -> Entry:
    """Return what gRPC calls for *rpc*: *step*, and after it, however it ends, its line."""

    async def call(request: Any, context: ServicerContext[bytes, bytes]) -> bytes | None:
        exchange = Exchange(context)
        started = perf_counter()
        try:
            return await step(request, exchange)
        finally:
            more: dict[str, Any] = {}
            if rpc not in UNLINKED:
                more = {
                    "duration_ms": round((perf_counter() - started) * 1000, 3),
                    **_who(exchange),
                }
            log_call(method=rpc, code=exchange.code, **more)

    return call


def _who(exchange: Exchange) -> dict[str, str]:
    """Return what is known of the call: a line names no field that would be empty."""
    who = {"caller": exchange.caller} if exchange.caller else {}
    call = exchange.call
    if call is None:
        return who
    if _is_request_id(call.request_id):
        who["request_id"] = call.request_id
    for name in ("tenant", "subject"):
        if name in call.notes:
            who[name] = call.notes[name]
    return who


def _is_request_id(text: str) -> bool:
    # What is refused as a request id may be anything, an e-mail address for example.
    try:
        request_id(text)
    except InvalidValueError:
        return False
    return True
