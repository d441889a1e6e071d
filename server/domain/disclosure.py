"""Disclosures: which personal data was given to whom, and what made that lawful (S9)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from server.domain.change import Kind, Table

if TYPE_CHECKING:
    from server.domain.values import Role


@dataclass(frozen=True, slots=True)
class Disclosure:
    """That data of a subject was given to a recipient; kept as long as the subject's life.

    Shapes:
        id: `tenant/id`; the id's letter tells the role.
        subject: `tenant/reference`.
        recipient, purpose, categories: ids of the catalogue of recipients and of the catalogue;
            the purpose is "" for an authority.
        sealed_demand: a `LegalDemand` as JSON, under the subject's key; authorities only.
    """

    id: str
    tenant: str
    subject: str
    generation: int
    recipient: str
    purpose: str
    categories: tuple[str, ...]
    disclosure_time: datetime
    record_time: datetime
    sealed_demand: bytes | None = None


def disclosures(role: Role) -> Table:
    """Return the table of what was disclosed about the subjects of *role*."""
    return Table(Kind.DISCLOSURES, role)
