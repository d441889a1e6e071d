"""The lines of an exported log, read once and in order, in bounded memory."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import BinaryIO

from privacyrights.audit import leaf
from privacyrights.audit.findings import Finding, Findings, Oddity, Warned
from privacyrights.audit.leaf import Leaf, LeafError, read_leaf
from privacyrights.audit.merkle import Frontier

TOLERANCE = timedelta(minutes=1)
"""How far the clocks of a ledger's servers may be apart before it is odd."""


@dataclass(slots=True)
class Lines:
    """What is known of the lines read so far; `newest` is the latest time in them.

    `roots` holds, of the sizes that were asked for, the root of so many lines.
    """

    tree: Frontier = field(default_factory=Frontier)
    tenant: str | None = None
    newest: datetime | None = None
    newest_line: int = 0
    backwards: Warned | None = None
    roots: dict[int, bytes] = field(default_factory=dict[int, bytes])


def read_lines(file: BinaryIO, sizes: Collection[int], findings: Findings) -> Lines:
    """Read the lines of *file* up to the empty one, which is read as well.

    Adds what is wrong with them to *findings*, and notes the root at each of *sizes*.
    """
    lines = Lines()
    while True:
        if lines.tree.size in sizes:
            lines.roots[lines.tree.size] = lines.tree.root()
        line = file.readline(leaf.MAX_BYTES + 1)
        if line == b"\n":
            return lines
        if not line.endswith(b"\n") and len(line) <= leaf.MAX_BYTES:
            where = "in the middle of a line" if line else "after a line"
            findings.add(Finding.NOTE_MISSING, f"It ends {where}, before the empty line.")
            return lines
        _take(line, file, lines, findings)


def is_in_place(found: Leaf, number: int) -> bool:
    """Tell whether *found* may be line *number*, counted from 1."""
    return found.position == number - 1


def is_of_tenant(found: Leaf, tenant: str) -> bool:
    """Tell whether *found* is of *tenant*, whom the lines before are of."""
    return found.tenant == tenant


def _take(line: bytes, file: BinaryIO, lines: Lines, findings: Findings) -> None:
    number = lines.tree.size + 1
    content = line.removesuffix(b"\n")
    lines.tree.append(content)
    if len(content) > leaf.MAX_BYTES:
        _skip_line(file)
        findings.add(Finding.LINE_NOT_CANONICAL, "It is longer than any entry.", number)
        return
    try:
        found = read_leaf(content)
    except LeafError as error:
        findings.add(error.finding, error.detail, number)
        return
    _compare(found, number, lines, findings)


def _skip_line(file: BinaryIO) -> None:
    while True:
        more = file.readline(leaf.MAX_BYTES)
        if not more or more.endswith(b"\n"):
            return


def _compare(found: Leaf, number: int, lines: Lines, findings: Findings) -> None:
    if not is_in_place(found, number):
        findings.add(Finding.POSITION_WRONG, _misplaced(found, number), number)
    if lines.tenant is None:
        lines.tenant = found.tenant
    elif not is_of_tenant(found, lines.tenant):
        findings.add(Finding.TENANT_MIXED, "The lines before it are another tenant's.", number)
    if lines.newest is None or found.time > lines.newest:
        lines.newest, lines.newest_line = found.time, number
    elif found.time < lines.newest - TOLERANCE and lines.backwards is None:
        behind = lines.newest - found.time
        detail = f"Its time is {behind} before that of line {lines.newest_line}."
        lines.backwards = Warned(Oddity.TIME_BACKWARDS, detail, number)


def _misplaced(found: Leaf, number: int) -> str:
    if number == 1:
        return (
            f"The first line has position {found.position}. A part of a log can't be verified:"
            " export all of it, from position 0."
        )
    return f"It has position {found.position}, and must have {number - 1}."
