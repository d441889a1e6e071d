"""Runs a server until it is told to stop, or loses its database."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import structlog

if TYPE_CHECKING:
    from collections.abc import Generator

    from server.serving.server import Server

STOPPED = 0
FAILED = 1

CLOSE_SECONDS = 10.0
"""How long closing may take beyond what the drain setting allows it; its parts take less."""

CLOSE_WITHOUT_DATABASE_SECONDS = 2.0

_log = structlog.get_logger("server.serving")


class Runnable(Protocol):
    """A server on its database."""

    @property
    def server(self) -> Server:
        """What is started, and stopped."""
        ...

    @property
    def database_ended(self) -> Callable[[], Awaitable[object]] | None:
        """Returns when a database that is the server's own has ended by itself."""
        ...


R = TypeVar("R", bound=Runnable)


async def run(
    composing: AbstractAsyncContextManager[R],
    *,
    drain_seconds: float,
    announce: Callable[[R], None],
) -> int:
    """Serve what *composing* makes, and return the exit code of the process.

    The first SIGTERM or SIGINT drains; the second ends the process at once: what was
    acknowledged is durable, and each transaction is whole or absent.

    Raises:
        StartupError: something outside the program keeps it from serving.
    """
    stop = _Stop()
    with stop.listening():
        try:
            async with composing as app:
                stop.composed()
                await app.server.start()
                announce(app)
                return await _served(app, stop, drain_seconds)
        except asyncio.CancelledError:
            if not stop.asked.is_set():
                raise
            return STOPPED


async def _served(app: Runnable, stop: _Stop, drain_seconds: float) -> int:
    if not await _database_ended_first(app, stop):
        await app.server.stop(drain_seconds)
        _end_within(drain_seconds + CLOSE_SECONDS)
        return STOPPED
    # Not started anew from here: what ended it may be a full disk or a lack of memory, and
    # whoever keeps this process running also sees it fail, waits longer each time, and tells.
    _log.error("embedded database ended by itself")
    await app.server.stop(0)
    _end_within(CLOSE_WITHOUT_DATABASE_SECONDS)
    return FAILED


async def _database_ended_first(app: Runnable, stop: _Stop) -> bool:
    asked = asyncio.create_task(stop.asked.wait())
    waiting: set[asyncio.Future[Any]] = {asked}
    if app.database_ended is not None:
        waiting.add(asyncio.ensure_future(app.database_ended()))
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        return not asked.done()
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


def _end_within(seconds: float) -> None:
    """End the process after so many *seconds*, if it isn't over by then.

    The driver can wait for ever for a database that is gone, and be deaf to cancellation: one
    that comes while it waits for a server can leave its own lock locked.
    """
    timer = threading.Timer(seconds, os._exit, (FAILED,))
    timer.daemon = True
    timer.start()


class _Stop:
    """What SIGTERM and SIGINT ask for, in each phase of a server's life."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self._composing = asyncio.current_task()

    @contextmanager
    def listening(self) -> Generator[None]:
        loop = asyncio.get_running_loop()
        signals = (signal.SIGTERM, signal.SIGINT)
        for number in signals:
            loop.add_signal_handler(number, self._received, number)
        try:
            yield
        finally:
            for number in signals:
                loop.remove_signal_handler(number)

    def composed(self) -> None:
        """From now on, there is something to drain."""
        self._composing = None

    def _received(self, number: signal.Signals) -> None:
        if self.asked.is_set():
            _log.warning("ended at once", signal=number.name)
            os._exit(FAILED)
        _log.info("told to stop", signal=number.name)
        self.asked.set()
        if self._composing is not None:
            self._composing.cancel()
