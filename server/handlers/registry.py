"""Joins the contract and the handlers: every method of the one, and of the other, is accounted for.

A handler is a class with `SERVICE`, the full name of a service of the contract, and a
method for each RPC that is built, by the RPC's name:

    async def RecordConsent(self, request, call) -> RecordConsentResponse
    async def WatchNotices(self, request, call): yield WatchNoticesResponse(…)
    async def ImportRecords(self, requests, call) -> ImportRecordsResponse

`ENDLESS` names its streams that end only when either side hangs up: they are told to end
as soon as the server drains. What isn't built answers UNIMPLEMENTED, NOT_BUILT_YET;
`NOT_BUILT` names the fields, by RPC, that a method which is built refuses in the same way, and
`LEFT_EMPTY` those of its answers, by message, that nothing fills in yet. With `CATCHES_UP` it
need not look at the `consistency` of a request: the server catches up before it is asked.
"""

from __future__ import annotations

import inspect
import pkgutil
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

import grpc

import privacyrights.v1
from server import handlers as package
from server.handlers.freshness import CatchUp, caught_up

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

_ATTRIBUTES = {"SERVICE", "ENDLESS", "NOT_BUILT", "LEFT_EMPTY", "CATCHES_UP"}
_METHOD_HANDLERS = {
    (False, False): grpc.unary_unary_rpc_method_handler,
    (False, True): grpc.unary_stream_rpc_method_handler,
    (True, False): grpc.stream_unary_rpc_method_handler,
    (True, True): grpc.stream_stream_rpc_method_handler,
}


class HandlerDefectError(TypeError):
    """A handler doesn't fit the contract: the code is wrong, and the server doesn't start."""


class Guard(Protocol):
    """Puts around a method what happens around every call."""

    def __call__(
        self,
        method: MethodDescriptor,
        behaviour: Callable[..., Any] | None,
        *,
        is_endless: bool,
    ) -> Callable[..., Any]:
        """Return what gRPC calls for *method*, bytes to bytes; it refuses without *behaviour*."""
        ...


@dataclass(frozen=True, slots=True)
class Row:
    """Whether one method of the contract is built, and which of its fields aren't."""

    service: str
    method: str
    is_built: bool
    missing_fields: tuple[str, ...] = ()


def services() -> list[ServiceDescriptor]:
    """Return every service of the contract, sorted by name."""
    found: dict[str, ServiceDescriptor] = {}
    for module in pkgutil.iter_modules(privacyrights.v1.__path__):
        if module.name.endswith("_service_pb2"):
            stubs = import_module(f"{privacyrights.v1.__name__}.{module.name}")
            found.update(
                {
                    service.full_name: service
                    for service in stubs.DESCRIPTOR.services_by_name.values()
                }
            )
    return [found[name] for name in sorted(found)]


def handler_classes() -> list[type]:
    """Return every handler class of this package, sorted by its service."""
    classes = [
        value
        for module in pkgutil.iter_modules(package.__path__)
        for value in vars(import_module(f"{package.__name__}.{module.name}")).values()
        if inspect.isclass(value) and "SERVICE" in vars(value)
    ]
    return sorted(set(classes), key=lambda handler: str(vars(handler)["SERVICE"]))


def implemented(classes: Iterable[type]) -> list[Row]:
    """Return a row for each method of the contract, in its order.

    Raises:
        HandlerDefectError: one of *classes* doesn't fit the contract.
    """
    by_service = _by_service((handler, handler) for handler in classes)
    return [
        _row(service.full_name, method.name, by_service.get(service.full_name))
        for service in services()
        for method in service.methods
    ]


def left_empty(classes: Iterable[type]) -> dict[str, tuple[str, ...]]:
    """Return, by service, the fields of its answers (`Message.field`) that are left empty."""
    return {str(vars(kind)["SERVICE"]): vars(kind).get("LEFT_EMPTY", ()) for kind in classes}


def _row(service: str, method: str, handler: object | None) -> Row:
    not_built: dict[str, tuple[str, ...]] = getattr(handler, "NOT_BUILT", {})
    return Row(service, method, hasattr(handler, method), not_built.get(method, ()))


def generic_handlers(
    handlers: Sequence[object], guard: Guard, catch_up: CatchUp
) -> list[grpc.GenericRpcHandler]:
    """Return what a gRPC server is given so that it answers every method of the contract.

    Raises:
        HandlerDefectError: one of *handlers* doesn't fit the contract.
    """
    by_service = _by_service((type(handler), handler) for handler in handlers)
    return [
        _of_service(service, by_service.get(service.full_name), guard, catch_up)
        for service in services()
    ]


def _of_service(
    service: ServiceDescriptor, handler: object | None, guard: Guard, catch_up: CatchUp
) -> grpc.GenericRpcHandler:
    endless: frozenset[str] = getattr(handler, "ENDLESS", frozenset())
    methods: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}
    for method in service.methods:
        behaviour = getattr(handler, method.name, None)
        if behaviour is not None and getattr(handler, "CATCHES_UP", False):
            behaviour = caught_up(method, behaviour, catch_up)
        guarded = guard(method, behaviour, is_endless=method.name in endless)
        shape = (method.client_streaming, method.server_streaming)
        methods[method.name] = _METHOD_HANDLERS[shape](guarded)
    return grpc.method_handlers_generic_handler(service.full_name, methods)


def _by_service(handlers: Iterable[tuple[type, object]]) -> dict[str, object]:
    """Return *handlers* by the full name of their service, if they all fit the contract."""
    contract = {service.full_name: service for service in services()}
    found: dict[str, object] = {}
    for kind, handler in handlers:
        name = str(getattr(kind, "SERVICE", ""))
        if name not in contract:
            raise HandlerDefectError(f"{kind.__name__}.SERVICE is no service of the contract")
        if name in found:
            raise HandlerDefectError(f"{name} has two handlers")
        _require_fit(kind, contract[name])
        found[name] = handler
    return found


def _require_fit(kind: type, service: ServiceDescriptor) -> None:
    methods = {method.name: method for method in service.methods}
    for name, value in inspect.getmembers_static(kind):
        if name.startswith("_") or name in _ATTRIBUTES:
            continue
        if name not in methods:
            raise HandlerDefectError(f"{kind.__name__}.{name} is no method of {service.full_name}")
        is_generator = inspect.isasyncgenfunction(value)
        if methods[name].server_streaming != is_generator or not (
            is_generator or inspect.iscoroutinefunction(value)
        ):
            raise HandlerDefectError(
                f"{kind.__name__}.{name} must be an async "
                f"{'generator' if methods[name].server_streaming else 'function'}"
            )
    streams = {name for name, method in methods.items() if method.server_streaming}
    for name in getattr(kind, "ENDLESS", frozenset[str]()):
        if name not in streams:
            raise HandlerDefectError(f"{kind.__name__}.ENDLESS: {name} is no stream of responses")
