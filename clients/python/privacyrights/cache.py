"""Verdicts kept where they are needed: "may I process this?" answered in microseconds.

A `ConsentCache` asks `ConsentService.CheckProcessing` once about a person and purpose, and
answers from memory until `ConsentService.WatchInvalidations` says that it can't be relied on.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from privacyrights.v1 import consent_service_pb2 as pb
from privacyrights.v1 import consent_service_pb2_grpc, types_pb2

CHECK_SECONDS = 5.0
"""How long the server has to answer a check."""

SILENCE_SECONDS = 5.0
"""After how long without a sign of life the stream is begun again."""

PAUSE_SECONDS = (0.05, 2.0)
"""Least and most time, about, between two attempts to stream."""

CANCEL_SECONDS = 0.1
"""How long a task has to end before it is told so again."""

NOTED = 1_000
"""Invalidations that are noted for one answer on its way; with more, it isn't kept."""

_FINAL = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)

_Key = tuple[str, str, bool, str]
"""Tenant, id of the person, whether that is a visitor's, purpose."""


@dataclass(slots=True)
class _Entry:
    verdict: pb.Verdict
    good_until: float


@dataclass(slots=True, eq=False)
class _Fill:
    """An answer on its way, and whether anything was told meanwhile that it may not know of."""

    tenant: str
    purpose: str
    invalidations: list[pb.Invalidation]
    is_lost: bool = False


class ConsentCache:
    """Answers `CheckProcessing` from memory, for some tenants in one regime.

        async with ConsentCache(channel, ["tenants/acme"], role=types_pb2.ROLE_PROCESSOR) as cache:
            if (await cache.check(subject, "purposes/customise_messages")).allowed:
                ...

    What holds:

    - **No answer from memory is older than `max_staleness` seconds.** A change that was
      acknowledged longer ago is never missing from it. While the stream is further behind –
      the server is slow, unreachable, or the network is – every check is asked of the server,
      and fails if that can't answer. The bound needs no clocks that agree: it is counted on this
      machine's monotonic clock, from when the stream was asked for.
    - **No answer overtakes a change.** One that comes while its subject or purpose is
      invalidated, or the stream is lost, is given to its caller and not kept. A stream that is
      begun again goes on where it was, by its resume token; if it can't, everything is forgotten.
    - **An answer that ends by itself** (a consent expires) is kept until then, and none longer than
      `max_age` seconds.
    - **Memory is bounded**: at most `max_entries` answers, some 1.5 kB each; those asked for
      longest ago are dropped first. The ids of persons are in memory with them.

    It belongs to the event loop that it was entered in; so does the channel.
    """

    def __init__(
        self,
        channel: grpc.aio.Channel,
        tenants: Sequence[str],
        *,
        role: types_pb2.Role.ValueType,
        max_staleness: float = 2.0,
        max_entries: int = 100_000,
        max_age: float = 300.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Watch *tenants* through *channel*.

        Args:
            channel: to the service; the cache doesn't close it.
            tenants: 1–100 names, `tenants/{tenant}`; of others, every check is asked.
            role: the regime; of the other, every check is asked.
            max_staleness: seconds that an answer may be behind; the server's signs of life
                come four times a second, so that less than 0.5 mostly asks the server.
            max_entries: answers that are kept at most.
            max_age: seconds that an answer is kept at most.
            monotonic: the clock, in seconds.

        Raises:
            ValueError: a limit is not above 0, or there are no tenants.
        """
        if not tenants:
            raise ValueError("tenants: at least one")
        if max_staleness <= 0 or max_entries <= 0 or max_age <= 0:
            raise ValueError("max_staleness, max_entries and max_age must be above 0")
        self._stub: Any = consent_service_pb2_grpc.ConsentServiceStub(channel)
        self._tenants = tuple(sorted(set(tenants)))
        self._role = role
        self._max_staleness = max_staleness
        self._max_entries = max_entries
        self._max_age = max_age
        self._monotonic = monotonic
        self._entries: OrderedDict[_Key, _Entry] = OrderedDict()
        self._persons: dict[tuple[str, str], set[_Key]] = {}
        self._fills: set[_Fill] = set()
        self._fresh_until = float("-inf")
        self._is_live = False
        self._live = asyncio.Event()
        self._resume_token = ""
        self._consistency_token = ""
        self._streaming: asyncio.Task[None] | None = None
        self._failure: grpc.aio.AioRpcError | None = None
        self._call: Any = None
        self.hits = 0
        """Checks answered from memory."""
        self.misses = 0
        """Checks asked of the server."""

    async def __aenter__(self) -> Self:
        """Begin to stream, in the background."""
        self._streaming = asyncio.create_task(self._keep_streaming())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the stream and forget everything."""
        if self._streaming is not None:
            # More than once: until Python 3.12, `asyncio.wait_for` can lose a cancellation.
            while not self._streaming.done():
                self._streaming.cancel()
                await asyncio.wait((self._streaming,), timeout=CANCEL_SECONDS)
        self._lose()
        self._forget_all()

    def __len__(self) -> int:
        """Return how many answers are kept."""
        return len(self._entries)

    @property
    def is_fresh(self) -> bool:
        """Whether answers are given from memory now."""
        return self._monotonic() < self._fresh_until

    @property
    def failure(self) -> grpc.aio.AioRpcError | None:
        """Why the stream ended last, or None while it runs; the cache goes on asking the server."""
        return self._failure

    async def ready(self) -> None:
        """Return once the stream runs and answers are kept; an error that stays is raised.

        Raises:
            grpc.aio.AioRpcError: the server refuses the stream: no such tenant, for one.
        """
        if self._streaming is None:
            raise RuntimeError("enter the cache first: async with")
        waiting = asyncio.create_task(self._live.wait())
        try:
            await asyncio.wait((waiting, self._streaming), return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if self._streaming.done():
            raise self._failure or RuntimeError("the stream has ended: is the channel closed?")

    def cached(self, subject: types_pb2.Subject, purpose: str) -> pb.Verdict | None:
        """Return the verdict if it is known here and fresh enough, or None. Microseconds.

        A subject that names a generation is not looked up. Don't change what is returned.
        """
        now = self._monotonic()
        if now >= self._fresh_until or subject.role != self._role or subject.generation:
            return None
        key = _key(subject, purpose)
        entry = self._entries.get(key)
        if entry is None:
            return None
        if now >= entry.good_until:
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        self.hits += 1
        return entry.verdict

    async def check(self, subject: types_pb2.Subject, purpose: str) -> pb.Verdict:
        """Return whether data of *subject* may be processed for *purpose*.

        Raises:
            grpc.aio.AioRpcError: it isn't known here, and the server refuses or can't answer.
                Don't process then.
        """
        found = self.cached(subject, purpose)
        return found if found is not None else await self._ask(subject, purpose)

    async def _ask(self, subject: types_pb2.Subject, purpose: str) -> pb.Verdict:
        self.misses += 1
        request = pb.CheckProcessingRequest(subject=subject, purpose=purpose)
        if self._consistency_token:
            # So that it sees what the stream has told.
            request.consistency.at_least_as_fresh = self._consistency_token
        fill = _Fill(subject.tenant, purpose, [], is_lost=not self._is_live)
        self._fills.add(fill)
        begun = self._monotonic()
        try:
            answer = await self._stub.CheckProcessing(request, timeout=CHECK_SECONDS)
        finally:
            self._fills.discard(fill)
        verdict: pb.Verdict = answer.verdict
        if self._may_keep(fill, subject, verdict):
            self._keep(_key(subject, purpose), verdict, begun)
        return verdict

    def _may_keep(self, fill: _Fill, subject: types_pb2.Subject, verdict: pb.Verdict) -> bool:
        return (
            not fill.is_lost
            and not any(_concerns(each, fill, verdict) for each in fill.invalidations)
            and subject.role == self._role
            and subject.tenant in self._tenants
            and not subject.generation
        )

    def _keep(self, key: _Key, verdict: pb.Verdict, begun: float) -> None:
        age = self._max_age
        if verdict.HasField("expire_time"):
            # Both by the server's clock, and counted from before it was asked.
            age = min(age, _seconds(verdict.expire_time) - _seconds(verdict.verdict_time))
        self._drop(key)
        self._entries[key] = _Entry(verdict, begun + age)
        self._persons.setdefault((key[0], verdict.subject_reference), set()).add(key)
        while len(self._entries) > self._max_entries:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: _Key) -> None:
        entry = self._entries.pop(key, None)
        if entry is None:
            return
        person = (key[0], entry.verdict.subject_reference)
        keys = self._persons[person]
        keys.discard(key)
        if not keys:
            del self._persons[person]

    def _forget_all(self) -> None:
        self._entries.clear()
        self._persons.clear()
        for fill in self._fills:
            fill.is_lost = True

    def _invalidate(self, told: pb.Invalidation) -> None:
        """Drop what *told* names, and note it for answers that are on their way."""
        for fill in self._fills:
            if not told.tenant or told.tenant == fill.tenant:
                fill.invalidations.append(told)
                fill.is_lost = fill.is_lost or len(fill.invalidations) >= NOTED
        if told.subject_reference:
            keys = self._persons.get((told.tenant, told.subject_reference), ())
            named = [key for key in keys if told.purpose in {"", key[3]}]
        else:
            named = [key for key in self._entries if told.tenant in {"", key[0]}]
        for key in named:
            self._drop(key)

    async def _keep_streaming(self) -> None:
        least, most = PAUSE_SECONDS
        pause = least
        while True:
            try:
                if await self._stream():
                    pause = least
            except grpc.aio.AioRpcError as error:
                self._failure = error
                if error.code() in _FINAL:
                    if not self._resume_token:
                        return
                    # Of an older database, say: begin anew, and rely on nothing of before.
                    self._resume_token = self._consistency_token = ""
                    self._forget_all()
            finally:
                self._lose()
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 – spreads reconnects
            pause = min(most, pause * 2)

    async def _stream(self) -> bool:
        """Follow one stream until it ends, and return whether it ever said how far it is."""
        begun = self._monotonic()
        call = self._call = self._stub.WatchInvalidations(
            pb.WatchInvalidationsRequest(
                tenants=self._tenants, role=self._role, resume_token=self._resume_token
            )
        )
        first: float | None = None
        try:
            while True:
                message = await asyncio.wait_for(call.read(), SILENCE_SECONDS)
                if not isinstance(message, pb.WatchInvalidationsResponse):
                    return first is not None
                first = self._take(message, begun, first)
        except TimeoutError:
            return first is not None
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            # It was the call that was cancelled, and not who follows it.
            return first is not None
        finally:
            call.cancel()

    def _take(
        self, message: pb.WatchInvalidationsResponse, begun: float, first: float | None
    ) -> float | None:
        """Do what *message* says, and return the first complete time of its stream."""
        for told in message.invalidations:
            self._invalidate(told)
        self._resume_token = message.resume_token
        self._consistency_token = message.consistency_token or self._consistency_token
        if message.HasField("complete_time"):
            complete = _seconds(message.complete_time)
            if first is None:
                first = complete
                self._is_live, self._failure = True, None
                self._live.set()
            # The first is not before the call, so that this is no later than the moment meant.
            self._fresh_until = begun + (complete - first) + self._max_staleness
        return first

    def _lose(self) -> None:
        """Keep no answer that was asked for until now; what is kept goes stale by itself."""
        self._is_live = False
        self._live.clear()
        for fill in self._fills:
            fill.is_lost = True


def _key(subject: types_pb2.Subject, purpose: str) -> _Key:
    visitor = subject.visitor_id
    return (subject.tenant, visitor or subject.subject_id, bool(visitor), purpose)


def _concerns(told: pb.Invalidation, fill: _Fill, verdict: pb.Verdict) -> bool:
    return told.subject_reference in {"", verdict.subject_reference} and told.purpose in {
        "",
        fill.purpose,
    }


def _seconds(time: Timestamp) -> float:
    return time.seconds + time.nanos / 1e9
