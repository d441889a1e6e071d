"""Clients that write at the same time, each one call after the other, whatever happens."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import grpc

from privacyrights.v1 import consent_service_pb2_grpc, tenant_service_pb2, tenant_service_pb2_grpc
from tests.faults.book import TENANT, Asked, Book, ask, people

WRITERS = 12
CALL_SECONDS = 5.0
RETRY_SECONDS = 30.0
IMPATIENT_SECONDS = (0.001, 0.05)
"""One call in twenty is given up after this long, and made again: it may have been done."""

# A call that lost a race again and again is told to come back; nothing was written.
_TRY_AGAIN = grpc.StatusCode.ABORTED
# gRPC itself cancels what it has received, and not yet handed out, when it is told to stop.
_LOST = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
)


@dataclass(slots=True)
class Writers:
    """Twelve clients with one book; `unanswered` are calls of which nobody knows what they did.

    Shapes:
        most_calls: of each writer between two faults, so that no round is endless.
        refusals: codes that no fault explains.
        are_patient: no call is given up and made again.
    """

    chance: random.Random
    book: Book = field(default_factory=Book)
    unanswered: dict[int, Asked] = field(default_factory=dict[int, Asked])
    refusals: Counter[str] = field(default_factory=Counter[str])
    most_calls: int = 2000
    are_patient: bool = False
    _numbers: Counter[int] = field(default_factory=Counter[int])

    async def create_tenant(self, address: str) -> None:
        """Make the tenant whose people are decided for."""
        async with grpc.aio.insecure_channel(address) as channel:
            await tenant_service_pb2_grpc.TenantServiceStub(channel).CreateTenant(
                tenant_service_pb2.CreateTenantRequest(
                    tenant_id=TENANT,
                    tenant=tenant_service_pb2.Tenant(display_name="Faulty", time_zone="UTC"),
                    request_id="faulty",
                )
            )

    async def write(self, address: str, *, answered: Callable[[], None] = lambda: None) -> None:
        """Have every writer call until the server is lost to it; tell of each answer."""
        async with grpc.aio.insecure_channel(address) as channel:
            stub = consent_service_pb2_grpc.ConsentServiceStub(channel)
            await asyncio.gather(
                *(self._write(stub, writer, answered) for writer in range(WRITERS))
            )

    async def repeat(self, address: str) -> None:
        """Have every writer repeat what it has no answer to, and its last answered call.

        An answer can be lost on its way, too: such a writer repeats a call that was done.
        """
        async with grpc.aio.insecure_channel(address) as channel:
            stub = consent_service_pb2_grpc.ConsentServiceStub(channel)
            repeats = [*self.unanswered.values(), *map(self.book.last, range(WRITERS))]
            await asyncio.gather(*(self._retry(stub, asked) for asked in repeats if asked))

    async def _write(
        self,
        stub: consent_service_pb2_grpc.ConsentServiceAsyncStub,
        writer: int,
        answered: Callable[[], None],
    ) -> None:
        everybody = people(WRITERS)
        for _ in range(self.most_calls):
            self._numbers[writer] += 1
            asked = ask(self.chance, writer, self._numbers[writer], everybody)
            self.unanswered[writer] = asked
            if not self.are_patient and self.chance.randrange(20) == 0:
                await self._call(stub, asked, seconds=self.chance.uniform(*IMPATIENT_SECONDS))
            if not await self._call(stub, asked):
                return
            del self.unanswered[writer]
            answered()

    async def _call(
        self,
        stub: consent_service_pb2_grpc.ConsentServiceAsyncStub,
        asked: Asked,
        *,
        seconds: float = CALL_SECONDS,
    ) -> bool:
        """Tell whether *asked* was acknowledged; if not, nobody knows what it did."""
        while True:
            try:
                answer = await stub.RecordConsent(asked.request, timeout=seconds)
            except grpc.aio.AioRpcError as error:
                if error.code() is _TRY_AGAIN:
                    continue
                if error.code() not in _LOST:
                    self.refusals[f"{error.code().name}: {error.details()}"] += 1
                return False
            self.book.write(asked, answer.consent_decision)
            return True

    async def _retry(
        self, stub: consent_service_pb2_grpc.ConsentServiceAsyncStub, asked: Asked
    ) -> None:
        is_done = False
        async with asyncio.timeout(RETRY_SECONDS):
            while not is_done:
                is_done = await self._call(stub, asked)
        if self.unanswered.get(asked.writer) == asked:
            del self.unanswered[asked.writer]
