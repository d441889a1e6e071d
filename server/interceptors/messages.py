"""The innermost layer: from bytes to messages, through the handler, and back to bytes.

gRPC would answer bytes that are no message with INTERNAL, and without a reason; decoded
here, they are a caller's error like any other.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any, TypeVar

from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from server.domain.call import Call
from server.domain.errors import InvalidArgumentError, NotBuiltYetError, Violation

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from google.protobuf.descriptor import MethodDescriptor

    from server.interceptors.exchange import Exchange, Step

REQUEST_ID = "request_id"
"""The field that makes a repeat of a call recognisable (AIP-155)."""

PERSONAL_IDS = frozenset({"subject_id", "visitor_id"})
"""The fields that tell who somebody is; a request id is logged, and must not."""

SHORTEST_WORD = 5
"""Characters of a person's id that are looked for inside a request id: a UUID has words of four."""

M = TypeVar("M", bound=Message)


def rpc_name(method: MethodDescriptor) -> str:
    """Return the name that calls of *method* have: `Service/Method`."""
    service = method.containing_service
    assert service is not None, "a method has a service"  # noqa: S101 – narrows a type
    return f"{service.name}/{method.name}"


def answering(method: MethodDescriptor, behaviour: Callable[..., Any]) -> Step:
    """Return *behaviour*, a handler's *method*, as the innermost step."""
    prepare = _preparation(method)
    return (
        _streaming(prepare, behaviour) if method.server_streaming else _single(prepare, behaviour)
    )


def refusing(method: MethodDescriptor) -> Step:
    """Return the innermost step of a *method* that no handler has."""
    rpc = rpc_name(method)

    async def refused(_request: Any, _exchange: Exchange) -> bytes | None:
        raise NotBuiltYetError(what=rpc)

    return refused


def _single(prepare: Callable[[Any, Exchange], Any], behaviour: Callable[..., Any]) -> Step:
    async def single(request: Any, exchange: Exchange) -> bytes | None:
        response: Message = await behaviour(prepare(request, exchange), exchange.call)
        return response.SerializeToString()

    return single


def _streaming(prepare: Callable[[Any, Exchange], Any], behaviour: Callable[..., Any]) -> Step:
    async def streaming(request: Any, exchange: Exchange) -> bytes | None:
        # Closed at once, also when the caller hangs up: what it holds is not left to the collector.
        async with aclosing(behaviour(prepare(request, exchange), exchange.call)) as responses:
            async for response in responses:
                await exchange.context.write(response.SerializeToString())
        return None

    return streaming


def _preparation(method: MethodDescriptor) -> Callable[[Any, Exchange], Any]:
    """Return what decodes the request of *method*, and says on the exchange which call it is."""
    rpc = rpc_name(method)
    request_type: type[Message] = GetMessageClass(method.input_type)
    is_idempotent = REQUEST_ID in method.input_type.fields_by_name
    prefix = f"{rpc}\0".encode()

    def stream(requests: AsyncIterator[bytes], exchange: Exchange) -> AsyncIterator[Message]:
        exchange.call = Call(exchange.caller, rpc)
        return _decoded(request_type, requests)

    def plain(encoded: bytes, exchange: Exchange) -> Message:
        exchange.call = Call(exchange.caller, rpc)
        return _decode(request_type, encoded)

    def idempotent(encoded: bytes, exchange: Exchange) -> Message:
        request = _decode(request_type, encoded)
        # Not the bytes as they came: a repeat may order the entries of a map otherwise.
        content = prefix + request.SerializeToString(deterministic=True)
        request_id: str = getattr(request, REQUEST_ID)
        if request_id and _tells_who(request, request_id.lower()):
            exchange.call = Call(exchange.caller, rpc)
            raise InvalidArgumentError((Violation(REQUEST_ID, "must not have the subject's id"),))
        exchange.call = Call(exchange.caller, rpc, request_id, content)
        return request

    if method.client_streaming:
        return stream
    return idempotent if is_idempotent else plain


def _tells_who(message: Message, id: str) -> bool:
    """Whether the request id *id*, in lower case, is or has the id of a person of *message*."""
    for field, value in message.ListFields():
        if field.name in PERSONAL_IDS:
            if _has(id, value.lower()):
                return True
        elif field.message_type is not None and not field.message_type.GetOptions().map_entry:
            inner = value if field.is_repeated else (value,)
            if any(_tells_who(each, id) for each in inner):
                return True
    return False


def _has(id: str, person: str) -> bool:
    """Whether *id* is *person*, or has it as a word; what is short stands in many by chance."""
    start = id.find(person) if len(person) >= SHORTEST_WORD else -1
    while start >= 0:
        end = start + len(person)
        if not id[start - 1 : start].isalnum() and not id[end : end + 1].isalnum():
            return True
        start = id.find(person, start + 1)
    return id == person


async def _decoded(type: type[M], requests: AsyncIterator[bytes]) -> AsyncIterator[M]:
    async for encoded in requests:
        yield _decode(type, encoded)


def _decode(type: type[M], encoded: bytes) -> M:
    try:
        decoded: M = type.FromString(encoded)
    except DecodeError:
        # Its text may quote the bytes.
        rule = f"must be an encoded {type.DESCRIPTOR.full_name}"
        raise InvalidArgumentError((Violation("request", rule),)) from None
    return decoded
