"""The verdict on an exported log: its lines, its checkpoint, and checkpoints kept from before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

from privacyrights.audit import note
from privacyrights.audit.checkpoint import (
    Checkpoint,
    SignatureError,
    read_checkpoint,
    signed_by,
)
from privacyrights.audit.findings import Finding, Findings, Found, Oddity, Warned
from privacyrights.audit.keys import PublicKey
from privacyrights.audit.lines import Lines, read_lines
from privacyrights.audit.note import NoteError, read_note


class UnreadableError(ValueError):
    """What was given as an earlier checkpoint isn't one; the message says which, and why."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The note of a checkpoint that somebody kept, and what to call it."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Earlier:
    """A checkpoint that somebody kept, is signed, and has that name."""

    name: str
    checkpoint: Checkpoint


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be believed of a log; verified if there are no findings.

    `checkpoint` is None, and one is missing in `earlier`, unless it is signed.
    """

    lines: int
    checkpoint: Checkpoint | None
    earlier: tuple[Earlier, ...]
    findings: tuple[Found, ...]
    warnings: tuple[Warned, ...]

    @property
    def verified(self) -> bool:
        """Whether nothing was found."""
        return not self.findings


def verify_log(
    file: BinaryIO, keys: Sequence[PublicKey], kept: Sequence[Kept] = (), log: str = ""
) -> Verdict:
    """Verify the exported log *file*, read once and in bounded memory.

    *keys* are those that its reader trusts; *log* is which one it must be, `tenants/{tenant}`
    or `platform`, or empty. Each of *kept* must be a checkpoint of the same log when it was
    shorter.

    Raises:
        UnreadableError: one of *kept* isn't a checkpoint.
        OSError: *file* can't be read.
    """
    findings = Findings()
    before = _signed_earlier(kept, keys, findings)
    lines = read_lines(file, {it.checkpoint.size for it in before}, findings)
    signed = _signed_checkpoint(file, keys, findings)
    if signed is not None:
        if not is_log(signed, log):
            findings.add(Finding.ORIGIN_DIFFERS, f"It is {signed.origin}.")
        _compare_lines(lines, signed, before, findings)
        compare_earlier(lines, signed, before, findings)
    warnings = _warnings(lines, signed, before)
    return Verdict(lines.tree.size, signed, before, findings.all(), warnings)


def is_log(checkpoint: Checkpoint, log: str) -> bool:
    """Tell whether *checkpoint* is of *log*, by its resource name; every one is if it is empty."""
    return log in ("", checkpoint.log)


def is_of_same_log(earlier: Checkpoint, checkpoint: Checkpoint) -> bool:
    """Tell whether two checkpoints are of one log."""
    return earlier.origin == checkpoint.origin


def is_tenants(lines: Lines, checkpoint: Checkpoint) -> bool:
    """Tell whether *lines*, if there are any, are of the tenant that *checkpoint* is of."""
    return lines.tenant in (None, checkpoint.tenant)


def has_size(lines: Lines, checkpoint: Checkpoint) -> bool:
    """Tell whether *lines* are as many as *checkpoint* counts."""
    return lines.tree.size == checkpoint.size


def has_root(lines: Lines, checkpoint: Checkpoint) -> bool:
    """Tell whether *lines* are those that *checkpoint* counts."""
    return lines.tree.root() == checkpoint.root


def has_grown(earlier: Checkpoint, checkpoint: Checkpoint) -> bool:
    """Tell whether the log is at least as long as it was."""
    return checkpoint.size >= earlier.size


def begins_with(lines: Lines, earlier: Checkpoint) -> bool:
    """Tell whether the first of *lines* are those that *earlier* counts."""
    return lines.roots.get(earlier.size) == earlier.root


def _signed_earlier(
    kept: Sequence[Kept], keys: Sequence[PublicKey], findings: Findings
) -> tuple[Earlier, ...]:
    signed: list[Earlier] = []
    for it in kept:
        try:
            signed.append(Earlier(it.name, _signed(it.content, keys)))
        except NoteError as error:
            raise UnreadableError(f"{it.name} isn't a signed checkpoint. {error}") from None
        except SignatureError as error:
            findings.add(Finding.EARLIER_NOT_SIGNED, f"It is {it.name}. {error.detail}")
    return tuple(signed)


def _signed_checkpoint(
    file: BinaryIO, keys: Sequence[PublicKey], findings: Findings
) -> Checkpoint | None:
    if Finding.NOTE_MISSING in findings:
        return None
    try:
        return _signed(file.read(note.MAX_BYTES + 1), keys)
    except NoteError as error:
        findings.add(Finding.NOTE_MALFORMED, str(error))
    except SignatureError as error:
        findings.add(error.finding, error.detail)
    return None


def _signed(content: bytes, keys: Sequence[PublicKey]) -> Checkpoint:
    whole = read_note(content)
    checkpoint = read_checkpoint(whole)
    signed_by(whole, checkpoint, keys)
    return checkpoint


def _compare_lines(
    lines: Lines, signed: Checkpoint, before: Sequence[Earlier], findings: Findings
) -> None:
    if not is_tenants(lines, signed):
        findings.add(Finding.TENANT_MIXED, "The checkpoint is another tenant's.", 1)
    if not has_size(lines, signed):
        detail = f"There are {lines.tree.size:,} lines; {signed.size:,} were signed."
        findings.add(Finding.SIZE_DIFFERS, detail)
    elif not has_root(lines, signed):
        first, last = _suspects(lines, signed, before)
        if first <= last:
            detail = f"Any of the lines {first:,} to {last:,} may be wrong."
            findings.add(Finding.ROOT_DIFFERS, detail, first, last)
        else:
            detail = "An earlier checkpoint was signed for these very lines."
            findings.add(Finding.ROOT_DIFFERS, detail)


def _suspects(lines: Lines, signed: Checkpoint, before: Sequence[Earlier]) -> tuple[int, int]:
    """Return the first and the last line that may be wrong, as far as *before* tells."""
    within = [
        it.checkpoint
        for it in before
        if is_of_same_log(it.checkpoint, signed) and it.checkpoint.size in lines.roots
    ]
    right = max((it.size for it in within if begins_with(lines, it)), default=0)
    wrong = min((it.size for it in within if it.size > right), default=lines.tree.size)
    return right + 1, wrong


def compare_earlier(
    lines: Lines, signed: Checkpoint, before: Sequence[Earlier], findings: Findings
) -> None:
    """Add to *findings* in what the log *signed* contradicts those *before*."""
    # That two signed statements contradict each other is a grave thing to say: it is said of
    # a log that its own checkpoint fits, not of a file that somebody edited on the way.
    is_intact = has_size(lines, signed) and has_root(lines, signed)
    for name, earlier in ((it.name, it.checkpoint) for it in before):
        if not is_of_same_log(earlier, signed):
            detail = f"{name} is a checkpoint of {earlier.origin}; this is {signed.origin}."
            findings.add(Finding.ORIGIN_DIFFERS, detail)
        elif not has_grown(earlier, signed):
            detail = f"It has {signed.size:,} entries; {name} counted {earlier.size:,}."
            findings.add(Finding.ROLLBACK, detail)
        elif is_intact and not begins_with(lines, earlier):
            detail = f"These aren't the {earlier.size:,} entries that {name} counts."
            findings.add(Finding.FORK, detail, 1, earlier.size)


def _warnings(
    lines: Lines, signed: Checkpoint | None, before: Sequence[Earlier]
) -> tuple[Warned, ...]:
    warned = [lines.backwards] if lines.backwards else []
    if signed is None:
        return tuple(warned)
    if lines.newest is not None and lines.newest > signed.time:
        detail = f"It was signed {lines.newest - signed.time} before."
        warned.append(Warned(Oddity.SIGNED_EARLY, detail, lines.newest_line))
    for it in before:
        if it.checkpoint.time > signed.time:
            detail = f"{it.name} was signed {it.checkpoint.time - signed.time} later."
            warned.append(Warned(Oddity.EARLIER_IS_LATER, detail))
    return tuple(warned)
