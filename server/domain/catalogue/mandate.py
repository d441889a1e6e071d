"""Mandates: what a tenant's documented instructions for one category amount to now (S6)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from server.domain.change import Insert, Kind, Replace, Table
from server.domain.values import Role

if TYPE_CHECKING:
    from server.domain.change import Write

MANDATES = Table(Kind.MANDATES)


@dataclass(frozen=True, slots=True)
class Mandate:
    """Whether a tenant has a category collected; one point read tells.

    Shapes:
        id: `tenant/category`.
        period: counts from 1 the times for which an instruction stood without a break. Records
            carry it, so that what was kept under instructions that were taken back is told from
            what is kept under later ones. 0: there never was any.
        standing: the instructions that stand, by the last part of their names.
    """

    id: str
    tenant: str
    version: int
    category: str
    period: int
    standing: tuple[str, ...]

    @property
    def stands(self) -> bool:
        """Whether the category may be collected and used."""
        return bool(self.standing)

    def given(self, instruction: str) -> Mandate:
        """Return the mandate with *instruction*; the first one begins a period."""
        return replace(
            self,
            version=self.version + 1,
            period=self.period if self.stands else self.period + 1,
            standing=(*self.standing, instruction),
        )

    def taken_back(self, instruction: str) -> Mandate:
        """Return the mandate without *instruction*; the last one ends the period."""
        standing = tuple(each for each in self.standing if each != instruction)
        return replace(self, version=self.version + 1, standing=standing)

    def saved(self) -> Write:
        """Return the write that stores this mandate, whose version was just raised by one."""
        return Insert(MANDATES, self) if self.version == 1 else Replace(MANDATES, self)


def mandate_id(tenant: str, category: str) -> str:
    """Return the id of the mandate of *tenant* for *category*."""
    return f"{tenant}/{category}"


def no_mandate(tenant: str, category: str) -> Mandate:
    """Return what there is before the first instruction, not yet stored."""
    return Mandate(mandate_id(tenant, category), tenant, 0, category, 0, ())


@dataclass(frozen=True, slots=True)
class Revocation:
    """The end of a period: what was kept in it is put up for erasure (Art. 28(3)(a)).

    The records are walked through in batches, each committed together with how far the walk has
    come. It is repeated when all that was decided before the end is settled, and for as long as
    somebody's data is spared because its processing is restricted (Art. 18(1)(b), (c)).

    Shapes:
        id: `tenant/instruction`: that of the instruction which was the last to be taken back.
        period: the last period whose records are concerned.
        position: the id of the last record that the walk has seen; "" at its beginning.
        spared: whether this walk has left any record because of a restriction.
        due_time: when to go on; None: nothing is left to do.
    """

    id: str
    tenant: str
    version: int
    role: Role
    category: str
    period: int
    time: datetime
    due_time: datetime | None
    position: str = ""
    spared: bool = False

    @property
    def name(self) -> str:
        """The resource name of the instruction."""
        return f"tenants/{self.tenant}/instructions/{self.id.partition('/')[2]}"

    def walked(self, position: str, *, spared: bool) -> Revocation:
        """Return it after one batch, whose last record has the id *position*."""
        return replace(
            self, version=self.version + 1, position=position, spared=self.spared or spared
        )

    def finished(self, *, spared: bool, now: datetime, settling: timedelta) -> Revocation:
        """Return it after the last batch of a walk: what decides whether there is another."""
        is_settled = now > self.time + settling
        is_over = is_settled and not (self.spared or spared)
        return replace(
            self,
            version=self.version + 1,
            position="",
            spared=False,
            due_time=None if is_over else now + settling,
        )


def revocations(role: Role) -> Table:
    """Return the table of the revocations that concern the people of *role*."""
    return Table(Kind.REVOCATIONS, role)
