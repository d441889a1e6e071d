"""Executing a sweep slice by slice: by any number of calls and servers, whenever interrupted."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import TYPE_CHECKING

from server.domain.catalogue.change_states import PLATFORM
from server.domain.change import Change, Delete, Replace
from server.domain.errors import ConflictError
from server.domain.ledger import new_entry
from server.domain.retention.sweep import Fate, Sweep, SweepSlice, slice_ids, slices, sweeps

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from server.domain.call import Call
    from server.domain.ledger import Entry
    from server.domain.ports import Ports
    from server.domain.retention.destruction import Destruction

SLICES_IN_HAND = 2
"""Slices worked on at a time: while one waits for its last commits, the next is looked at."""


class Execution:
    """Works through the slices of sweeps that are running.

    A slice is taken away in the same change that adds what became of its subjects to the
    sweep. Whoever comes second to that change finds the slice gone, and leaves his counts:
    each subject is counted once, and its destruction can only have happened once.
    """

    def __init__(self, ports: Ports, destruction: Destruction) -> None:
        """Destroy with *destruction*."""
        self._ports = ports
        self._destruction = destruction

    async def run(self, call: Call, sweep: Sweep) -> AsyncGenerator[Sweep]:
        """Work until nothing is left of *sweep*, yielding it after each slice.

        Several calls share the work, since each begins at a place of its own. When the caller
        stops listening, what was handed over to be committed is committed, and the rest is
        left for the next call.

        Raises:
            StorageUnavailableError: the database can't confirm; the next call goes on.
        """
        left = list(slice_ids(sweep))
        begin = random.randrange(len(left)) if left else 0  # noqa: S311 – spreads the work
        left = [*left[begin:], *left[:begin]]
        working: set[asyncio.Task[Sweep]] = set()
        try:
            while left or working:
                while left and len(working) < SLICES_IN_HAND:
                    working.add(asyncio.create_task(self._slice(call, sweep, *left.pop(0))))
                done, working = await asyncio.wait(working, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    yield task.result()
        finally:
            for task in working:
                task.cancel()
            await asyncio.gather(*working, return_exceptions=True)

    async def _slice(self, call: Call, sweep: Sweep, tenant: str, id: str) -> Sweep:
        """Work through one slice, and return the sweep as it stands after it."""
        count = sweep.of_tenant(tenant)
        found = await self._find(sweep, tenant, id)
        if found is None or count is None:
            return await self._current(sweep)
        fates = await self._destruction.destroy(call, sweep, count, found)
        return await self._count(call, sweep, found, fates)

    async def _count(
        self, call: Call, sweep: Sweep, found: SweepSlice, fates: dict[str, Fate]
    ) -> Sweep:
        """Take the slice away, and add what became of its subjects to the sweep."""
        while True:
            current = await self._current(sweep)
            now = self._ports.clock.now()
            after = current.with_fates(found.tenant, Counter(fates.values()), now)
            change = Change(
                (
                    Delete(slices(sweep.role), found),
                    Replace(sweeps(sweep.role), after),
                ),
                self._entries(call, after, found.tenant, fates),
            )
            try:
                await self._ports.committer.commit(change, type(None))
            except ConflictError:
                # Another slice was counted meanwhile, or this one by another call.
                if await self._find(sweep, found.tenant, found.id) is None:
                    return await self._current(sweep)
                continue
            return after

    def _entries(
        self, call: Call, sweep: Sweep, tenant: str, fates: dict[str, Fate]
    ) -> list[Entry]:
        now = self._ports.clock.now()

        def entry(type: str, of: str, subject: str = "") -> Entry:
            return new_entry(
                call,
                self._ports.ids,
                tenant=of,
                type=type,
                time=now,
                role=sweep.role,
                subject=subject,
                target=sweep.name,
            )

        entries = [entry("retention.slice_executed", tenant)]
        entries += [
            entry("retention.destruction_failed", tenant, reference)
            for reference, fate in fates.items()
            if fate is Fate.FAILED
        ]
        if sweep.is_ended:
            entries.append(entry("retention.sweep_ended", sweep.only_tenant))
        return entries

    async def _find(self, sweep: Sweep, tenant: str, id: str) -> SweepSlice | None:
        return await self._ports.reader.get(slices(sweep.role), tenant, id, SweepSlice)

    async def _current(self, sweep: Sweep) -> Sweep:
        found = await self._ports.reader.get(sweeps(sweep.role), PLATFORM, sweep.id, Sweep)
        assert found is not None, "sweeps are never deleted"  # noqa: S101 – narrows a type
        return found
