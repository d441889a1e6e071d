"""Keeping the catalogue: proposed, reviewed by somebody else, applied (S17)."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from server.domain.call import Call
from server.domain.catalogue.catalogue import CATALOGUES, TEXTS, Proposal, PublishedText
from server.domain.catalogue.change_states import (
    CHANGES,
    PLATFORM,
    CatalogueChange,
    ChangeState,
    Review,
)
from server.domain.catalogue.known import KnownCatalogues
from server.domain.catalogue.line import Line, Scheduled, first_problem, line_of
from server.domain.change import Change, Insert, Replace
from server.domain.commands import Commands, Decision
from server.domain.errors import (
    CatalogueInconsistentError,
    ChangeNotReviewedError,
    ConflictError,
    IllegalTransitionError,
    InvalidArgumentError,
    ReviewerIsProposerError,
    Violation,
)
from server.domain.ledger import new_entry
from server.domain.ledger.commitment import committing
from server.domain.ports import Query

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.domain.change import Committed, Write
    from server.domain.ledger import Entry
    from server.domain.ports import Ports

_WORKER = Call(caller="worker:catalogue", rpc="")
_WITHDRAWABLE = frozenset({ChangeState.PROPOSED, ChangeState.APPROVED, ChangeState.SCHEDULED})


@dataclass(frozen=True, slots=True)
class ChangeProposed:
    """What the caller of `propose` is told, now and at a repeat."""

    change: str


@dataclass(frozen=True, slots=True)
class ChangeReviewed:
    """What the caller of `review` is told, now and at a repeat."""

    state: ChangeState


@dataclass(frozen=True, slots=True)
class ChangeApplied:
    """What the caller of `apply` is told, now and at a repeat; `number` is 0 until then."""

    number: int
    effective_time: datetime
    state: ChangeState = ChangeState.APPLIED


@dataclass(frozen=True, slots=True)
class ChangeWithdrawn:
    """What the caller of `withdraw` is told, now and at a repeat."""

    state: ChangeState


class _Taken(NamedTuple):
    """What is written when changes take effect."""

    writes: Sequence[Write]
    entries: Sequence[Entry]


class Catalogues(KnownCatalogues):
    """The catalogue in force, and the way in which it changes."""

    def __init__(self, ports: Ports) -> None:
        """Work on *ports*; empty until the first `refresh`."""
        super().__init__(ports)
        self._commands = Commands(ports)

    async def propose(
        self, call: Call, *, proposal: Proposal, proposer: str, reason: str
    ) -> Committed[ChangeProposed]:
        """Record *proposal*; nothing takes effect yet.

        Raises:
            CatalogueInconsistentError: it would leave the catalogue contradicting itself.
        """

        async def decide() -> Decision[ChangeProposed]:
            await self.refresh()
            now = self._ports.clock.now()
            problem = self.current.first_problem(proposal, now)
            if problem is not None:
                raise CatalogueInconsistentError(problem=problem)
            change = CatalogueChange(
                id=self._ports.ids.new(),
                tenant=PLATFORM,
                version=1,
                proposal=proposal,
                proposer=proposer,
                reason=reason,
                state=ChangeState.PROPOSED,
                create_time=now,
                bases=self.current.bases(proposal),
            )
            entry = self._entry(call, "catalogue.change_proposed", change.id, now)
            return Decision(
                writes=(Insert(CHANGES, change),),
                entries=(await committing(self._ports.keyring, entry, change),),
                outcome=ChangeProposed(change.id),
            )

        return await self._commands.run(call, PLATFORM, ChangeProposed, decide)

    async def review(
        self,
        call: Call,
        *,
        change: str,
        reviewer: str,
        approved: bool,
        note: str,
        evidence_digest: str,
    ) -> Committed[ChangeReviewed]:
        """Record the legal review of *change*.

        Raises:
            CatalogueChangeNotFoundError: there is no such change.
            IllegalTransitionError: it was reviewed before.
            ReviewerIsProposerError: nobody reviews the own proposal.
        """

        async def decide() -> Decision[ChangeReviewed]:
            now = self._ports.clock.now()
            found = await self.change(change)
            if found.state is not ChangeState.PROPOSED:
                raise IllegalTransitionError(state=found.state)
            if reviewer.strip().casefold() == found.proposer.strip().casefold():
                raise ReviewerIsProposerError
            state = ChangeState.APPROVED if approved else ChangeState.REJECTED
            written = Review(reviewer, approved, note, evidence_digest, now)
            reviewed = replace(found, version=found.version + 1, state=state, review=written)
            entry = self._entry(call, f"catalogue.change_{state}", change, now)
            return Decision(
                writes=(Replace(CHANGES, reviewed),),
                entries=(await committing(self._ports.keyring, entry, written),),
                outcome=ChangeReviewed(state),
            )

        return await self._commands.run(call, PLATFORM, ChangeReviewed, decide)

    async def apply(
        self, call: Call, *, change: str, effective_time: datetime | None = None
    ) -> Committed[ChangeApplied]:
        """Put the approved *change* into effect: now, or at *effective_time*.

        Raises:
            CatalogueChangeNotFoundError: there is no such change.
            ChangeNotReviewedError: no review has approved it.
            IllegalTransitionError: it was rejected, withdrawn, scheduled or applied before.
            CatalogueInconsistentError: what it changes has changed since it was proposed, or it
                would not agree with the catalogue, or what is scheduled after it wouldn't.
            InvalidArgumentError: the time isn't in the future.
        """

        async def decide() -> Decision[ChangeApplied]:
            await self.refresh()
            line, now = self._line, self._ports.clock.now()
            found = await self.change(change)
            if found.state is ChangeState.PROPOSED:
                raise ChangeNotReviewedError
            if found.state is not ChangeState.APPROVED:
                raise IllegalTransitionError(state=found.state)
            if effective_time is not None and effective_time <= now:
                raise InvalidArgumentError((Violation("effective_time", "must be in the future"),))
            # Clocks of servers differ: no catalogue takes effect before the one before it.
            soonest = max(now, line.stored.effective_time or now)
            new = Scheduled(change, effective_time or soonest, found.proposal, found.bases)
            following, problem = line.with_change(new)
            if problem is not None:
                raise CatalogueInconsistentError(problem=problem)
            after = line_of(line.head, line.stored, following)
            due = after.due(soonest)
            taken = await self._taking_effect(call, after, due, now, but=change)
            number = 0
            if effective_time is None:
                number = line.stored.number + len(due)
            done = replace(
                found,
                version=found.version + 1,
                state=ChangeState.APPLIED if number else ChangeState.SCHEDULED,
                effective_time=new.effective_time,
                catalogue_version=number,
            )
            entry = self._entry(call, f"catalogue.change_{done.state}", change, now)
            return Decision(
                writes=(
                    *taken.writes,
                    Replace(CHANGES, done),
                    line.head.saved(line.stored.number + len(due), following[len(due) :]),
                    *await self._unpublished(found.proposal),
                ),
                entries=(*taken.entries, entry),
                outcome=ChangeApplied(number, new.effective_time, done.state),
            )

        committed = await self._commands.run(call, PLATFORM, ChangeApplied, decide)
        await self.refresh()
        return committed

    async def withdraw(self, call: Call, *, change: str, reason: str) -> Committed[ChangeWithdrawn]:
        """Take *change* back, which is not in effect yet.

        Raises:
            CatalogueChangeNotFoundError: there is no such change.
            IllegalTransitionError: it is in effect, was rejected, or withdrawn before.
            CatalogueInconsistentError: something that is scheduled after it needs it.
        """

        async def decide() -> Decision[ChangeWithdrawn]:
            await self.refresh()
            line, now = self._line, self._ports.clock.now()
            found = await self.change(change)
            state = found.state
            if state is ChangeState.SCHEDULED and change in {e.change for e in line.due(now)}:
                state = ChangeState.APPLIED
            if state not in _WITHDRAWABLE:
                raise IllegalTransitionError(state=state)
            writes: list[Write] = []
            if state is ChangeState.SCHEDULED:
                left = [each for each in line.scheduled if each.change != change]
                problem = first_problem(line.stored, left)
                if problem is not None:
                    raise CatalogueInconsistentError(problem=problem)
                writes.append(line.head.saved(line.stored.number, left))
            withdrawn = replace(found, version=found.version + 1, state=ChangeState.WITHDRAWN)
            entry = self._entry(call, "catalogue.change_withdrawn", change, now)
            return Decision(
                writes=(*writes, Replace(CHANGES, withdrawn)),
                entries=(replace(entry, reason=reason),),
                outcome=ChangeWithdrawn(ChangeState.WITHDRAWN),
            )

        committed = await self._commands.run(call, PLATFORM, ChangeWithdrawn, decide)
        await self.refresh()
        return committed

    async def settle(self) -> None:
        """Record that scheduled changes have taken effect, once their time has come.

        They are in force without it; what is stored, and the ledger, say so from then on.
        """
        await self.refresh()
        line, now = self._line, self._ports.clock.now()
        due = line.due(now)
        if not due:
            return
        taken = await self._taking_effect(_WORKER, line, due, now)
        head = line.head.saved(line.stored.number + len(due), line.scheduled[len(due) :])
        # Another server may have been quicker: then it is recorded all the same.
        with suppress(ConflictError):
            await self._ports.committer.commit(
                Change(writes=(*taken.writes, head), entries=taken.entries), type(None)
            )
        await self.refresh()

    async def seen(self, id: str) -> CatalogueChange:
        """Return the change *id* as it stands now, for people.

        Raises:
            CatalogueChangeNotFoundError: there is none.
        """
        found = await self.change(id)
        if self._is_due(found):
            await self.settle()
            found = await self.change(id)
        return found

    async def changes(
        self, *, state: ChangeState | None, after: tuple[object, str] | None, limit: int
    ) -> Sequence[CatalogueChange]:
        """Return one page of the changes, newest first; *state* None means all."""
        equals = {} if state is None else {"state": state}
        query = Query(
            CHANGES, tenant=PLATFORM, equals=equals, order="-id", after=after, limit=limit
        )
        found = await self._ports.reader.find(query, CatalogueChange)
        if any(map(self._is_due, found)):
            await self.settle()
            found = await self._ports.reader.find(query, CatalogueChange)
        return found

    def _is_due(self, change: CatalogueChange) -> bool:
        time = change.effective_time
        is_scheduled = change.state is ChangeState.SCHEDULED
        return is_scheduled and time is not None and time <= self._ports.clock.now()

    async def _taking_effect(
        self,
        call: Call,
        line: Line,
        due: Sequence[Scheduled],
        now: datetime,
        *,
        but: str = "",
    ) -> _Taken:
        """Return what stores the catalogues of *due*, and says so of all changes *but* one."""
        writes: list[Write] = []
        entries: list[Entry] = []
        for each, catalogue in zip(due, line.catalogues[1:], strict=False):
            writes.append(Insert(CATALOGUES, catalogue))
            if each.change == but:
                continue
            found = await self.change(each.change)
            applied = replace(
                found,
                version=found.version + 1,
                state=ChangeState.APPLIED,
                catalogue_version=catalogue.number,
            )
            writes.append(Replace(CHANGES, applied))
            entries.append(self._entry(call, "catalogue.change_applied", each.change, now))
        return _Taken(writes, entries)

    async def _unpublished(self, proposal: Proposal) -> Sequence[Write]:
        new = {text.id: text for text in proposal.texts}
        for digest in list(new):
            if await self._ports.reader.get(TEXTS, PLATFORM, digest, PublishedText):
                del new[digest]
        return [Insert(TEXTS, text) for text in new.values()]

    def _entry(self, call: Call, type: str, change: str, now: datetime) -> Entry:
        return new_entry(
            call,
            self._ports.ids,
            tenant=PLATFORM,
            type=type,
            time=now,
            target=f"catalogueChanges/{change}",
        )
