"""What the layers around a handler hand to each other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, cast

if TYPE_CHECKING:
    from grpc.aio import ServicerContext

    from server.domain.call import Call


@dataclass(slots=True)
class Exchange:
    """One call on its way in and out.

    Shapes:
        caller: empty until it is known.
        call: None until the request is decoded.
        code: the canonical code that was answered.
    """

    context: ServicerContext[bytes, bytes]
    caller: str = ""
    call: Call | None = None
    code: str = "OK"


def seconds_left(exchange: Exchange) -> float | None:
    """Return the time that the caller still gives, or None if it set no deadline."""
    return cast("float | None", exchange.context.time_remaining())


Step: TypeAlias = Callable[[Any, Exchange], Awaitable[bytes | None]]
"""One layer with all that is inside it: takes the encoded request, or an iterator of them.

Returns the encoded response. The responses of a stream are written to the context
instead, so that each layer is a coroutine, whatever the shape of the method.
"""
