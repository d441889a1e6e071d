"""A change of the catalogue, where it stands, and its legal review (S17)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from server.domain.catalogue.catalogue import Proposal
from server.domain.change import Kind, Table

CHANGES = Table(Kind.CATALOGUE_CHANGES)
PLATFORM = ""
"""The tenant of what belongs to no tenant."""


class ChangeState(StrEnum):
    """Where a change of the catalogue stands."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    REJECTED = "rejected"
    SCHEDULED = "scheduled"
    APPLIED = "applied"
    WITHDRAWN = "withdrawn"


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
    """A change of the catalogue, from proposal to effect.

    Shapes:
        bases: name of each thing that it changes → the state that it was proposed upon.
        catalogue_version: the number of the catalogue that is in force with it; 0 until then.
    """

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
    bases: dict[str, str] = field(default_factory=dict[str, str])
    catalogue_version: int = 0
