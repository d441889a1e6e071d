"""Honest logs to tamper with, and what a reader is handed afterwards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from random import Random

from privacyrights.audit import Finding
from tests.audit.writer import Entry, Log, log_of, make_entries, make_entry, signer

OUR_KEY = signer()
STRANGERS_KEY = signer(seed=2)


STORIES = 200
"""How many logs there are to tamper with: to make one costs more than to verify it."""


@dataclass(frozen=True)
class Story:
    """An honest log of 3 to 40 entries, itself when it was shorter, and another tenant's."""

    random: Random
    entries: list[Entry]
    log: Log
    kept: Log
    other: Log

    def some(self) -> int:
        """Return one of the log's positions."""
        return self.random.randrange(len(self.entries))

    def some_kept(self) -> int:
        """Return one of the positions of the log when it was shorter."""
        return self.random.randrange(len(self.kept.lines))


@dataclass(frozen=True)
class Handed:
    """What a reader is handed, and one of the findings that must be made in it.

    `kept` are the notes that he kept, `log` the one that he asked for; `is_named`: his key is
    that of a named ledger.
    """

    file: bytes
    among: frozenset[Finding]
    kept: tuple[bytes, ...] = ()
    log: str = ""
    is_named: bool = False


Kind = Callable[[Story], Handed]


def story_of(seed: int) -> Story:
    """Return the honest story of *seed*; what is made of it at random is *seed*'s alone."""
    return replace(_told(seed % STORIES), random=Random(seed))


@cache
def _told(number: int) -> Story:
    random = Random(number)
    entries = make_entries(random, "acme", random.randint(3, 40))
    entries[0]["reason"] = "café"
    log = log_of(entries, OUR_KEY)
    kept = log.first(random.randint(1, len(entries) - 1))
    other = log_of(make_entries(random, "globex", len(entries)), OUR_KEY, "globex")
    return Story(random, entries, log, kept, other)


def handed(file: bytes, *among: Finding, kept: Sequence[Log] = (), log: str = "") -> Handed:
    """Return what a reader is handed; one *among* these must be found, any if there are none."""
    return Handed(file, frozenset(among or Finding), tuple(one.note for one in kept), log)


def renumbered(entries: Sequence[Entry]) -> list[Entry]:
    """Return *entries* in the positions in which they are now."""
    return [{**entry, "position": position} for position, entry in enumerate(entries)]


def changed(random: Random, entry: Entry, member: str) -> Entry:
    """Return *entry* with another value of *member*, one that such an entry can have."""
    while True:
        tenant = random.choice(("acme", "globex", "initech"))
        other = make_entry(random, tenant, random.randrange(1000))
        if other[member] != entry[member]:
            return {**entry, member: other[member]}
