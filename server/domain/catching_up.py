"""Catching up with the database: for reads of many documents, and of what is kept in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.domain.tenants import TENANTS, Tenant

if TYPE_CHECKING:
    from server.domain.catalogue.catalogues import Catalogues
    from server.domain.ports import Freshness, Reader

_NOBODY = "-"
"""No tenant's id: it is the reading that counts, and not what is read."""


class CatchingUp:
    """Makes every read that begins later as fresh as one caller asks.

    Reads see what the primary knows a majority to have, which never goes back. So one read
    that waits for the token, or that has the primary prove that it is the primary still,
    holds for all that follow it.
    """

    def __init__(self, reader: Reader, catalogues: Catalogues) -> None:
        """Catch up with what *reader* reads, and with what *catalogues* have in memory."""
        self._reader = reader
        self._catalogues = catalogues

    async def __call__(self, freshness: Freshness) -> None:
        """Return once it is so.

        Raises:
            ConsistencyTokenInvalidError: the token isn't one of ours.
            StorageUnavailableError: the database can't answer.
        """
        await self._reader.get(TENANTS, _NOBODY, _NOBODY, Tenant, freshness=freshness)
        await self._catalogues.refresh()
