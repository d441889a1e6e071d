"""What the strongest adversary can do: the operator, who signs whatever he likes.

He can't be caught by someone who kept nothing – except where what he signs contradicts itself.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from functools import partial

from privacyrights.audit import Finding
from tests.audit import forms
from tests.audit.stories import OUR_KEY, Handed, Kind, Story, changed, handed, renumbered
from tests.audit.writer import LEDGER, Entry, Log, log_of, make_entry, signer

_ELSEWHERE = "badger.example"


def _rewritten(story: Story, entries: list[Entry]) -> Handed:
    return handed(log_of(entries, OUR_KEY).file, Finding.FORK, kept=[story.kept])


def edit_before_kept(member: str, story: Story) -> Handed:
    """Rewrite an entry that the kept note counts."""
    entries, at = list(story.entries), story.some_kept()
    entries[at] = changed(story.random, entries[at], member)
    return _rewritten(story, entries)


def drop_before_kept(story: Story) -> Handed:
    """Take out an entry that the kept note counts."""
    entries = list(story.entries)
    del entries[story.some_kept()]
    return _rewritten(story, renumbered(entries))


def insert_before_kept(story: Story) -> Handed:
    """Put in an entry that never was, before the kept note's end."""
    entries, at = list(story.entries), story.some_kept()
    entries.insert(at, make_entry(story.random, "acme", at))
    return _rewritten(story, renumbered(entries))


def swap_before_kept(story: Story) -> Handed:
    """Let two entries change places, one of which the kept note counts."""
    entries, at = list(story.entries), story.some_kept()
    entries[at], entries[at + 1] = entries[at + 1], entries[at]
    return _rewritten(story, renumbered(entries))


def branch_before_kept(story: Story) -> Handed:
    """Go on differently from before the kept note's end."""
    at = story.some_kept()
    more = [make_entry(story.random, "acme", n) for n in range(at, len(story.entries) + 3)]
    return _rewritten(story, story.entries[:at] + more)


def roll_back_and_go_on(story: Story) -> Handed:
    """Take entries back, and write others until the log is as long as it was."""
    at, size = story.some_kept(), len(story.kept.lines)
    more = [make_entry(story.random, "acme", n) for n in range(at, size)]
    return _rewritten(story, story.entries[:at] + more)


def sign_the_same_size_twice(story: Story) -> Handed:
    """Show two readers different logs of one size."""
    entries, at = list(story.entries), story.some()
    entries[at] = changed(story.random, entries[at], "reason")
    return handed(log_of(entries, OUR_KEY).file, Finding.FORK, kept=[story.log])


def fork_between_kept(story: Story) -> Handed:
    """Rewrite what was added between two notes that were kept."""
    first = story.kept.first(story.some_kept())
    entries = list(story.entries)
    at = story.random.randrange(len(first.lines), len(story.kept.lines))
    entries[at] = changed(story.random, entries[at], "reason")
    kept = story.random.sample([first, story.kept], 2)
    return handed(log_of(entries, OUR_KEY).file, Finding.FORK, kept=kept)


def roll_back(story: Story) -> Handed:
    """Take entries back."""
    before = log_of(story.entries[: story.some_kept()], OUR_KEY)
    return handed(before.file, Finding.ROLLBACK, kept=[story.kept])


def sign_a_gap(story: Story) -> Handed:
    """Leave out an entry, and let the others keep their positions."""
    entries = list(story.entries)
    del entries[story.random.randrange(len(entries) - 1)]
    return handed(log_of(entries, OUR_KEY).file, Finding.POSITION_WRONG)


def sign_a_double(story: Story) -> Handed:
    """Write an entry twice."""
    entries, at = list(story.entries), story.some()
    entries.insert(at, entries[at])
    return handed(log_of(entries, OUR_KEY).file, Finding.POSITION_WRONG)


def sign_a_part(story: Story) -> Handed:
    """Sign the end of a log as if it were all of it."""
    entries = story.entries[1 + story.random.randrange(len(story.entries) - 1) :]
    return handed(log_of(entries, OUR_KEY).file, Finding.POSITION_WRONG)


def sign_a_line_of_another_tenant(story: Story) -> Handed:
    """Put another tenant's line in the place of one's own."""
    lines, at = list(story.log.lines), story.some()
    lines[at] = story.other.lines[at]
    return _signed(replace(story.log, lines=tuple(lines)), Finding.TENANT_MIXED)


def sign_all_lines_of_another_tenant(story: Story) -> Handed:
    """Sign another tenant's lines as this tenant's."""
    return _signed(replace(story.other, tenant=story.log.tenant), Finding.TENANT_MIXED)


def sign_another_form(form: str, story: Story) -> Handed:
    """Sign a line in a form that isn't canonical."""
    first = forms.SAME_MEANING[form](story.log.lines[0])
    log = replace(story.log, lines=(first, *story.log.lines[1:]))
    return _signed(log, Finding.LINE_NOT_CANONICAL)


def sign_no_entry(form: str, story: Story) -> Handed:
    """Sign what is no entry."""
    change, found = forms.NO_ENTRY[form]
    first = change(story.log.lines[0])
    return _signed(replace(story.log, lines=(first, *story.log.lines[1:])), found)


def sign_another_size(story: Story) -> Handed:
    """Sign the root of all lines with another size."""
    size = story.random.choice([n for n in range(60) if n != len(story.entries)])
    return _signed(replace(story.log, size=str(size)), Finding.SIZE_DIFFERS)


def sign_another_root(story: Story) -> Handed:
    """Sign the size with another root."""
    return _signed(replace(story.log, root=story.random.randbytes(32)), Finding.ROOT_DIFFERS)


def sign_a_padded_size(story: Story) -> Handed:
    """Sign the size with a zero before it, or a blank, or a sign."""
    form = story.random.choice(("0", "+", " ")) + str(len(story.entries))
    return _signed(replace(story.log, size=form), Finding.NOTE_MALFORMED)


def sign_a_short_root(story: Story) -> Handed:
    """Sign a root that isn't 32 bytes."""
    return _signed(replace(story.log, root=story.random.randbytes(31)), Finding.NOTE_MALFORMED)


def sign_more_than_a_checkpoint(story: Story) -> Handed:
    """Sign a line that checkpoints don't have."""
    return _signed(replace(story.log, extension="more\n"), Finding.NOTE_MALFORMED)


class _Text(Log):
    """A log under a note of another text."""

    @property
    def text(self) -> str:
        """Return the extension: all of the text."""
        return self.extension


def sign_another_text(number: int, line: str, story: Story) -> Handed:
    """Sign a text of which one line isn't a checkpoint's."""
    lines = story.log.text.split("\n")
    lines[number] = line
    log = _Text("acme", story.log.lines, OUR_KEY, extension="\n".join(lines))
    return _signed(log, Finding.NOTE_MALFORMED)


def sign_as_another_ledger(story: Story) -> Handed:
    """Sign as another ledger, for someone who kept a note of this one."""
    key = signer(_ELSEWHERE)
    log = replace(story.log, ledger=_ELSEWHERE, signer=key)
    return handed(log.file, Finding.ORIGIN_DIFFERS, Finding.KEY_UNKNOWN, kept=[story.kept])


def sign_for_another_ledger(story: Story) -> Handed:
    """Sign another ledger's log in this ledger's name."""
    return _signed(replace(story.log, ledger=_ELSEWHERE), Finding.KEY_UNKNOWN)


def sign_with_a_named_key_of_another_ledger(story: Story) -> Handed:
    """Sign in another ledger's name, for someone who has the key of a named ledger."""
    log = replace(story.log, ledger=_ELSEWHERE, signer=signer(_ELSEWHERE))
    return replace(handed(log.file, Finding.KEY_UNKNOWN), is_named=True)


def sign_twice(story: Story) -> Handed:
    """Put a genuine signature of another checkpoint of one's own under the genuine one."""
    _, _, another = story.kept.note.rpartition(b"\n\n")
    return handed(story.log.file + another, Finding.SIGNATURE_INVALID)


def _signed(log: Log, found: Finding) -> Handed:
    return handed(log.file, found)


_NO_HASH = b64encode(b"\x00" * 32).decode().replace("=", "")
_TEXTS = {
    "no origin": (0, ""),
    "an origin that is no log": (0, LEDGER),
    "an origin of no tenant": (0, f"{LEDGER}/tenants/"),
    "an origin of a tenant that can't be": (0, f"{LEDGER}/tenants/Acme"),
    "an origin that can't be printed": (0, f"{LEDGER}\x7f/tenants/acme"),
    "no size": (1, ""),
    "a size of a fraction": (1, "3.0"),
    "a negative size": (1, "-1"),
    "a size beyond counting": (1, "9" * 19),
    "a size in other digits": (1, "٣"),
    "a root without padding": (2, _NO_HASH),
    "a root that isn't base64": (2, "root"),
    "no time": (3, "more"),
    "a time without a name": (3, "2026-03-01T00:00:00.000Z"),
    "a time that can't be": (3, "time 2026-03-01T25:00:00.000Z"),
    "a control character": (3, "time\t2026-03-01T00:00:00.000Z"),
}

INSIDER: dict[str, Kind] = {
    **{
        f"edit {member} before kept": partial(edit_before_kept, member)
        for member in ("actor", "commitment", "reason", "subject", "time", "type")
    },
    **{f"sign {form}": partial(sign_another_form, form) for form in forms.SAME_MEANING},
    **{f"sign {form}": partial(sign_no_entry, form) for form in forms.NO_ENTRY},
    **{f"sign {name}": partial(sign_another_text, *text) for name, text in _TEXTS.items()},
    **{
        kind.__name__.replace("_", " "): kind
        for kind in (
            drop_before_kept,
            insert_before_kept,
            swap_before_kept,
            branch_before_kept,
            roll_back_and_go_on,
            sign_the_same_size_twice,
            fork_between_kept,
            roll_back,
            sign_a_gap,
            sign_a_double,
            sign_a_part,
            sign_a_line_of_another_tenant,
            sign_all_lines_of_another_tenant,
            sign_another_size,
            sign_another_root,
            sign_a_padded_size,
            sign_a_short_root,
            sign_more_than_a_checkpoint,
            sign_as_another_ledger,
            sign_for_another_ledger,
            sign_with_a_named_key_of_another_ledger,
            sign_twice,
        )
    },
}
"""Every kind by its name."""
