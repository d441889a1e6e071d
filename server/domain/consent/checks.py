"""Answering "may I process this?", about now and about any moment in the past."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.domain.consent.history import known_at
from server.domain.consent.processing import ending, judge, undetermined
from server.domain.ports import DEFAULT_FRESHNESS
from server.domain.subjects import Subjects

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from server.domain.call import Call
    from server.domain.catalogue.catalogue import Catalogue, Category, Purpose
    from server.domain.catalogue.catalogues import Catalogues
    from server.domain.catalogue.instructions import Instructions
    from server.domain.consent.processing import Verdict
    from server.domain.ports import Freshness, Ports
    from server.domain.values import SubjectId


class Checks:
    """Answers checks."""

    def __init__(self, ports: Ports, catalogues: Catalogues, instructions: Instructions) -> None:
        """Read from *ports*, with the purposes of *catalogues*, as *instructions* allow."""
        self._ports = ports
        self._catalogues = catalogues
        self._instructions = instructions
        self._subjects = Subjects(ports)

    async def check(
        self,
        call: Call,
        who: SubjectId,
        purpose: str,
        *,
        categories: Sequence[str] = (),
        freshness: Freshness = DEFAULT_FRESHNESS,
    ) -> Verdict:
        """Return whether the subject's data may be processed for *purpose*.

        *categories* are those of its data that are asked about; none: all that it needs.

        Raises:
            TenantNotFoundError, PurposeNotFoundError, CategoryNotFoundError: of what it names.
        """
        subject = await self._subjects.find(call, who, freshness=freshness)
        if freshness != DEFAULT_FRESHNESS:
            # The read before has caught up, so that this one finds what the token tells of.
            await self._catalogues.newest()
        # What isn't known here yet is read anew.
        await self._catalogues.purpose(purpose)
        for category in categories:
            await self._catalogues.category(category)
        # One moment for all that is judged: what takes effect while instructions are read is not
        # of this verdict, which ends then.
        now = self._ports.clock.now()
        known = self._catalogues.as_of(now)
        found = known.purpose(purpose)
        periods = await self._instructions.periods(
            who.tenant, _needed(found, known, categories), freshness=freshness
        )
        verdict = judge(
            found, known, subject, who.role, now, instructed=periods, categories=categories
        )
        return ending(verdict, self._catalogues.next_change_of(purpose, now))

    async def check_at(
        self,
        call: Call,
        who: SubjectId,
        purpose: str,
        moment: datetime,
        *,
        categories: Sequence[str] = (),
        freshness: Freshness = DEFAULT_FRESHNESS,
    ) -> Verdict:
        """Return what a check at *moment* would have been answered, out of what was known then.

        The catalogue, the tenant's instructions, the life of the subject, its decisions, and what
        stood against processing are those of then. Objections and restrictions of a life that has
        ended went with it: what held then can't be told, and the verdict says so rather than
        "allowed".

        Raises:
            TenantNotFoundError: there is no such tenant.
            PurposeNotFoundError, CategoryNotFoundError: there was no such purpose or category then.
        """
        known = await self._catalogues.at(moment)
        found = known.purpose(purpose)
        for category in categories:
            known.category(category)
        subject = await self._subjects.find(call, who, freshness=freshness)
        past = await known_at(self._ports, subject, moment) if subject else None
        needed = _needed(found, known, categories)
        instructed = await self._instructions.stood(who.tenant, needed, moment)
        then = past.subject if past else None
        verdict = judge(
            found, known, then, who.role, moment, instructed=instructed, categories=categories
        )
        return undetermined(verdict) if past and past.is_lost else verdict

    async def reference(self, who: SubjectId) -> str:
        """Return what *who* is called in everything that is given out, known or not.

        Raises:
            TenantNotFoundError: there is no such tenant.
        """
        return await self._ports.keyring.reference(who)


def _needed(purpose: Purpose, catalogue: Catalogue, asked: Sequence[str]) -> Sequence[Category]:
    categories = catalogue.categories
    return [categories[id] for id in asked or purpose.categories if id in categories]
