"""What somebody without the ledger's key can do to an exported log on its way to a reader."""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import replace
from functools import partial

from privacyrights.audit import Finding
from tests.audit import forms
from tests.audit.stories import (
    OUR_KEY,
    STRANGERS_KEY,
    Handed,
    Kind,
    Story,
    changed,
    handed,
    renumbered,
)
from tests.audit.writer import Entry, Signer, in_file, line_of, log_of, make_entry

MEMBERS = (
    *("actor", "commitment", "id", "position", "purpose", "reason", "role"),
    *("rpc", "subject", "target", "tenant", "time", "type"),
)
_FOUND_AS = {"position": Finding.POSITION_WRONG, "tenant": Finding.TENANT_MIXED}


def edit(member: str, story: Story) -> Handed:
    """Give one entry another value of *member*."""
    lines, at = list(story.log.lines), story.some()
    lines[at] = line_of(changed(story.random, story.entries[at], member))
    return handed(in_file(lines, story.log.note), _FOUND_AS.get(member, Finding.ROOT_DIFFERS))


def flip_a_bit(story: Story) -> Handed:
    """Change one bit anywhere in the file."""
    file = bytearray(story.log.file)
    file[story.random.randrange(len(file))] ^= 1 << story.random.randrange(8)
    return handed(bytes(file))


def drop(story: Story) -> Handed:
    """Leave out one line that isn't the last."""
    lines = list(story.log.lines)
    del lines[story.random.randrange(len(lines) - 1)]
    return handed(in_file(lines, story.log.note), Finding.POSITION_WRONG)


def drop_and_renumber(story: Story) -> Handed:
    """Leave out one entry, and close the gap."""
    at = story.some()
    entries = renumbered(story.entries[:at] + story.entries[at + 1 :])
    lines = log_of(entries, OUR_KEY).lines
    return handed(in_file(lines, story.log.note), Finding.SIZE_DIFFERS)


def swap_neighbours(story: Story) -> Handed:
    """Let two lines change places."""
    lines, at = list(story.log.lines), story.random.randrange(len(story.entries) - 1)
    lines[at], lines[at + 1] = lines[at + 1], lines[at]
    return handed(in_file(lines, story.log.note), Finding.POSITION_WRONG)


def swap_and_renumber(story: Story) -> Handed:
    """Let two entries change places, and their positions with them."""
    entries, at = list(story.entries), story.random.randrange(len(story.entries) - 1)
    entries[at], entries[at + 1] = entries[at + 1], entries[at]
    lines = log_of(renumbered(entries), OUR_KEY).lines
    return handed(in_file(lines, story.log.note), Finding.ROOT_DIFFERS)


def move(story: Story) -> Handed:
    """Put one line elsewhere."""
    lines = list(story.log.lines)
    source, target = story.random.sample(range(len(lines)), 2)
    lines.insert(target, lines.pop(source))
    return handed(in_file(lines, story.log.note), Finding.POSITION_WRONG)


def insert(story: Story) -> Handed:
    """Add an entry that never was, in the position of another."""
    lines, at = list(story.log.lines), story.some()
    lines.insert(at, line_of(make_entry(story.random, "acme", at)))
    return handed(in_file(lines, story.log.note), Finding.POSITION_WRONG)


def append(story: Story) -> Handed:
    """Add an entry that never was at the end."""
    entry = make_entry(story.random, "acme", len(story.entries))
    lines = (*story.log.lines, line_of(entry))
    return handed(in_file(lines, story.log.note), Finding.SIZE_DIFFERS)


def double(story: Story) -> Handed:
    """Write one line twice."""
    lines, at = list(story.log.lines), story.some()
    lines.insert(at, lines[at])
    return handed(in_file(lines, story.log.note), Finding.POSITION_WRONG)


def truncate(story: Story) -> Handed:
    """Leave out the last lines, under the log's own checkpoint."""
    lines = story.log.lines[: story.some()]
    return handed(in_file(lines, story.log.note), Finding.SIZE_DIFFERS)


def put_under_an_old_note(story: Story) -> Handed:
    """Put all lines under the genuine note of the log when it was shorter."""
    return handed(in_file(story.log.lines, story.kept.note), Finding.SIZE_DIFFERS)


def hand_out_an_old_export(story: Story) -> Handed:
    """Hand out the log as it was before the note was kept: lines and note are genuine."""
    before = story.kept.first(story.some_kept())
    return handed(before.file, Finding.ROLLBACK, kept=[story.kept])


def cut_off(story: Story) -> Handed:
    """End the file anywhere before its end."""
    file = story.log.file
    return handed(file[: story.random.randrange(len(file))])


def leave_out_the_note(story: Story) -> Handed:
    """Hand out the lines only."""
    file = b"".join(line + b"\n" for line in story.log.lines)
    return handed(file, Finding.NOTE_MISSING)


def end_the_lines_early(story: Story) -> Handed:
    """Put an empty line among the others, so that the rest seems to be the note."""
    at = story.some()
    file = in_file(story.log.lines[:at], in_file(story.log.lines[at:], story.log.note))
    return handed(file, Finding.NOTE_MALFORMED)


def append_text(story: Story) -> Handed:
    """Add something after the note."""
    more = story.random.choice((b"\n", b" ", b"x", b"\r\n", story.log.lines[0] + b"\n"))
    return handed(story.log.file + more, Finding.NOTE_MALFORMED)


def end_lines_otherwise(story: Story) -> Handed:
    """End every line with a carriage return as well."""
    return handed(story.log.file.replace(b"\n", b"\r\n"), Finding.LINE_NOT_CANONICAL)


def write_otherwise(form: str, story: Story) -> Handed:
    """Write an entry in another form that means the same."""
    first = forms.SAME_MEANING[form](story.log.lines[0])
    lines = (first, *story.log.lines[1:])
    return handed(in_file(lines, story.log.note), Finding.LINE_NOT_CANONICAL)


def decompose(story: Story) -> Handed:
    """Write a text in another normal form of Unicode, which looks the same."""
    lines = (forms.decomposed(story.log.lines[0]), *story.log.lines[1:])
    return handed(in_file(lines, story.log.note), Finding.ROOT_DIFFERS)


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


def hand_out_another_tenants(story: Story) -> Handed:
    """Hand out another tenant's log, all genuine, to someone who kept a note of his own."""
    return handed(story.other.file, Finding.ORIGIN_DIFFERS, kept=[story.kept])


def hand_out_another_tenants_to_a_newcomer(story: Story) -> Handed:
    """Hand out another tenant's log, all genuine, to someone who kept a note of no entries."""
    return handed(story.other.file, Finding.ORIGIN_DIFFERS, kept=[story.log.first(0)])


def hand_out_another_tenants_to_a_stranger(story: Story) -> Handed:
    """Hand out another tenant's log, all genuine, to someone who kept nothing."""
    log = story.random.choice(("tenants/acme", "platform"))
    return handed(story.other.file, Finding.ORIGIN_DIFFERS, log=log)


def put_under_another_tenants_note(story: Story) -> Handed:
    """Put the lines under the genuine note of another tenant's log."""
    file = in_file(story.log.lines, story.other.note)
    return handed(file, Finding.TENANT_MIXED)


def take_a_line_of_another_tenant(story: Story) -> Handed:
    """Put another tenant's line in the place of one's own."""
    lines, at = list(story.log.lines), story.some()
    lines[at] = story.other.lines[at]
    return handed(in_file(lines, story.log.note), Finding.TENANT_MIXED)


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


def write_no_entry(form: str, story: Story) -> Handed:
    """Put what is no entry in the place of one."""
    change, found = forms.NO_ENTRY[form]
    lines = (change(story.log.lines[0]), *story.log.lines[1:])
    return handed(in_file(lines, story.log.note), found)


OUTSIDER: dict[str, Kind] = {
    **{f"edit {member}": partial(edit, member) for member in MEMBERS},
    **{f"write as {form}": partial(write_otherwise, form) for form in forms.SAME_MEANING},
    **{f"put in {form}": partial(write_no_entry, form) for form in forms.NO_ENTRY},
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
            flip_a_bit,
            drop,
            drop_and_renumber,
            swap_neighbours,
            swap_and_renumber,
            move,
            insert,
            append,
            double,
            truncate,
            put_under_an_old_note,
            hand_out_an_old_export,
            cut_off,
            leave_out_the_note,
            end_the_lines_early,
            append_text,
            end_lines_otherwise,
            decompose,
            edit_ledger,
            edit_key_name,
            edit_key_id,
            edit_signature,
            write_signature_otherwise,
            take_signature_of_another,
            leave_out_the_signature,
            sign_as_stranger,
            sign_as_impostor,
            hand_out_another_tenants,
            hand_out_another_tenants_to_a_newcomer,
            hand_out_another_tenants_to_a_stranger,
            put_under_another_tenants_note,
            take_a_line_of_another_tenant,
            forge_kept_note,
        )
    },
}
"""Every kind by its name."""
