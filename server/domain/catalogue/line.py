"""The line of catalogues: the one in force, and those that scheduled changes will make of it.

What is scheduled is one document, the head, which every change of the catalogue replaces: two
servers can't change the catalogue past each other. Each server knows the line in memory, so that
all of them go over to the next catalogue at its moment, and not when somebody tells them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from server.domain.catalogue.catalogue import Catalogue, Proposal
from server.domain.change import Insert, Kind, Replace, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from server.domain.change import Write

HEADS = Table(Kind.CATALOGUE_HEADS)
HEAD = "catalogue"
"""The id of the only head."""


@dataclass(frozen=True, slots=True)
class Scheduled:
    """An approved change that takes effect at a time to come; what it was proposed upon."""

    change: str
    effective_time: datetime
    proposal: Proposal
    bases: Mapping[str, str]

    def problem(self, before: Catalogue) -> str | None:
        """Return why it can't follow *before*, or None."""
        return before.first_outdated(self.bases) or before.first_problem(
            self.proposal, self.effective_time
        )

    def follows(self, before: Catalogue) -> Catalogue:
        """Return the catalogue that it makes of *before*."""
        return before.amended(self.proposal, self.effective_time, change=self.change)


@dataclass(frozen=True, slots=True)
class Plan:
    """An entry of the head: which change takes effect, and when."""

    change: str
    effective_time: datetime


@dataclass(frozen=True, slots=True)
class Head:
    """The number of the newest catalogue that is stored, and what is scheduled after it."""

    id: str
    tenant: str
    version: int
    number: int
    scheduled: tuple[Plan, ...] = ()

    def saved(self, number: int, scheduled: Sequence[Scheduled]) -> Write:
        """Return the write that makes this head say so."""
        following = replace(
            self,
            version=self.version + 1,
            number=number,
            scheduled=tuple(Plan(each.change, each.effective_time) for each in scheduled),
        )
        return Insert(HEADS, following) if self.version == 0 else Replace(HEADS, following)


@dataclass(frozen=True, slots=True)
class Line:
    """The newest stored catalogue, and those to come, in the order of their times.

    `catalogues[0]` is stored; `catalogues[1 + n]` is what `scheduled[n]` makes of the one before.
    """

    head: Head
    catalogues: tuple[Catalogue, ...]
    scheduled: tuple[Scheduled, ...] = ()

    @property
    def stored(self) -> Catalogue:
        """The newest catalogue in the database."""
        return self.catalogues[0]

    def at(self, moment: datetime) -> Catalogue:
        """Return the catalogue in force at *moment*, which isn't before that of `stored`."""
        return next(self._begun(moment), self.stored)

    def due(self, now: datetime) -> tuple[Scheduled, ...]:
        """Return what has taken effect by *now* and isn't stored so yet."""
        return tuple(each for each in self.scheduled if each.effective_time <= now)

    def next_change_of(self, purpose: str, now: datetime) -> datetime | None:
        """Return when *purpose*, or a category that it needs, is next changed after *now*.

        None: nothing is scheduled that changes what verdicts on it rest on.
        """
        if not self.scheduled:
            return None
        present = _basis(self.at(now), purpose)
        for each, catalogue in zip(self.scheduled, self.catalogues[1:], strict=True):
            if each.effective_time > now and _basis(catalogue, purpose) != present:
                return each.effective_time
        return None

    def with_change(self, new: Scheduled) -> tuple[tuple[Scheduled, ...], str | None]:
        """Return the schedule with *new*, and where it contradicts itself, if it does."""
        scheduled = tuple(
            sorted((*self.scheduled, new), key=lambda each: (each.effective_time, each.change))
        )
        return scheduled, first_problem(self.stored, scheduled, of=new.change)

    def _begun(self, moment: datetime) -> Iterator[Catalogue]:
        for index in range(len(self.scheduled), 0, -1):
            if self.scheduled[index - 1].effective_time <= moment:
                yield self.catalogues[index]


def _basis(catalogue: Catalogue, purpose: str) -> Sequence[object]:
    """Return what verdicts on *purpose* rest on, of all that *catalogue* has."""
    found = catalogue.purposes.get(purpose)
    return (found, *(catalogue.categories.get(id) for id in (found.categories if found else ())))


def first_problem(stored: Catalogue, scheduled: Sequence[Scheduled], *, of: str = "") -> str | None:
    """Return why *scheduled* can't follow *stored*, or None; *of* is what isn't scheduled yet."""
    before = stored
    for each in scheduled:
        problem = each.problem(before)
        if problem is not None:
            return problem if each.change == of else f"catalogueChanges/{each.change}: {problem}"
        before = each.follows(before)
    return None


def line_of(head: Head, stored: Catalogue, scheduled: Sequence[Scheduled]) -> Line:
    """Return the line that *scheduled* changes make of *stored*."""
    catalogues = [stored]
    for each in scheduled:
        catalogues.append(each.follows(catalogues[-1]))
    return Line(head, tuple(catalogues), tuple(scheduled))
