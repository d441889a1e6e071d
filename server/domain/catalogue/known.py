"""The catalogue in force, held in memory, and those that were in force before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.domain.catalogue.catalogue import (
    CATALOGUES,
    TEXTS,
    Catalogue,
    Category,
    PublishedText,
    Purpose,
    RetentionRule,
    id_of,
)
from server.domain.catalogue.change_states import CHANGES, PLATFORM, CatalogueChange
from server.domain.catalogue.line import HEAD, HEADS, Head, Line, Scheduled, line_of
from server.domain.errors import (
    CatalogueChangeNotFoundError,
    CategoryNotFoundError,
    OrganisationNotFoundError,
    PurposeNotFoundError,
    RetentionRuleNotFoundError,
    TextNotFoundError,
)
from server.domain.ports import Query

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from server.domain.catalogue.organisation import Organisation
    from server.domain.ports import Ports

_NOTHING = Catalogue(id="", tenant=PLATFORM)
"""What is in force before the first catalogue."""


class KnownCatalogues:
    """The catalogue in force, held in memory, with those that are scheduled to follow it.

    Other servers' changes are seen at the next `refresh`, which a worker calls every
    `catalogue_refresh_ms`, and at once when a purpose is asked for that isn't known yet. What was
    scheduled takes effect at its moment, without anybody's doing.
    """

    def __init__(self, ports: Ports) -> None:
        """Work on *ports*; empty until the first `refresh`."""
        self._ports = ports
        self._line = Line(Head(HEAD, PLATFORM, 0, 0), (_NOTHING,))

    @property
    def current(self) -> Catalogue:
        """The catalogue in force now."""
        line = self._line
        # Most often nothing is scheduled; then the time need not be asked for.
        return line.at(self._ports.clock.now()) if line.scheduled else line.stored

    def as_of(self, now: datetime) -> Catalogue:
        """Return the catalogue in force at *now*, a moment that has just been."""
        return self._line.at(now)

    def next_change_of(self, purpose: str, now: datetime) -> datetime | None:
        """Return when what is scheduled changes verdicts on *purpose* after *now*; None: never."""
        return self._line.next_change_of(purpose, now)

    async def refresh(self) -> None:
        """Read the newest catalogue and what is scheduled, if either has changed."""
        head = await self._ports.reader.get(HEADS, PLATFORM, HEAD, Head) or await self._first_head()
        known = self._line
        if (head.version, head.number) <= (known.head.version, known.stored.number):
            return
        stored = known.stored
        if head.number != stored.number:
            found = await self._ports.reader.get(
                CATALOGUES, PLATFORM, id_of(head.number), Catalogue
            )
            stored = found or stored
        line = line_of(head, stored, await self._scheduled(head))
        if (head.version, head.number) > (self._line.head.version, self._line.stored.number):
            self._line = line

    async def newest(self) -> Catalogue:
        """Return the catalogue in force, also if another server has just applied a change.

        One point read, which goes out together with those of other callers.
        """
        await self.refresh()
        return self.current

    async def at(self, moment: datetime) -> Catalogue:
        """Return the catalogue that was in force at *moment*: an empty one before the first."""
        await self.refresh()
        line = self._line
        begun = line.stored.effective_time
        if begun is not None and begun <= moment:
            return line.at(moment)
        query = Query(
            CATALOGUES,
            tenant=PLATFORM,
            at_most={"effective_time": moment},
            order="-id",
            limit=1,
        )
        found = await self._ports.reader.find(query, Catalogue)
        return found[0] if found else _NOTHING

    async def purpose_version(self, id: str, version: int) -> Purpose:
        """Return the purpose *id* as its *version* said; 0: as it is in force.

        Raises:
            PurposeNotFoundError: there is no such purpose, or it never had that version.
        """
        if not version:
            return await self.purpose(id)
        for known in self._begun():
            if (found := known.purposes.get(id)) is not None and found.version == version:
                return found
        with_it = await self._with_version(f"purposes.{id}", version)
        if with_it is None:
            raise PurposeNotFoundError
        return with_it.purpose(id)

    async def category_version(self, id: str, version: int) -> Category:
        """Return the category *id* as its *version* said; 0: as it is in force.

        Raises:
            CategoryNotFoundError: there is no such category, or it never had that version.
        """
        if not version:
            return await self.category(id)
        for known in self._begun():
            if (found := known.categories.get(id)) is not None and found.version == version:
                return found
        with_it = await self._with_version(f"categories.{id}", version)
        if with_it is None:
            raise CategoryNotFoundError
        return with_it.category(id)

    async def retention_rule_version(self, id: str, version: int) -> RetentionRule:
        """Return the retention rule *id* as its *version* said; 0: as it is in force.

        Raises:
            RetentionRuleNotFoundError: there is no such rule, or it never had that version.
        """
        known: Catalogue | None
        for known in self._begun():
            found = known.retention_rules.get(id)
            if found is not None and version in (0, found.version):
                return found
        known = await self._with_version(f"retention_rules.{id}", version) if version else None
        if known is None:
            raise RetentionRuleNotFoundError
        return known.retention_rules[id]

    async def organisation_version(self, version: int) -> Organisation:
        """Return who the platform is, as *version* said; 0: as it is in force.

        Raises:
            OrganisationNotFoundError: nothing says yet, or there never was that version.
        """
        if not version:
            return self.current.the_organisation()
        for known in self._begun():
            if (found := known.organisation) is not None and found.version == version:
                return found
        with_it = await self._with_version("organisation", version)
        if with_it is None:
            raise OrganisationNotFoundError
        return with_it.the_organisation()

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

    async def change(self, id: str) -> CatalogueChange:
        """Return the change *id*.

        Raises:
            CatalogueChangeNotFoundError: there is none.
        """
        found = await self._ports.reader.get(CHANGES, PLATFORM, id, CatalogueChange)
        if found is None:
            raise CatalogueChangeNotFoundError
        return found

    async def text(self, digest: str) -> PublishedText:
        """Return the words behind *digest*.

        Raises:
            TextNotFoundError: no published text has it.
        """
        found = await self._ports.reader.get(TEXTS, PLATFORM, digest, PublishedText)
        if found is None:
            raise TextNotFoundError
        return found

    def _begun(self) -> Sequence[Catalogue]:
        """Return the catalogues in memory that are in force or were, newest first."""
        now = self._ports.clock.now()
        line = self._line
        return tuple(reversed(line.catalogues[: 1 + len(line.due(now))]))

    async def _with_version(self, path: str, version: int) -> Catalogue | None:
        """Return the first stored catalogue in which what is at *path* has *version*."""
        equals = {f"{path}.version": version}
        query = Query(CATALOGUES, tenant=PLATFORM, equals=equals, order="id", limit=1)
        return next(iter(await self._ports.reader.find(query, Catalogue)), None)

    async def _first_head(self) -> Head:
        """Return the head of a database that has none yet: what is stored, and no schedule."""
        query = Query(CATALOGUES, tenant=PLATFORM, order="-id", limit=1)
        found = await self._ports.reader.find(query, Catalogue)
        return Head(HEAD, PLATFORM, 0, found[0].number if found else 0)

    async def _scheduled(self, head: Head) -> Sequence[Scheduled]:
        known = {each.change: each for each in self._line.scheduled}
        found: list[Scheduled] = []
        for plan in head.scheduled:
            if plan.change in known:
                found.append(known[plan.change])
                continue
            change = await self.change(plan.change)
            found.append(Scheduled(plan.change, plan.effective_time, change.proposal, change.bases))
        return found
