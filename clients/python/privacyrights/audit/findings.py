"""What a verifier can find, by names that stay: scripts and reports refer to them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Finding(Enum):
    """A reason not to believe a log; the value says what it means."""

    LINE_NOT_CANONICAL = "a line isn't the canonical JSON (RFC 8785) that was signed"
    LINE_MEMBERS = "a line hasn't exactly the members of a ledger entry, in their forms"
    TENANT_MIXED = "a line belongs to another tenant than the log"
    POSITION_WRONG = "lines were dropped, inserted, doubled or moved, or this isn't a whole export"
    NOTE_MISSING = "the file ends before its checkpoint: it was cut off, or isn't a whole export"
    NOTE_MALFORMED = "what follows the lines isn't a signed checkpoint"
    KEY_UNKNOWN = "nobody whose key was given has signed the checkpoint in this ledger's name"
    SIGNATURE_INVALID = "the checkpoint was changed after it was signed, or the signature is forged"
    ORIGIN_DIFFERS = "this is another log than the one that was asked for"
    SIZE_DIFFERS = "lines were dropped from the log, or added to it, after it was signed"
    ROOT_DIFFERS = "the lines aren't those that were signed"
    ROLLBACK = "the log once was longer: entries at its end were taken back"
    FORK = "history was rewritten: the entries that an earlier checkpoint counts were others"
    EARLIER_NOT_SIGNED = "an earlier checkpoint isn't signed by a key that was given: no evidence"


class Oddity(Enum):
    """Something odd that takes nothing from the proof; the value says what it means."""

    TIME_BACKWARDS = "an entry is much older than one before it: a server's clock was wrong"
    SIGNED_EARLY = "the checkpoint is older than an entry that it counts"
    EARLIER_IS_LATER = "an earlier checkpoint was signed later than the log's own"


@dataclass(frozen=True, slots=True)
class Found:
    """A finding, and where: the first such line of the file, from 1, or the first and the last.

    `detail` is a sentence about this log. It repeats no text of the file.
    """

    finding: Finding
    detail: str
    line: int | None = None
    last_line: int | None = None


@dataclass(frozen=True, slots=True)
class Warned:
    """An oddity, and the first line of the file that it is about, from 1."""

    oddity: Oddity
    detail: str
    line: int | None = None


class Findings:
    """The first finding of each name, in the order in which they were made."""

    def __init__(self) -> None:
        self._found: dict[Finding, Found] = {}

    def add(
        self, finding: Finding, detail: str, line: int | None = None, last_line: int | None = None
    ) -> None:
        """Keep the finding, unless there is one of its name."""
        self._found.setdefault(finding, Found(finding, detail, line, last_line))

    def all(self) -> tuple[Found, ...]:
        """Return them all."""
        return tuple(self._found.values())

    def __contains__(self, finding: Finding) -> bool:
        return finding in self._found
