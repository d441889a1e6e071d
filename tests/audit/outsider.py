"""What somebody without the ledger's key can do to an exported log on its way to a reader."""

from __future__ import annotations

from functools import partial

from privacyrights.audit import Finding
from tests.audit import forms
from tests.audit.stories import (
    OUR_KEY,
    Handed,
    Kind,
    Story,
    changed,
    handed,
    renumbered,
)
from tests.audit.writer import in_file, line_of, log_of, make_entry

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
            hand_out_another_tenants,
            hand_out_another_tenants_to_a_newcomer,
            hand_out_another_tenants_to_a_stranger,
            put_under_another_tenants_note,
            take_a_line_of_another_tenant,
        )
    },
}
"""Every kind by its name."""
