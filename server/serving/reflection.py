"""Answers the questions of grpcurl and its kin about the contract."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf import descriptor_pool
from grpc_health.v1 import health
from grpc_reflection.v1alpha import reflection
from grpc_reflection.v1alpha.reflection_pb2 import (
    ServerReflectionRequest,
    ServerReflectionResponse,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.descriptor import FileDescriptor, ServiceDescriptor

VERSIONS = ("grpc.reflection.v1.ServerReflection", reflection.SERVICE_NAME)
"""Both versions of the protocol: their messages are the same, byte by byte."""


def add_reflection(server: grpc.aio.Server, services: Sequence[str]) -> None:
    """Make *server* tell about *services*, by full name, besides health and reflection."""
    names = (*services, health.SERVICE_NAME, reflection.SERVICE_NAME)
    servicer: Any = reflection.aio.ReflectionServicer(names, pool=_Symbols())
    answering = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        ServerReflectionRequest.FromString,
        ServerReflectionResponse.SerializeToString,
    )
    methods = {"ServerReflectionInfo": answering}
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler(version, methods) for version in VERSIONS]
    )


class _Symbols:
    """The pool of descriptors, in which methods are found too.

    protobuf's own knows no method by its name, so that `grpcurl describe
    privacyrights.v1.ConsentService.RecordConsent` would be told that there is none.
    """

    def __init__(self) -> None:
        self._pool: Any = descriptor_pool.Default()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    def FindFileContainingSymbol(self, symbol: str) -> FileDescriptor:  # noqa: N802 – the pool's
        """Return the file that declares *symbol*.

        Raises:
            KeyError: there is none.
        """
        try:
            found: FileDescriptor = self._pool.FindFileContainingSymbol(symbol)
        except KeyError:
            whole, _, method = symbol.rpartition(".")
            service: ServiceDescriptor = self._pool.FindServiceByName(whole)
            if method not in service.methods_by_name:
                raise
            return service.file
        return found
