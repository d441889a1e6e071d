"""Reads as fresh as the caller asks, whatever it is that they read: the server catches up first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from server.domain.ports import DEFAULT_FRESHNESS, Freshness

if TYPE_CHECKING:
    from google.protobuf.descriptor import MethodDescriptor

    from privacyrights.v1 import types_pb2

CatchUp: TypeAlias = Callable[[Freshness], Awaitable[None]]
"""Returns once every read that begins now is as fresh as asked."""

CONSISTENCY = "consistency"
"""The field of a request that says how fresh its answer must be."""


def freshness(value: types_pb2.Consistency) -> Freshness:
    """Return what *value* asks for; a bad token is refused when it is used."""
    match value.WhichOneof("requirement"):
        case "at_least_as_fresh":
            return Freshness(token=value.at_least_as_fresh)
        case "linearizable":
            return Freshness(linearizable=value.linearizable)
        case _:
            return DEFAULT_FRESHNESS


def caught_up(
    method: MethodDescriptor, behaviour: Callable[..., Any], catch_up: CatchUp
) -> Callable[..., Any]:
    """Return *behaviour*, a handler's *method*, so that it reads only after *catch_up*."""
    if CONSISTENCY not in method.input_type.fields_by_name or method.server_streaming:
        return behaviour

    async def fresh(request: Any, call: Any) -> Any:
        if request.HasField(CONSISTENCY):
            await catch_up(freshness(request.consistency))
        return await behaviour(request, call)

    return fresh
