"""Leases: what only one server at a time should do, for as long as it says that it lives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class LeaseLostError(Exception):
    """The lease ended, and may be another's by now."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to do what *name* stands for; `fence` grows with every holder."""

    name: str
    holder: str
    fence: int
    seconds: float


class Leases(Protocol):
    """Hands out leases; every method may raise StorageUnavailableError."""

    async def acquire(self, name: str, *, seconds: float) -> Lease | None:
        """Return the lease of *name* for *seconds*, or None while another holds it."""
        ...

    async def renew_all(self, leases: Sequence[Lease]) -> list[Lease]:
        """Hold *leases* for their seconds from now on; return those that hadn't ended before."""
        ...

    async def release_all(self, leases: Sequence[Lease]) -> None:
        """End *leases* now; none is harmed if one has ended by itself."""
        ...

    async def live(self, prefix: str) -> set[str]:
        """Return the names of all leases, anybody's, that begin with *prefix* and haven't ended."""
        ...
