"""Tells orchestrators whether to send calls here: grpc.health.v1, for each service and overall."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog
from grpc_health.v1 import health
from grpc_health.v1.health_pb2 import HealthCheckResponse

from server.domain.errors import StorageUnavailableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

PING_EVERY_SECONDS = 2.0
PING_SECONDS = 2.0

LEDGER = "privacyrights.ledger"
"""Asked for by this name, health tells whether this server has set aside no altered log."""

_ANSWERS = {True: HealthCheckResponse.SERVING, False: HealthCheckResponse.NOT_SERVING}

_log = structlog.get_logger("server.serving")


class Health:
    """What the health service answers; all services share one fate, that of the database."""

    name = "health"

    def __init__(
        self,
        services: Sequence[str],
        ping: Callable[[], Awaitable[object]],
        *,
        is_whole: Callable[[], bool] = lambda: True,
        every_seconds: float = PING_EVERY_SECONDS,
        within_seconds: float = PING_SECONDS,
    ) -> None:
        """Tell the health of *services*: good while *ping* returns; of the ledger: *is_whole*."""
        self._is_whole = is_whole
        self.servicer = health.aio.HealthServicer()
        self._services = ("", *services)
        self._ping = ping
        self._every_seconds = every_seconds
        self._within_seconds = within_seconds
        self.is_serving: bool | None = None

    async def look(self) -> None:
        """Ask the database once, and tell what it means."""
        is_reachable = await self._is_reachable()
        await self._tell(is_serving=is_reachable)
        # Apart: calls are served all the same, and no balancer should take this server out.
        await self.servicer.set(LEDGER, _ANSWERS[is_reachable and self._is_whole()])

    async def run(self) -> None:
        """Ask the database again and again, until cancelled."""
        while True:
            await asyncio.sleep(self._every_seconds)
            await self.look()

    async def leave(self) -> None:
        """Tell that this server takes no more calls; nothing changes that any more."""
        await self.servicer.enter_graceful_shutdown()

    async def _is_reachable(self) -> bool:
        try:
            async with asyncio.timeout(self._within_seconds):
                await self._ping()
        except (StorageUnavailableError, TimeoutError):
            return False
        return True

    async def _tell(self, *, is_serving: bool) -> None:
        if is_serving == self.is_serving:
            return
        if not is_serving:
            _log.error("database unreachable")
        elif self.is_serving is False:
            _log.info("database reachable again")
        self.is_serving = is_serving
        for service in self._services:
            await self.servicer.set(service, _ANSWERS[is_serving])
