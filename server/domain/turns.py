"""Letting calls that clashed over a document decide again one after the other."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakValueDictionary

from server.domain.change import Delete, Insert, Replace

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

    from server.domain.change import Write


class Contested(NamedTuple):
    """A document that calls may clash over: the name of its table, and its id."""

    table: str
    id: str


def contested(writes: Sequence[Write]) -> frozenset[Contested]:
    """Return the documents that *writes* expect to find as they were read."""
    return frozenset(
        Contested(write.table.name, write.entity.id)
        for write in writes
        if isinstance(write, Insert | Replace | Delete)
    )


class Turns:
    """Whose turn it is with the documents that calls of this server have clashed over.

    Nobody waits for a document before the first clash. From then on one call at a time
    decides about it, in the order in which they came, and newcomers join the line: however
    many there are, and however long each takes, none loses to another of this server again.
    """

    def __init__(self) -> None:
        """Begin without any line."""
        # A line is gone with the last call that stands in it.
        self._lines: WeakValueDictionary[Contested, asyncio.Lock] = WeakValueDictionary()

    @contextmanager
    def turn(self) -> Generator[Turn]:
        """Return what one call takes its turns with; all are given back at the end."""
        turn = Turn(self._lines)
        try:
            yield turn
        finally:
            turn.end()


class Turn:
    """The documents that it is one call's turn with."""

    def __init__(self, lines: WeakValueDictionary[Contested, asyncio.Lock]) -> None:
        """Stand in none of *lines* yet."""
        self._lines = lines
        self._mine: dict[Contested, asyncio.Lock] = {}

    def must_wait_for(self, documents: Iterable[Contested]) -> bool:
        """Tell whether others stand in line for one of *documents* whose turn isn't ours."""
        return bool(self._lines) and any(
            document in self._lines and document not in self._mine for document in documents
        )

    async def take(self, documents: Iterable[Contested]) -> None:
        """Return when it is our turn with all of *documents*.

        Who must wait for one gives back the others first, and all stand in line for several
        documents in the same order: so nobody waits for somebody who waits for them.
        """
        wanted = self._mine.keys() | documents
        if self.must_wait_for(wanted):
            self.end()
        for document in sorted(wanted - self._mine.keys()):
            line = self._lines.setdefault(document, asyncio.Lock())
            await line.acquire()
            self._mine[document] = line

    def end(self) -> None:
        """Let the next ones have their turns."""
        for line in self._mine.values():
            line.release()
        self._mine.clear()
