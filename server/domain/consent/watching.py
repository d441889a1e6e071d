"""Telling caches of verdicts which of them are no longer to be relied on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from server.domain.consent.invalidation import Invalidation, invalidation
from server.domain.errors import ResumeTokenInvalidError, StorageUnavailableError
from server.domain.ledger import partition_of

if TYPE_CHECKING:
    from server.domain.feed.frontier import Frontier, Sight
    from server.domain.feed.tails import Tails
    from server.domain.ledger import Entry
    from server.domain.tenants import Tenants
    from server.domain.values import Role

LIFE_SECONDS = 0.25
"""After how long without an invalidation a sign of life is sent, as a rule."""

SILENCE_SECONDS = 1.0
"""After how long it is sent although the database can't say how far the feed is."""

START_SECONDS = 5.0
"""How long the database has to say where a stream begins."""

MOST_BEHIND = 10_000
"""Entries of a partition that are gone through; with more, its tenants are doubted as a whole."""

PLATFORM = ""


@dataclass(frozen=True, slots=True)
class Watched:
    """Whose verdicts: those of *tenants*, in one regime."""

    tenants: tuple[str, ...]
    role: Role

    def __post_init__(self) -> None:
        """Know each tenant once."""
        object.__setattr__(self, "tenants", tuple(sorted(set(self.tenants))))

    @property
    def partitions(self) -> Sequence[int]:
        """Where entries can be: of the tenants, and of the platform, whose catalogue is theirs."""
        return sorted({partition_of(tenant) for tenant in (*self.tenants, PLATFORM)})

    def concerns(self, entry: Entry) -> bool:
        """Tell whether *entry* can be about these verdicts: another tenant's never is."""
        is_theirs = entry.tenant == PLATFORM or entry.tenant in self.tenants
        return is_theirs and entry.role in {None, self.role}


@dataclass(frozen=True, slots=True)
class Told:
    """What one message says.

    Shapes:
        complete_time: all that was acknowledged by then has been told; None: not known yet.
        positions: partition → the position that comes next.
    """

    invalidations: Sequence[Invalidation]
    complete_time: datetime | None
    positions: Mapping[int, int]
    token: str


class Watching:
    """The streams of invalidations of this process.

    A stream holds a position for each partition and a page of entries at most, however slow its
    reader is; one that has fallen far behind is told to rely on nothing, instead of every entry.
    """

    def __init__(self, tenants: Tenants, tails: Tails, frontier: Frontier) -> None:
        """Read what *tails* have, as far as *frontier* sees; somebody has to run both."""
        self._tenants = tenants
        self._tails = tails
        self._frontier = frontier

    async def watch(
        self, watched: Watched, positions: Mapping[int, int] | None
    ) -> AsyncGenerator[Told]:
        """Yield what is no longer to be relied on, after *positions* or from now on; never end.

        The first `complete_time` is not before the call. So whoever counts from when it called
        knows how old each later one is at most, whatever its own clock says.

        Raises:
            TenantNotFoundError: one of the tenants doesn't exist.
            ResumeTokenInvalidError: the feed has no such *positions*.
            StorageUnavailableError: the database can't say where the feed is.
        """
        await asyncio.gather(*(self._tenants.get(tenant) for tenant in watched.tenants))
        begun = self._frontier.now()
        self._frontier.join()
        try:
            sight = await self._frontier.after(self._frontier.begun, at_most_seconds=START_SECONDS)
            if sight is None:
                raise StorageUnavailableError
            at = _first(watched, positions, sight)
            silent_until = 0.0
            while True:
                async for told in self._news(watched, at, sight, begun):
                    clock = asyncio.get_running_loop().time()
                    if told.invalidations or clock >= silent_until:
                        yield told
                        silent_until = asyncio.get_running_loop().time() + LIFE_SECONDS
                later = await self._frontier.after(sight.number, at_most_seconds=SILENCE_SECONDS)
                sight = later or sight
        finally:
            self._frontier.leave()

    async def _news(
        self, watched: Watched, at: dict[int, int], sight: Sight, begun: datetime
    ) -> AsyncGenerator[Told]:
        """Yield what *sight* lets be told beyond *at*, which follows; at last how far that is."""
        for partition in watched.partitions:
            end = sight.ends[partition]
            if end - at[partition] > MOST_BEHIND:
                at[partition] = end
                everything = _everything(watched, partition, self._frontier.now())
                yield Told(everything, None, dict(at), sight.token)
            while at[partition] < end:
                entries = await self._tails.read(partition, at[partition])
                entries = entries[: end - at[partition]]
                if not entries:
                    return  # Not readable yet; nothing is complete.
                at[partition] += len(entries)
                if found := _invalidations(watched, entries):
                    yield Told(found, None, dict(at), sight.token)
        complete = sight.complete_time
        is_known = complete is not None and complete >= begun
        yield Told((), complete if is_known else None, dict(at), sight.token)


def _first(watched: Watched, positions: Mapping[int, int] | None, sight: Sight) -> dict[int, int]:
    heads = {partition: sight.heads[partition] for partition in watched.partitions}
    if positions is None:
        return heads
    if positions.keys() != heads.keys() or any(
        not 0 <= position <= heads[partition] for partition, position in positions.items()
    ):
        raise ResumeTokenInvalidError
    return dict(positions)


def _invalidations(watched: Watched, entries: Sequence[Entry]) -> Sequence[Invalidation]:
    """Return what *entries* invalidate, each only once, in their order."""
    found: dict[tuple[str, str, str], Invalidation] = {}
    for entry in entries:
        made = invalidation(entry) if watched.concerns(entry) else None
        if made is not None:
            found.setdefault((made.tenant, made.subject, made.purpose), made)
    return tuple(found.values())


def _everything(watched: Watched, partition: int, now: datetime) -> Sequence[Invalidation]:
    return [
        Invalidation(tenant, "", "", now)
        for tenant in (*watched.tenants, PLATFORM)
        if partition_of(tenant) == partition
    ]
