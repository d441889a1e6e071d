"""Whatever goes wrong, callers get one of our reasons, and nothing that isn't meant for them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf.message import Message

from privacyrights.v1 import error_reason_pb2, tenant_service_pb2
from server.domain import errors
from server.domain.call import Call
from server.interceptors import refusals
from server.interceptors.refusals import ServingError
from server.serving import ServerLimits
from tests.rpc.conftest import Logged
from tests.rpc.small_server import small_server
from tests.rpc.wire import path, refused

CONTRACT = Path(__file__).parents[2] / "protos/privacyrights/v1/error_reason.proto"
GET_TENANT = path("TenantService", "GetTenant")
CANARY = "marie@example.org"


class Raising:
    """A handler whose one method raises what it is given."""

    SERVICE = "privacyrights.v1.TenantService"

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def GetTenant(self, _request: Message, _call: Call) -> Message:
        """Raise."""
        raise self._error


class Slow:
    """A handler whose one method never answers."""

    SERVICE = "privacyrights.v1.TenantService"

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def GetTenant(self, _request: Message, _call: Call) -> Message:
        """Wait for ever."""
        self.started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return tenant_service_pb2.GetTenantResponse()


def documented_codes() -> dict[str, str]:
    """Return the canonical code that the error manual gives each reason."""
    manual = CONTRACT.read_text()
    found = re.findall(
        r"// ([A-Z_]+)\. (?:[^\n]*\n\s*//)*[^\n]*\n\s*ERROR_REASON_(\w+) = \d+;", manual
    )
    return {reason: code for code, reason in found}


def refusal_classes(
    root: type[errors.DomainError | ServingError],
) -> Iterator[type[errors.DomainError | ServingError]]:
    """Yield every class below *root* that can be raised."""
    for child in root.__subclasses__():
        if "reason" in vars(child):
            yield child
        yield from refusal_classes(child)


ALL = [*refusal_classes(errors.DomainError), *refusal_classes(ServingError)]


def test_every_reason_is_in_the_manual() -> None:
    """Each refusal's reason is a value of ErrorReason, documented with the code that it has."""

    manual = documented_codes()
    reasons = set(error_reason_pb2.ErrorReason.keys())

    assert {"ERROR_REASON_UNSPECIFIED"} == reasons - {f"ERROR_REASON_{name}" for name in manual}
    assert [(kind.reason, manual.get(kind.reason)) for kind in ALL] == [
        (kind.reason, getattr(kind.code, "name", kind.code)) for kind in ALL
    ]


def test_no_two_classes_share_a_reason() -> None:
    """A reason names one class, so that a program that knows the reason knows what happened."""

    assert len(ALL) == len({kind.reason for kind in ALL})


async def test_refusal_tells_reason_and_metadata() -> None:
    """A refusal by the domain has its code, its message, and ErrorInfo with its metadata."""

    async with small_server(Raising(errors.SubjectErasedError(generation=3))) as served:
        told = await refused(served.channel, GET_TENANT, b"")

    assert ("FAILED_PRECONDITION", "SUBJECT_ERASED") == (told.code, told.reason)
    assert ("privacyrights.v1", {"generation": "3"}) == (told.domain, told.metadata)
    assert errors.SubjectErasedError.words == told.message
    assert told.retry_seconds is None


async def test_violations_name_their_fields() -> None:
    """Every field that breaks a rule is listed in BadRequest, with the rule."""

    broken = (
        errors.Violation("subject.tenant", "must not be empty"),
        errors.Violation("purpose", "must be a name such as purposes/billing"),
    )
    async with small_server(Raising(errors.InvalidArgumentError(broken))) as served:
        told = await refused(served.channel, GET_TENANT, b"")

    assert ("INVALID_ARGUMENT", "FIELD_INVALID") == (told.code, told.reason)
    assert tuple((one.field, one.rule) for one in broken) == told.violations


async def test_many_violations_still_arrive() -> None:
    """A thousand violations don't fit into trailers: the first ones arrive, the rest is counted."""

    broken = tuple(errors.Violation(f"records[{n}].category", "é" * 40) for n in range(1000))
    async with small_server(Raising(errors.InvalidArgumentError(broken))) as served:
        told = await refused(served.channel, GET_TENANT, b"")

    assert "FIELD_INVALID" == told.reason
    assert 10 < len(told.violations)
    assert 1000 == len(told.violations) + int(told.metadata["violations_left_out"])


@pytest.mark.parametrize(
    ("error", "seconds"),
    [(errors.ConcurrentChangeError(), 0.05), (errors.StorageUnavailableError(), 1.0)],
)
async def test_retry_tells_when(error: errors.DomainError, seconds: float) -> None:
    """What a repeat may mend says when to repeat it."""

    async with small_server(Raising(error)) as served:
        told = await refused(served.channel, GET_TENANT, b"")

    assert (error.code, error.reason, seconds) == (told.code, told.reason, told.retry_seconds)


async def test_defect_tells_nothing(logged: Logged) -> None:
    """An exception that isn't meant for callers becomes INTERNAL in fixed words.

    The log has its type and place, and neither has its text, which may quote personal data.
    """

    async with small_server(Raising(KeyError(CANARY))) as served:
        told = await refused(served.channel, GET_TENANT, b"")

    assert ("INTERNAL", "INTERNAL", {}) == (told.code, told.reason, told.metadata)
    assert refusals.InternalError.words == told.message
    (line,) = [line for line in logged() if line["event"] == "call failed"]
    assert ("KeyError", "TenantService/GetTenant") == (line["exception"], line["method"])
    assert line["at"].startswith("tests/rpc/test_errors.py:")
    assert CANARY not in str(logged())


async def test_that_quoting_an_exception_would_be_noticed() -> None:
    """Were an exception's text sent as the message, the test above would see it."""

    class QuotingError(errors.StorageUnavailableError):
        def __init__(self, cause: Exception) -> None:
            super().__init__()
            self.message = str(cause)

    async with small_server(Raising(QuotingError(KeyError(CANARY)))) as served:
        told = await refused(served.channel, GET_TENANT, b"")

    assert CANARY in told.message


async def test_timeout_inside_is_a_defect() -> None:
    """A handler's own TimeoutError isn't taken for the caller's deadline."""

    async with small_server(Raising(TimeoutError())) as served:
        told = await refused(served.channel, GET_TENANT, b"")

    assert "INTERNAL" == told.reason


async def test_bytes_that_are_no_message() -> None:
    """Bytes that can't be decoded are the caller's error, and not repeated in the answer."""

    handler = Raising(AssertionError("reached"))
    async with small_server(handler) as served:
        told = await refused(served.channel, GET_TENANT, b"\x0a\xff" + CANARY.encode())

    assert ("INVALID_ARGUMENT", "FIELD_INVALID") == (told.code, told.reason)
    assert ("request",) == told.fields
    assert CANARY not in str(told)


async def test_too_large_a_message() -> None:
    """A request beyond the limit is refused before it is read."""

    limits = ServerLimits(message_bytes=1024)
    async with small_server(limits=limits) as served:
        told = await refused(served.channel, GET_TENANT, b"x" * 1025)

    assert "RESOURCE_EXHAUSTED" == told.code


async def test_call_without_deadline_has_one() -> None:
    """A call that brings no deadline is ended after the longest time, and told so."""

    handler = Slow()
    async with small_server(handler, most_seconds=0.05) as served:
        told = await refused(served.channel, GET_TENANT, b"")

    assert ("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED") == (told.code, told.reason)
    assert handler.cancelled.is_set()
    assert ["DEADLINE_EXCEEDED"] == [line["code"] for line in served.lines]


async def test_callers_deadline_ends_the_work() -> None:
    """When the caller's time is over, the handler is stopped too, and the line says why."""

    handler = Slow()
    async with small_server(handler) as served:
        told = await refused(served.channel, GET_TENANT, b"", seconds=0.05)
        await asyncio.wait_for(handler.cancelled.wait(), 5)

    assert "DEADLINE_EXCEEDED" == told.code
    assert ["DEADLINE_EXCEEDED"] == [line["code"] for line in served.lines]


async def test_caller_that_hangs_up() -> None:
    """When the caller hangs up, the handler is stopped, and the line says CANCELLED."""

    handler = Slow()
    async with small_server(handler) as served:
        calling = asyncio.create_task(refused(served.channel, GET_TENANT, b""))
        await asyncio.wait_for(handler.started.wait(), 5)
        calling.cancel()
        await asyncio.wait_for(handler.cancelled.wait(), 5)

    assert ["CANCELLED"] == [line["code"] for line in served.lines]
