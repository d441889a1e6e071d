"""The only way to write: concurrent changes share one durable transaction."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import structlog

from server.domain.change import Change, Committed
from server.domain.errors import (
    ConflictError,
    LimitExceededError,
    StorageUnavailableError,
)
from server.domain.ports import Clock
from server.storage.batch import Batch, verdict
from server.storage.collections import Layout
from server.storage.documents import from_value
from server.storage.driver import Driver
from server.storage.failures import TransactionAbortedError, WriteRefusedError
from server.storage.gathering import Gathering
from server.storage.pending import Compiler, Pending, Receipt, Target
from server.storage.place import Place

E = TypeVar("E")

_FIRST_PAUSE, _LAST_PAUSE = 0.005, 0.5
"""Seconds between attempts at a transaction that the database aborted."""

_TOGETHER_SECONDS = 0.2
"""How long changes that are aborted together are tried together."""

_log = structlog.get_logger("server.storage")


@dataclass(frozen=True, slots=True)
class CommitLimits:
    """How changes are gathered into transactions.

    Shapes:
        in_flight: most transactions under way at a time.
        crowd: changes that must wait so that a further transaction begins beside the first,
            unless that one is held up: each has its cost, which is divided among its changes.
        batch_max: most changes in one.
        batch_bytes: most bytes of documents in one; a command of MongoDB takes 16 MiB.
        change_bytes: most bytes of documents in one change.
        waiting_bytes: most bytes of changes that wait; beyond it callers are told to come back.
        gather_seconds: how long changes of several callers wait at most for more of them.
        seconds: how long a change is tried before its caller is told that nobody knows.
        remembered: how long a repeat of a call is recognised.
    """

    in_flight: int = 2
    crowd: int = 64
    batch_max: int = 256
    batch_bytes: int = 8 * 1024 * 1024
    change_bytes: int = 32 * 1024 * 1024
    waiting_bytes: int = 64 * 1024 * 1024
    gather_seconds: float = 0.02
    seconds: float = 10
    remembered: timedelta = timedelta(days=7)


class MongoCommitter:
    """The `Committer` port over MongoDB.

    A change runs in a task of the committer's own: a caller that hangs up leaves it alone.
    """

    def __init__(
        self,
        driver: Driver,
        layout: Layout,
        clock: Clock,
        *,
        limits: CommitLimits = CommitLimits(),
        wake: Callable[[Iterable[Place]], None] = lambda _: None,
    ) -> None:
        """Commit through *driver*, and *wake* who waits for the places that were written.

        *clock* must be the system's: the database forgets idempotency records by its own.
        """
        self._driver = driver
        self._layout = layout
        self._clock = clock
        self._limits = limits
        self._wake = wake
        self._compiler = Compiler(driver, layout)
        self._gathering = Gathering(limits.gather_seconds)
        self._queue: deque[Pending] = deque()
        self._claims: dict[Target, Pending] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._in_flight = 0
        self._held_up = 0
        self._unanswered = 0
        self._is_closed = False

    async def commit(self, change: Change, outcome: type[E]) -> Committed[E]:
        """Make *change* durable together with its ledger entries, or raise and leave nothing.

        Concurrent calls share one transaction; one that is refused harms no neighbour.
        Returns after majority and journal. A repeat of an earlier call writes nothing and
        returns the first outcome.

        Raises:
            ConflictError: a document was changed since it was read, or an id exists; decide again.
            RequestIdReusedError: the request id belongs to a call with another content.
            StorageUnavailableError: the database can't confirm; the change may or may not hold,
                and a repeat with the same request id tells.
            LimitExceededError: the change is larger than a transaction should be.
            NotStorableError: the change breaks a validator: a programming error.
        """
        pending = self._compiler.compile(change, self._clock.now() + self._limits.remembered)
        if pending.size > self._limits.change_bytes:
            raise LimitExceededError(what="bytes of a change", limit=self._limits.change_bytes)
        if self._is_closed or self._unanswered + pending.size > self._limits.waiting_bytes:
            raise StorageUnavailableError
        self._unanswered += pending.size
        self._queue.append(pending)
        self._start()
        receipt = await pending.answer
        if receipt.stored is not None:
            return Committed(
                from_value(receipt.stored["outcome"], outcome), receipt.token, repeated=True
            )
        own = change.once.outcome if change.once is not None else None
        return Committed(own, receipt.token)  # type: ignore[arg-type]  # it was given as an E

    async def drain(self, seconds: float) -> bool:
        """Take no more changes, finish those taken, and tell whether all were within *seconds*."""
        self._is_closed = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        return not self._tasks and not self._queue

    def _start(self) -> None:
        """Begin a further transaction, if it is worth its cost."""
        if self._in_flight >= self._limits.in_flight:
            return
        if self._in_flight <= self._held_up or len(self._queue) >= self._limits.crowd:
            self._in_flight += 1
            task = asyncio.create_task(self._work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _work(self) -> None:
        """Commit batch after batch until nothing waits, or another does alone what there is."""
        try:
            while self._queue:
                await self._gathering.wait()
                batch = self._take()
                with self._gathering.round(len(batch)):
                    await self._commit(batch)
                is_alone = self._in_flight - self._held_up <= 1
                if not is_alone and len(self._queue) < self._limits.crowd:
                    return
        finally:
            self._in_flight -= 1

    async def _commit(self, batch: list[Pending]) -> None:
        try:
            if batch:
                await self._settle(batch)
        except Exception:  # noqa: BLE001 – logged; the next batch must not suffer
            _log.exception("commit failed")
        finally:
            # Only a bug, or the end of the process, leaves anybody without an answer.
            for pending in batch:
                pending.fail(StorageUnavailableError())
            self._release(batch)

    def _take(self) -> list[Pending]:
        """Take the next batch, in which no document is touched twice or by a batch under way."""
        batch: list[Pending] = []
        size = 0
        while self._queue and len(batch) < self._limits.batch_max:
            pending = self._queue[0]
            if batch and size + pending.size > self._limits.batch_bytes:
                break
            self._queue.popleft()
            rival = next((self._claims[t] for t in pending.expected if t in self._claims), None)
            if rival is not None:
                rival.rivals.append(pending)
                continue
            self._claims.update(dict.fromkeys(pending.expected, pending))
            batch.append(pending)
            size += pending.size
        return batch

    def _release(self, batch: Sequence[Pending]) -> None:
        """Give free what *batch* touched, and let those go on who waited for it."""
        waiting: list[Pending] = []
        for pending in batch:
            for target in pending.expected:
                del self._claims[target]
            self._unanswered -= pending.size
            for rival in pending.rivals:
                if rival.has_lost_to(pending):
                    # What it was decided on has changed: it isn't even tried.
                    self._unanswered -= rival.size
                    rival.fail(ConflictError())
                else:
                    waiting.append(rival)
        self._queue.extendleft(reversed(waiting))

    async def _settle(self, batch: list[Pending]) -> None:
        """Answer every change of *batch*."""
        await self._settle_until(batch, time.monotonic() + self._limits.seconds)

    async def _settle_until(self, batch: list[Pending], until: float) -> None:
        """Answer every change of *batch*: together, or else in parts, so that none harms others."""
        try:
            refusal = await self._attempt(batch, until)
        except TransactionAbortedError:
            middle = len(batch) // 2
            await asyncio.gather(
                *(self._settle_until(half, until) for half in (batch[:middle], batch[middle:]))
            )
            return
        if refusal is None:
            return
        if len(batch) == 1:
            batch[0].fail(verdict(refusal))
            return
        # One read tells who is stale; most often the others then pass together.
        stale = await self._stale(batch, refusal.place)
        for pending in stale:
            pending.fail(ConflictError())
        rest = [pending for pending in batch if pending not in stale]
        if stale and rest:
            await self._settle_until(rest, until)
        for pending in () if stale else rest:
            refusal = await self._attempt([pending], until, has_repeats=True)
            if refusal is not None:
                pending.fail(verdict(refusal))

    async def _stale(self, batch: list[Pending], place: Place) -> set[Pending]:
        try:
            return await Batch(self._driver, self._layout, batch).stale(place)
        except StorageUnavailableError:
            return set()

    async def _attempt(
        self, batch: Sequence[Pending], until: float, *, has_repeats: bool = False
    ) -> WriteRefusedError | None:
        """Run *batch* until it is durable, refused, or out of time; answer all unless refused.

        Raises:
            TransactionAbortedError: again and again, perhaps because of one change of several.
        """
        pause = _FIRST_PAUSE
        together_until = time.monotonic() + _TOGETHER_SECONDS
        while True:
            left = max(0.0, until - time.monotonic())
            try:
                self._answer(
                    await Batch(self._driver, self._layout, batch).run(
                        commit_seconds=left, has_repeats=has_repeats
                    )
                )
            except WriteRefusedError as refusal:
                if not has_repeats:
                    # Repeats are rare, so that they are looked for only now that there may be one.
                    has_repeats = True
                    continue
                if refusal.place != self._layout.idempotency:
                    return refusal
                # Another server took the same call meanwhile: the next attempt finds its outcome.
            except TransactionAbortedError:
                if len(batch) > 1 and time.monotonic() > together_until:
                    raise
            except StorageUnavailableError as error:
                self._answer(dict.fromkeys(batch, error))
                return None
            else:
                return None
            if not left:
                self._answer(dict.fromkeys(batch, StorageUnavailableError()))
                return None
            await self._pause(pause)
            pause = min(pause * 2, _LAST_PAUSE)

    async def _pause(self, seconds: float) -> None:
        """Wait about so many *seconds*; whoever waits for a batch needs not wait for this one."""
        self._held_up += 1
        try:
            if self._queue:
                self._start()
            await asyncio.sleep(seconds * random.uniform(0.5, 1.5))  # noqa: S311 – spreads load
        finally:
            self._held_up -= 1

    def _answer(self, answers: Mapping[Pending, Receipt | Exception]) -> None:
        written: set[Place] = set()
        for pending, answer in answers.items():
            if isinstance(answer, Exception):
                pending.fail(answer)
                continue
            pending.succeed(answer)
            if answer.stored is None:
                written |= pending.places
        self._wake(written)
