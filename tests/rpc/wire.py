"""Calls as any client makes them: bytes to a path, without stubs."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable

import grpc
import pytest

from tests.rpc.refusal import Refusal, refusal


def path(service: str, method: str) -> str:
    """Return the path of a method of the contract, such as `ConsentService`, `RecordConsent`."""
    return f"/privacyrights.v1.{service}/{method}"


async def responses(
    channel: grpc.aio.Channel,
    method: str,
    *requests: bytes,
    metadata: tuple[tuple[str, str], ...] = (),
    seconds: float | None = None,
) -> list[bytes]:
    """Return all that the method at path *method* answers to *requests*; one shape fits all."""
    multi: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(method)
    call = multi(_iterated(requests), metadata=metadata, timeout=seconds)
    return [response async for response in call]


async def refused(
    channel: grpc.aio.Channel,
    method: str,
    *requests: bytes,
    metadata: tuple[tuple[str, str], ...] = (),
    seconds: float | None = None,
) -> Refusal:
    """Return how the method at path *method* refuses *requests*."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await responses(channel, method, *requests, metadata=metadata, seconds=seconds)
    return refusal(caught.value)


async def _iterated(requests: Iterable[bytes]) -> AsyncGenerator[bytes]:
    for request in requests:
        yield request
