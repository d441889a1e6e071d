"""A real server with a test's own handlers, and no database."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc

from server.domain.ports import Freshness
from server.handlers.freshness import CatchUp
from server.handlers.registry import generic_handlers, services
from server.interceptors import Drain, Guard
from server.serving import Server, ServerLimits

_LIMITS = ServerLimits()


@dataclass(frozen=True)
class SmallServer:
    """The server, a connection to it, and the lines of the calls that are over."""

    server: Server
    channel: grpc.aio.Channel
    drain: Drain
    lines: list[dict[str, Any]]


async def as_it_is(_: Freshness) -> None:
    """Catch up with nothing: there is no database."""


@asynccontextmanager
async def small_server(
    *handlers: object,
    most_seconds: float = 30,
    ping: Callable[[], Awaitable[object]] | None = None,
    limits: ServerLimits = _LIMITS,
    catch_up: CatchUp = as_it_is,
) -> AsyncGenerator[SmallServer]:
    """Serve the contract with *handlers* during the block."""
    lines: list[dict[str, Any]] = []

    async def pong() -> None:
        """Be a database that answers."""

    def log_call(**line: Any) -> None:
        lines.append(line)

    drain = Drain()
    guard = Guard(log_call, drain, most_seconds)
    server = Server(
        "127.0.0.1:0",
        generic_handlers(handlers, guard, catch_up),
        [service.full_name for service in services()],
        drain=drain,
        ping=ping or pong,
        limits=limits,
    )
    await server.start()
    try:
        async with grpc.aio.insecure_channel(server.address) as channel:
            yield SmallServer(server, channel, drain, lines)
    finally:
        await server.stop(0)
