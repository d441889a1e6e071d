"""The contract as a test reads it: its methods, and what the error manual in its comments says."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass

from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from privacyrights.v1.error_reason_pb2 import ErrorReason
from server.handlers.registry import handler_classes, implemented, services
from tools.contract import descriptors

_PREFIX = "ERROR_REASON_"
_WORD = re.compile(r"[A-Z][A-Z_]+")
_ENUMS, _ENUM_VALUES = 5, 2
_SERVICES, _METHODS = 6, 2
"""Numbers of fields of `FileDescriptorProto` and its parts, which paths to comments are made of."""


@dataclass(frozen=True)
class Method:
    """One method of the contract.

    Shapes:
        rpc: `Service/Method`.
        reasons: of the refusals that its comment lists.
        is_endless: whether its stream ends only when somebody hangs up.
    """

    rpc: str
    path: str
    request: type[Message]
    response: type[Message]
    is_built: bool
    takes_stream: bool
    is_endless: bool
    reasons: frozenset[str]

    @property
    def is_idempotent(self) -> bool:
        """Whether it changes something, and a repeat is told what the first call was."""
        return "request_id" in self.request.DESCRIPTOR.fields_by_name


@functools.cache
def methods() -> dict[str, Method]:
    """Return every method by its `Service/Method`."""
    built = {(row.service, row.method): row.is_built for row in implemented(handler_classes())}
    endless = {
        (vars(kind)["SERVICE"], name)
        for kind in handler_classes()
        for name in vars(kind).get("ENDLESS", ())
    }
    found: dict[str, Method] = {}
    for service in services():
        for method in service.methods:
            key = service.full_name, method.name
            rpc = f"{service.name}/{method.name}"
            found[rpc] = Method(
                rpc=rpc,
                path=f"/{service.full_name}/{method.name}",
                request=GetMessageClass(method.input_type),
                response=GetMessageClass(method.output_type),
                is_built=built[key],
                takes_stream=method.client_streaming,
                is_endless=key in endless,
                reasons=frozenset(reason for _, reason in listed_refusals()[rpc]),
            )
    return found


@functools.cache
def codes() -> dict[str, str]:
    """Return reason → canonical code, as the error manual has it."""
    file = next(file for file in descriptors().file if file.name.endswith("error_reason.proto"))
    return {
        value.name.removeprefix(_PREFIX): _comment(file, _ENUMS, 0, _ENUM_VALUES, index).split(".")[
            0
        ]
        for index, value in enumerate(file.enum_type[0].value)
        if value.number
    }


@functools.cache
def listed_refusals() -> dict[str, tuple[tuple[str, str], ...]]:
    """Return what the comment of each method lists under "Errors": pairs of code and reason."""
    return {
        f"{service.name}/{method.name}": tuple(
            _refusals(_comment(file, _SERVICES, number, _METHODS, index))
        )
        for file in descriptors().file
        for number, service in enumerate(file.service)
        for index, method in enumerate(service.method)
    }


def _refusals(comment: str) -> Iterator[tuple[str, str]]:
    known = {name.removeprefix(_PREFIX) for name in ErrorReason.keys()}  # noqa: SIM118 – no dict
    canonical = set(codes().values())
    code = ""
    for found in _WORD.finditer(comment.partition("Errors:")[2]):
        word = found.group()
        if word in canonical:
            code = word
        elif word in known:
            yield code, word


def _comment(file: FileDescriptorProto, *path: int) -> str:
    return next(
        location.leading_comments.strip()
        for location in file.source_code_info.location
        if tuple(location.path) == path
    )
