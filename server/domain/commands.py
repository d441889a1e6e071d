"""How a call that changes something is run: decided, committed once, and repeated without harm."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from server.domain.change import Change, Once
from server.domain.errors import ConcurrentChangeError, ConflictError, DomainError
from server.domain.turns import contested

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from server.domain.call import Call
    from server.domain.change import Committed, Write
    from server.domain.ledger import Entry
    from server.domain.ports import Ports

OutcomeT = TypeVar("OutcomeT")

MAX_ATTEMPTS = 8
"""How often a call decides anew when others changed what it had read."""


@dataclass(frozen=True, slots=True)
class Decision(Generic[OutcomeT]):
    """What a call decided: what to write, what the ledger says, and what the caller is told.

    `outcome` is a dataclass without personal data: it is kept for repeats.
    """

    writes: Sequence[Write]
    entries: Sequence[Entry]
    outcome: OutcomeT


class Commands:
    """Runs decisions against the state that they were made on."""

    def __init__(self, ports: Ports) -> None:
        """Decide and commit through *ports*."""
        self._reader = ports.reader
        self._committer = ports.committer
        self._keyring = ports.keyring
        self._turns = ports.turns

    async def run(
        self,
        call: Call,
        tenant: str,
        outcome: type[OutcomeT],
        decide: Callable[[], Awaitable[Decision[OutcomeT]]],
    ) -> Committed[OutcomeT]:
        """Decide and commit; decide again while others change what was read.

        Calls of this server that clash decide one after the other from then on, so that only
        other servers can be in their way.

        A repeat of *call* returns the outcome of the first, also when the decision would be
        refused now – after an erasure, for example. That is looked up only when it matters:
        the committer notices every other repeat.

        Raises:
            DomainError: the decision refuses the call.
            RequestIdReusedError: the request id belongs to a call with another content.
            ConcurrentChangeError: others changed the same thing again and again.
        """
        key, fingerprint = self._mark(call, tenant)
        with self._turns.turn() as turn:
            for _ in range(MAX_ATTEMPTS):
                try:
                    decision = await decide()
                except DomainError:
                    earlier = await self._reader.outcome(key, fingerprint, outcome)
                    if earlier is None:
                        raise
                    return earlier
                documents = contested(decision.writes)
                if not turn.must_wait_for(documents):
                    change = Change(
                        writes=decision.writes,
                        entries=decision.entries,
                        once=Once(key=key, fingerprint=fingerprint, outcome=decision.outcome),
                    )
                    with suppress(ConflictError):
                        return await self._committer.commit(change, outcome)
                await turn.take(documents)
        raise ConcurrentChangeError

    async def earlier(
        self, call: Call, tenant: str, outcome: type[OutcomeT]
    ) -> Committed[OutcomeT] | None:
        """Return what the first call like *call* was told, or None if this is the first.

        For calls that take long to decide; `run` looks by itself.

        Raises:
            RequestIdReusedError: the request id belongs to a call with another content.
        """
        return await self._reader.outcome(*self._mark(call, tenant), outcome)

    def _mark(self, call: Call, tenant: str) -> tuple[str, bytes]:
        """Return the key and the fingerprint by which a repeat of *call* is recognised."""
        key = f"{tenant}/{call.caller}/{call.request_id}"
        return key, self._keyring.fingerprint(call.content)

    async def note(self, *entries: Entry) -> None:
        """Make disclosures part of the ledger; what they disclose is to be given out only after.

        Raises:
            StorageUnavailableError: the entries can't be written.
        """
        if entries:
            await self._committer.commit(Change(writes=(), entries=entries), type(None))
