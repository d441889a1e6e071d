"""Lets running calls finish when the server is told to stop, and takes no new ones."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from server.interceptors.refusals import DrainingError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from server.interceptors.exchange import Exchange, Step


QUIET_SECONDS = 0.05
"""How long no call must have come so that none is thought to be on its way."""


class Drain:
    """Knows which calls are running, and can end them.

    Endless streams end when draining begins; every other call may go on until
    `interrupt`. A commit that a call waits for runs on, whatever becomes of the call.
    """

    def __init__(self) -> None:
        """Begin with nothing running."""
        self._running: set[Running] = set()
        self._is_draining = False
        self._refused = 0
        self._idle = asyncio.Event()

    def admit(self, *, is_endless: bool) -> Running:
        """Return a scope for one call, to be entered by the task that answers it.

        Raises:
            DrainingError: no more calls are taken.
        """
        if self._is_draining:
            self._refused += 1
            raise DrainingError
        return Running(self._running, self._left, is_endless=is_endless)

    def begin(self) -> None:
        """Refuse new calls from now on, and end the endless ones."""
        self._is_draining = True
        for call in self._running:
            if call.is_endless:
                call.interrupt()
        self._left()

    def interrupt(self) -> None:
        """End all that still run; their callers are told to repeat them."""
        for call in self._running:
            call.interrupt()

    async def quiet(self, seconds: float) -> None:
        """Return when no more calls come to be refused, or after so many *seconds*.

        gRPC hands calls out one by one. Those that it has received and not yet handed out
        when it is stopped end without a reason, so that they are waited for.
        """
        until = time.monotonic() + seconds
        refused = -1
        while refused != self._refused and time.monotonic() < until:
            refused = self._refused
            await asyncio.sleep(QUIET_SECONDS)

    async def idle(self, seconds: float) -> bool:
        """Tell whether, once draining has begun, nothing runs any more within *seconds*."""
        if not self._idle.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), seconds)
        return self._idle.is_set()

    def _left(self) -> None:
        if self._is_draining and not self._running:
            self._idle.set()


class Running:
    """The scope of one running call, which can be interrupted from outside.

    As `asyncio.timeout` does, it cancels the task and turns that cancellation, and no
    other one, into an error of its own.
    """

    __slots__ = ("_calls", "_cancelling", "_is_interrupted", "_left", "_task", "is_endless")

    def __init__(self, calls: set[Running], left: Callable[[], None], *, is_endless: bool) -> None:
        """Belong to *calls* while entered, and tell *left* when it is over."""
        self._calls = calls
        self._left = left
        self._is_interrupted = False
        self.is_endless = is_endless

    def interrupt(self) -> None:
        """End the call with DRAINING."""
        if not self._is_interrupted:
            self._is_interrupted = True
            self._task.cancel()

    def __enter__(self) -> None:
        """Count as running."""
        task = asyncio.current_task()
        assert task is not None, "gRPC answers each call in a task"  # noqa: S101 – narrows a type
        self._task = task
        self._cancelling = task.cancelling()
        self._calls.add(self)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Count as over.

        Raises:
            DrainingError: the call was interrupted.
        """
        self._calls.discard(self)
        self._left()
        if not self._is_interrupted:
            return
        is_ours = self._task.uncancel() <= self._cancelling
        if is_ours and kind is asyncio.CancelledError:
            raise DrainingError from None


def with_draining(step: Step, drain: Drain, *, is_endless: bool) -> Step:
    """Return *step*, refused while *drain* is on and interruptible by it."""

    async def admitted(request: Any, exchange: Exchange) -> bytes | None:
        with drain.admit(is_endless=is_endless):
            return await step(request, exchange)

    return admitted
