"""Keeps the catalogue in memory as new as the one in the database, and records what took effect."""

from __future__ import annotations

import asyncio

from server.domain.catalogue.catalogues import Catalogues
from server.domain.errors import StorageUnavailableError


class CatalogueRefresher:
    """Sees the changes that other servers applied, and records when scheduled ones took effect."""

    name = "catalogue-refresher"

    def __init__(self, catalogues: Catalogues, *, milliseconds: int) -> None:
        """Refresh *catalogues* every so many *milliseconds*."""
        self._catalogues = catalogues
        self._seconds = milliseconds / 1000

    async def run(self) -> None:
        """Refresh until cancelled; a database that is away is asked again."""
        while True:
            await asyncio.sleep(self._seconds)
            try:
                await self._catalogues.settle()
            except StorageUnavailableError:
                # The catalogue in memory stays in force; health tells that the database is away.
                continue
