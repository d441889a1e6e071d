"""The gRPC server of one process: built, started, drained."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc
import structlog
from grpc_health.v1 import health_pb2_grpc

from server.serving.health import Health
from server.serving.listening import listen
from server.serving.reflection import add_reflection
from server.workers import working

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from server.interceptors import Drain

LINGER_SECONDS = 1.0
"""How long the last answers, and the watchers of health, have to get off the line."""

QUIET_AT_MOST_SECONDS = 1.0
"""How long calls that come all the time are refused one by one before the line is closed."""

_log = structlog.get_logger("server.serving")


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """What one caller may take.

    Shapes:
        message_bytes: most bytes of one request.
        streams: most calls at a time on one connection; further ones wait in the client.
    """

    message_bytes: int = 4 * 1024 * 1024
    streams: int = 1000


class Server:
    """Listens, answers, and stops without losing what it was asked."""

    def __init__(
        self,
        address: str,
        handlers: Sequence[grpc.GenericRpcHandler],
        services: Sequence[str],
        *,
        drain: Drain,
        ping: Callable[[], Awaitable[object]],
        is_whole: Callable[[], bool] = lambda: True,
        limits: ServerLimits = ServerLimits(),
    ) -> None:
        """Answer with *handlers* at *address*, once started.

        Shapes:
            services: full names, for health and reflection.
            ping: returns while the database answers.
            is_whole: whether no altered log of the ledger is set aside.
        """
        self.address = address
        self._drain = drain
        self.health = Health(services, ping, is_whole=is_whole)
        self._beside = AsyncExitStack()
        self._grpc = grpc.aio.server(options=options(limits))
        self._grpc.add_generic_rpc_handlers(handlers)
        health_pb2_grpc.add_HealthServicer_to_server(self.health.servicer, self._grpc)
        add_reflection(self._grpc, services)

    async def start(self) -> None:
        """Listen from now on; `address` then has the port that was really taken.

        Raises:
            StartupError: the address can't be had.
        """
        self.address = listen(self._grpc, self.address)
        await self.health.look()
        await self._grpc.start()
        await self._beside.enter_async_context(working((self.health,)))

    async def stop(self, seconds: float) -> None:
        """Take no more calls, and give those that run *seconds* to finish; then end them.

        Endless streams are told to end at once. A commit that a call waited for goes on:
        the committer is drained after this.
        """
        until = time.monotonic() + seconds
        await self.health.leave()
        self._drain.begin()
        await self._drain.quiet(min(seconds, QUIET_AT_MOST_SECONDS))
        stopping = asyncio.create_task(self._grpc.stop(seconds + LINGER_SECONDS))
        if not await self._drain.idle(max(0.0, until - time.monotonic())):
            _log.warning("calls ended by the drain limit", seconds=seconds)
            self._drain.interrupt()
        # Whoever watches health or uses reflection is not waited for as long as a call is.
        await self._grpc.stop(LINGER_SECONDS)
        await stopping
        await self._beside.aclose()


def options(limits: ServerLimits) -> list[tuple[str, int]]:
    """Return what gRPC is told of *limits*, and of connections that stand idle."""
    return [
        # Otherwise a second server would share the port without a word.
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", limits.message_bytes),
        ("grpc.max_concurrent_streams", limits.streams),
        # Finds a subscriber that is gone without a goodbye, and keeps its connection alive.
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.keepalive_permit_without_calls", 1),
        # Clients may do the same: by default gRPC hangs up on pings within five minutes.
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ]
