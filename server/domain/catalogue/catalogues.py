"""Keeping the catalogue: proposed, reviewed by somebody else, applied (S17)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from server.domain.catalogue.catalogue import (
    CATALOGUES,
    TEXTS,
    Catalogue,
    Category,
    Proposal,
    PublishedText,
    Purpose,
    id_of,
)
from server.domain.change import Insert, Kind, Replace, Table
from server.domain.commands import Commands, Decision
from server.domain.errors import (
    CatalogueChangeNotFoundError,
    CatalogueInconsistentError,
    ChangeNotReviewedError,
    IllegalTransitionError,
    PurposeNotFoundError,
    ReviewerIsProposerError,
    TextNotFoundError,
)
from server.domain.ledger import new_entry
from server.domain.ledger.commitment import committing
from server.domain.ports import Query

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.domain.call import Call
    from server.domain.change import Committed, Write
    from server.domain.ledger import Entry
    from server.domain.ports import Ports

CHANGES = Table(Kind.CATALOGUE_CHANGES)
PLATFORM = ""
"""The tenant of what belongs to no tenant."""


class ChangeState(StrEnum):
    """Where a change of the catalogue stands."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    REJECTED = "rejected"
    APPLIED = "applied"


@dataclass(frozen=True, slots=True)
class Review:
    """The legal review of a change."""

    reviewer: str
    approved: bool
    note: str
    evidence_digest: str
    review_time: datetime


@dataclass(frozen=True, slots=True)
class CatalogueChange:
    """A change of the catalogue, from proposal to effect."""

    id: str
    tenant: str
    version: int
    proposal: Proposal
    proposer: str
    reason: str
    state: ChangeState
    create_time: datetime
    review: Review | None = None
    effective_time: datetime | None = None


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
    """What the caller of `apply` is told, now and at a repeat."""

    number: int
    effective_time: datetime


class Catalogues:
    """The catalogue in force, held in memory, and the way in which it changes.

    Other servers' changes are seen at the next `refresh`, which a worker calls every
    `catalogue_refresh_ms`, and at once when a purpose is asked for that isn't known yet.
    """

    def __init__(self, ports: Ports) -> None:
        """Work on *ports*; empty until the first `refresh`."""
        self._ports = ports
        self._commands = Commands(ports)
        self.current = Catalogue(id="", tenant=PLATFORM)

    async def refresh(self) -> None:
        """Read the newest catalogue, if there is a newer one than that in memory."""
        following = id_of(self.current.number + 1)
        newer = Query(CATALOGUES, tenant=PLATFORM, at_least={"id": following}, order="-id", limit=1)
        # Most often none: a whole catalogue, several times a second, would cost more than a call.
        newest = await self._ports.reader.find(newer, Catalogue)
        if newest and newest[0].number > self.current.number:
            self.current = newest[0]

    async def newest(self) -> Catalogue:
        """Return the catalogue in force, also if another server has just applied a change.

        One point read, which goes out together with those of other callers.
        """
        following = id_of(self.current.number + 1)
        if await self._ports.reader.get(CATALOGUES, PLATFORM, following, Catalogue):
            await self.refresh()
        return self.current

    async def at(self, moment: datetime) -> Catalogue:
        """Return the catalogue that was in force at *moment*: an empty one before the first."""
        await self.refresh()
        begun = self.current.effective_time
        if begun is not None and begun <= moment:
            return self.current
        query = Query(
            CATALOGUES,
            tenant=PLATFORM,
            at_most={"effective_time": moment},
            order="-id",
            limit=1,
        )
        found = await self._ports.reader.find(query, Catalogue)
        return found[0] if found else Catalogue(id="", tenant=PLATFORM)

    async def purpose_version(self, id: str, version: int) -> Purpose:
        """Return the purpose *id* as its *version* said.

        Raises:
            PurposeNotFoundError: there is no such purpose, or it never had that version.
        """
        known = self.current.purposes.get(id)
        if known is not None and known.version == version:
            return known
        equals = {f"purposes.{id}.version": version}
        query = Query(CATALOGUES, tenant=PLATFORM, equals=equals, order="id", limit=1)
        found = await self._ports.reader.find(query, Catalogue)
        if not found:
            raise PurposeNotFoundError
        return found[0].purpose(id)

    async def purpose(self, id: str) -> Purpose:
        """Return the purpose *id* as it is in force.

        Raises:
            PurposeNotFoundError: there is none.
        """
        if id not in self.current.purposes:
            await self.refresh()
        return self.current.purpose(id)

    async def category(self, id: str) -> Category:
        """Return the category *id* as it is in force.

        Raises:
            CategoryNotFoundError: there is none.
        """
        if id not in self.current.categories:
            await self.refresh()
        return self.current.category(id)

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
            self._require_consistent(proposal, now)
            change = CatalogueChange(
                id=self._ports.ids.new(),
                tenant=PLATFORM,
                version=1,
                proposal=proposal,
                proposer=proposer,
                reason=reason,
                state=ChangeState.PROPOSED,
                create_time=now,
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

    async def apply(self, call: Call, *, change: str) -> Committed[ChangeApplied]:
        """Put the approved *change* into effect now.

        Raises:
            CatalogueChangeNotFoundError: there is no such change.
            ChangeNotReviewedError: no review has approved it.
            IllegalTransitionError: it was rejected, or applied before.
            CatalogueInconsistentError: the catalogue has changed since and would not agree.
        """

        async def decide() -> Decision[ChangeApplied]:
            await self.refresh()
            now = self._ports.clock.now()
            found = await self.change(change)
            if found.state is ChangeState.PROPOSED:
                raise ChangeNotReviewedError
            if found.state is not ChangeState.APPROVED:
                raise IllegalTransitionError(state=found.state)
            self._require_consistent(found.proposal, now)
            following = self.current.amended(found.proposal, now)
            done = replace(
                found, version=found.version + 1, state=ChangeState.APPLIED, effective_time=now
            )
            return Decision(
                writes=(
                    Insert(CATALOGUES, following),
                    Replace(CHANGES, done),
                    *await self._unpublished(found.proposal),
                ),
                entries=(self._entry(call, "catalogue.change_applied", change, now),),
                outcome=ChangeApplied(following.number, now),
            )

        committed = await self._commands.run(call, PLATFORM, ChangeApplied, decide)
        await self.refresh()
        return committed

    async def change(self, id: str) -> CatalogueChange:
        """Return the change *id*.

        Raises:
            CatalogueChangeNotFoundError: there is none.
        """
        found = await self._ports.reader.get(CHANGES, PLATFORM, id, CatalogueChange)
        if found is None:
            raise CatalogueChangeNotFoundError
        return found

    async def changes(
        self, *, state: ChangeState | None, after: tuple[object, str] | None, limit: int
    ) -> Sequence[CatalogueChange]:
        """Return one page of the changes, newest first; *state* None means all."""
        equals = {} if state is None else {"state": state}
        query = Query(
            CHANGES, tenant=PLATFORM, equals=equals, order="-id", after=after, limit=limit
        )
        return await self._ports.reader.find(query, CatalogueChange)

    async def text(self, digest: str) -> PublishedText:
        """Return the words behind *digest*.

        Raises:
            TextNotFoundError: no published text has it.
        """
        found = await self._ports.reader.get(TEXTS, PLATFORM, digest, PublishedText)
        if found is None:
            raise TextNotFoundError
        return found

    def _require_consistent(self, proposal: Proposal, now: datetime) -> None:
        problem = self.current.first_problem(proposal, now)
        if problem is not None:
            raise CatalogueInconsistentError(problem=problem)

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
