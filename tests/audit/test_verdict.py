"""What a verdict says beside yes and no: which lines, since when, and what is merely odd."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest

from privacyrights.audit import Finding, Found, Oddity, UnreadableError, read_keys
from tests.audit.stories import OUR_KEY, STRANGERS_KEY
from tests.audit.verifying import verdict
from tests.audit.writer import BEGIN, Log, in_file, line_of, log_of, make_entries, stamp

ENTRIES = make_entries(Random(7), "acme", 20)
LOG = log_of(ENTRIES, OUR_KEY)


def edited(at: int, reason: str = "another") -> Log:
    """Return the log with another reason at a position."""
    entries = [*ENTRIES[:at], {**ENTRIES[at], "reason": reason}, *ENTRIES[at + 1 :]]
    return log_of(entries, OUR_KEY)


def only(file: bytes, *kept: bytes) -> Found:
    """Return the one finding there is."""
    (found,) = verdict(file, kept).findings
    return found


def test_verified() -> None:
    """A verdict tells what was signed: log, size, root, time, and what it was held against."""
    answer = verdict(LOG.file, [LOG.first(5).note])

    assert answer.verified
    assert answer.checkpoint is not None
    assert "ledger.example/tenants/acme" == answer.checkpoint.origin
    assert (20, 20) == (answer.lines, answer.checkpoint.size)
    assert BEGIN + timedelta(seconds=30) == answer.checkpoint.time
    assert [5] == [earlier.checkpoint.size for earlier in answer.earlier]


@pytest.mark.parametrize(("at", "first", "last"), [(0, 1, 5), (4, 1, 5), (5, 6, 12), (19, 13, 20)])
def test_kept_checkpoints_tell_where(at: int, first: int, last: int) -> None:
    """Of an edited log, checkpoints of 5 and 12 entries tell between which of them it is wrong."""
    file = in_file(edited(at).lines, LOG.note)
    found = only(file, LOG.first(12).note, LOG.first(5).note)

    assert (Finding.ROOT_DIFFERS, first, last) == (found.finding, found.line, found.last_line)


def test_edited_file_is_no_fork() -> None:
    """Nobody says that the operator rewrote history because a file was edited on the way."""
    file = in_file(edited(3).lines, LOG.note)

    assert Finding.ROOT_DIFFERS == only(file, LOG.first(5).note).finding


def test_fork_says_which_checkpoint() -> None:
    """A fork is told with the checkpoint that contradicts the log."""
    found = only(edited(3).file, LOG.first(2).note, LOG.first(5).note)

    assert (Finding.FORK, 1, 5) == (found.finding, found.line, found.last_line)
    assert "note 2" in found.detail


def test_two_roots_of_one_size() -> None:
    """If the lines are those of a kept checkpoint, it is the log's own that is wrong."""
    wrong = replace(LOG, root=bytes(32))
    found = only(wrong.file, LOG.note)

    assert (Finding.ROOT_DIFFERS, None) == (found.finding, found.line)


def test_part_of_a_log_is_told_from_a_gap() -> None:
    """An export that doesn't begin at position 0 is refused, and the sentence says what to do."""
    file = in_file(LOG.lines[7:], LOG.note)
    found = verdict(file).findings[0]

    assert (Finding.POSITION_WRONG, 1) == (found.finding, found.line)
    assert "has position 7. A part of a log can't be verified" in found.detail


def test_first_line_of_each_kind() -> None:
    """However many lines are wrong, each finding is told once, with its first line."""
    lines = [line + b" " if at in {4, 9} else line for at, line in enumerate(LOG.lines)]
    del lines[12]
    found = verdict(in_file(lines, LOG.note)).findings

    assert [
        (Finding.LINE_NOT_CANONICAL, 5),
        (Finding.POSITION_WRONG, 13),
        (Finding.SIZE_DIFFERS, None),
    ] == [(one.finding, one.line) for one in found]


def test_findings_quote_nothing() -> None:
    """What is said of a hostile file repeats none of its text, which could harm a terminal."""
    entry = {**ENTRIES[3], "tenant": "\x1b[31mevil", "reason": "evil"}
    lines = [*LOG.lines[:3], line_of(entry), b"evil", *LOG.lines[5:]]
    note = LOG.note.replace(b"acme", b"evil\x7f")
    answer = verdict(in_file(lines, note))

    assert not answer.verified
    assert "evil" not in str(answer)


def test_keys_after_a_rotation() -> None:
    """A checkpoint of the old key and a log of the new one verify with both keys, not with one."""
    old = replace(LOG.first(5), signer=STRANGERS_KEY)
    both = json.loads(OUR_KEY.jwks)["keys"] + json.loads(STRANGERS_KEY.jwks)["keys"]
    keys = read_keys(json.dumps({"keys": both}).encode())

    assert verdict(LOG.file, [old.note], keys=keys).verified
    assert Finding.EARLIER_NOT_SIGNED == only(LOG.file, old.note).finding


def test_both_keys_sign_during_a_rotation() -> None:
    """A note that the old and the new key signed verifies with either."""
    _, _, signature = replace(LOG, signer=STRANGERS_KEY).note.rpartition(b"\n\n")
    file = LOG.file + signature

    assert verdict(file).verified
    assert verdict(file, keys=read_keys(STRANGERS_KEY.verifier.encode())).verified


def test_platforms_log_and_a_tenant_called_platform() -> None:
    """Two logs whose names look alike are two logs."""
    platform = log_of(make_entries(Random(1), "", 3), OUR_KEY, "")
    tenant = log_of(make_entries(Random(1), "platform", 3), OUR_KEY, "platform")

    assert verdict(platform.file, log="platform").verified
    assert verdict(tenant.file, log="tenants/platform").verified
    assert not verdict(tenant.file, log="platform").verified
    assert not verdict(platform.file, log="tenants/platform").verified


def test_old_entry_is_odd() -> None:
    """An entry far older than one before it is a warning: clocks can be wrong, and are signed."""
    entries = [*ENTRIES[:9], {**ENTRIES[9], "time": stamp(BEGIN - timedelta(hours=1))}]
    answer = verdict(log_of(entries, OUR_KEY).file)

    assert answer.verified
    assert [(Oddity.TIME_BACKWARDS, 10)] == [(one.oddity, one.line) for one in answer.warnings]


def test_early_checkpoint_is_odd() -> None:
    """A checkpoint older than an entry that it counts is a warning."""
    entries = [*ENTRIES[:9], {**ENTRIES[9], "time": stamp(BEGIN + timedelta(days=1))}]
    answer = verdict(log_of(entries, OUR_KEY).file)

    assert answer.verified
    assert [(Oddity.SIGNED_EARLY, 10)] == [(one.oddity, one.line) for one in answer.warnings]


def test_later_earlier_checkpoint_is_odd() -> None:
    """An earlier checkpoint of a later time is a warning, as long as it fits."""

    class Later(Log):
        @property
        def text(self) -> str:
            return super().text.replace("time 2026", "time 2027")

    kept = Later("acme", LOG.lines[:5], OUR_KEY)
    answer = verdict(LOG.file, [kept.note])

    assert answer.verified
    assert [Oddity.EARLIER_IS_LATER] == [one.oddity for one in answer.warnings]


@pytest.mark.parametrize("content", [b"", b"\n", b"{}", LOG.file, LOG.text.encode()])
def test_kept_that_is_no_checkpoint(content: bytes) -> None:
    """What was kept but isn't a checkpoint is a mistake of the reader, not a finding."""
    with pytest.raises(UnreadableError, match="note 1"):
        verdict(LOG.file, [content])
