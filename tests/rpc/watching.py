"""Watchers: clients that follow the invalidations of some tenants, and hang up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import grpc

from privacyrights.v1 import consent_service_pb2 as pb
from privacyrights.v1 import types_pb2
from privacyrights.v1.consent_service_pb2_grpc import ConsentServiceStub

PATIENCE_SECONDS = 30.0
PROCESSOR = types_pb2.ROLE_PROCESSOR


class Watcher:
    """One stream, and what it has told."""

    def __init__(self, channel: grpc.aio.Channel, *tenants: str, resume_token: str = "") -> None:
        request = pb.WatchInvalidationsRequest(
            tenants=tenants, role=PROCESSOR, resume_token=resume_token
        )
        self._begun = time.monotonic()
        self._first = pb.WatchInvalidationsResponse()
        self._call: Any = ConsentServiceStub(channel).WatchInvalidations(request)
        self.told: list[pb.Invalidation] = []
        self.last = pb.WatchInvalidationsResponse()

    async def message(self) -> pb.WatchInvalidationsResponse:
        """Return the next message, once it has come."""
        message = await asyncio.wait_for(self._call.read(), PATIENCE_SECONDS)
        assert isinstance(message, pb.WatchInvalidationsResponse), "the stream has ended"
        self.last = message
        self.told += message.invalidations
        if message.HasField("complete_time") and not self._first.HasField("complete_time"):
            self._first = message
        return message

    async def complete(self) -> list[pb.Invalidation]:
        """Return all that was told, once that is complete up to now, as a client can know."""
        passed = time.monotonic() - self._begun
        while True:
            message = await self.message()
            if message.HasField("complete_time") and seconds(message, self._first) >= passed:
                return self.told

    async def until(self, count: int) -> list[pb.Invalidation]:
        """Return what was told once that is so much."""
        while len(self.told) < count:
            await self.message()
        return self.told

    def hang_up(self) -> None:
        """End the stream."""
        self._call.cancel()


def seconds(message: pb.WatchInvalidationsResponse, first: pb.WatchInvalidationsResponse) -> float:
    """Return how much further *message* is complete than *first*."""
    ends = message.complete_time.ToDatetime() - first.complete_time.ToDatetime()
    return ends.total_seconds()


@asynccontextmanager
async def watcher(
    channel: grpc.aio.Channel, *tenants: str, resume_token: str = ""
) -> AsyncGenerator[Watcher]:
    """Watch *tenants* during the block, from when the stream knows how far it is."""
    made = Watcher(channel, *tenants, resume_token=resume_token)
    try:
        while not (await made.message()).HasField("complete_time"):
            pass
        yield made
    finally:
        made.hang_up()
