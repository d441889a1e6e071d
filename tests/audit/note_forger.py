"""What somebody without the ledger's key can do to a checkpoint's note."""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import replace
from functools import partial

from privacyrights.audit import Finding
from tests.audit.stories import (
    OUR_KEY,
    STRANGERS_KEY,
    Handed,
    Kind,
    Story,
    changed,
    handed,
)
from tests.audit.writer import Entry, Signer, in_file, log_of


def edit_note(number: int, story: Story) -> Handed:
    """Change one line of what was signed: origin, size, root or time."""
    signed = story.log.text.split("\n")
    others = replace(story.kept, tenant="globex").text.split("\n")
    if number == len(others) - 2:
        others[number] = "time 2031-01-01T00:00:00.000Z"
    note = story.log.note.replace(signed[number].encode(), others[number].encode(), 1)
    return handed(in_file(story.log.lines, note), Finding.SIGNATURE_INVALID)


def edit_ledger(story: Story) -> Handed:
    """Let the note be another ledger's."""
    note = story.log.note.replace(b"ledger", b"badger", 1)
    return handed(in_file(story.log.lines, note), Finding.KEY_UNKNOWN)


def edit_key_name(story: Story) -> Handed:
    """Let the signature be another ledger's."""
    note = b"badger".join(story.log.note.rsplit(b"ledger", 1))
    return handed(in_file(story.log.lines, note), Finding.KEY_UNKNOWN)


def edit_key_id(story: Story) -> Handed:
    """Let the signature be another key's."""
    return _with_signature(story, Finding.KEY_UNKNOWN, story.random.randrange(4 * 8))


def edit_signature(story: Story) -> Handed:
    """Change one bit of the signature."""
    bit = story.random.randrange(4 * 8, 68 * 8)
    return _with_signature(story, Finding.SIGNATURE_INVALID, bit)


def _with_signature(story: Story, found: Finding, bit: int) -> Handed:
    start, _, encoded = story.log.note.rstrip(b"\n").rpartition(b" ")
    signature = bytearray(b64decode(encoded))
    signature[bit // 8] ^= 1 << bit % 8
    note = start + b" " + b64encode(signature) + b"\n"
    return handed(in_file(story.log.lines, note), found)


def write_signature_otherwise(story: Story) -> Handed:
    """Write the signature in another form that a careless decoder takes for the same."""
    start, _, encoded = story.log.note.rstrip(b"\n").rpartition(b" ")
    # 68 bytes leave two bits of the last character before the = unused.
    careless = encoded[:-2] + bytes([encoded[-2] + 1]) + b"="
    assert b64decode(encoded) == b64decode(careless)
    note = start + b" " + careless + b"\n"
    return handed(in_file(story.log.lines, note), Finding.NOTE_MALFORMED)


def take_signature_of_another(story: Story) -> Handed:
    """Put a genuine signature under what it wasn't made for."""
    _, _, signature = story.kept.note.rpartition(b"\n\n")
    note = story.log.text.encode() + b"\n" + signature
    return handed(in_file(story.log.lines, note), Finding.SIGNATURE_INVALID)


def leave_out_the_signature(story: Story) -> Handed:
    """Leave the note unsigned."""
    note = story.log.text.encode() + story.random.choice((b"", b"\n"))
    return handed(in_file(story.log.lines, note), Finding.NOTE_MALFORMED)


def sign_as_stranger(story: Story) -> Handed:
    """Rewrite the log, and sign it in the ledger's name with a key of one's own."""
    log = log_of(_forged(story), STRANGERS_KEY)
    return handed(log.file, Finding.KEY_UNKNOWN)


class _Impostor(Signer):
    """Signs with a stranger's key, and says that it is ours."""

    @property
    def key_id(self) -> bytes:
        """Return the id of our key."""
        return OUR_KEY.key_id


def sign_as_impostor(story: Story) -> Handed:
    """Rewrite the log, and sign it as if with the ledger's key."""
    log = log_of(_forged(story), _Impostor(STRANGERS_KEY.name, STRANGERS_KEY.key))
    return handed(log.file, Finding.SIGNATURE_INVALID)


def _forged(story: Story) -> list[Entry]:
    entries, at = list(story.entries), story.some()
    entries[at] = changed(story.random, entries[at], "reason")
    return entries


def edit_kept_note(number: int, story: Story) -> Handed:
    """Change the note that was kept, so that the honest log seems wrong, or less is compared."""
    file = handed(story.log.file, Finding.EARLIER_NOT_SIGNED)
    signed, other = story.kept.text.split("\n"), story.log.text.split("\n")
    note = story.kept.note.replace(signed[number].encode(), other[number].encode(), 1)
    return replace(file, kept=(note,))


def forge_kept_note(story: Story) -> Handed:
    """Sign a note with a key of one's own, and say that it was kept."""
    kept = replace(story.kept, signer=STRANGERS_KEY)
    return handed(story.log.file, Finding.EARLIER_NOT_SIGNED, kept=[kept])


NOTE_FORGER: dict[str, Kind] = {
    **{
        f"edit note's {line}": partial(edit_note, number)
        for number, line in enumerate(("origin", "size", "root", "time"))
    },
    **{
        f"edit kept note's {line}": partial(edit_kept_note, number)
        for number, line in enumerate(("size", "root", "time"), 1)
    },
    **{
        kind.__name__.replace("_", " "): kind
        for kind in (
            edit_ledger,
            edit_key_name,
            edit_key_id,
            edit_signature,
            write_signature_otherwise,
            take_signature_of_another,
            leave_out_the_signature,
            sign_as_stranger,
            sign_as_impostor,
            forge_kept_note,
        )
    },
}
"""Every kind by its name."""
