"""Reads, from what `mongod` leaves behind, why it ended."""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

_QUOTED_CHARACTERS = 300
_TROUBLE = {"E", "F"}
# In the log's own words, and as the number that WiredTiger gives (ENOSPC).
_NO_SPACE = ("No space left on device", '"error":28,')


class Trouble(NamedTuple):
    """The first error that a `mongod` told: what follows it is its consequence."""

    words: str
    is_full_disk: bool = False


def first_trouble(log: Path, errors: Path) -> Trouble:
    """Return the first error in *log*, else in *errors*, its standard error."""
    for line in _lines(log):
        with suppress(ValueError):
            entry = json.loads(line)
            if entry.get("s") in _TROUBLE:
                return Trouble(_words(entry), any(sign in line for sign in _NO_SPACE))
    return Trouble(next(_complaints(errors), "it said nothing")[:_QUOTED_CHARACTERS])


def _words(entry: dict[str, Any]) -> str:
    match entry.get("attr"):
        # WiredTiger's words are a record in the record.
        case {"message": {"msg": detail}} | {"message": detail} | {"error": detail}:
            words = f"{entry.get('msg')}: {detail}"
        case _:
            words = str(entry.get("msg"))
    return " ".join(words.split())[:_QUOTED_CHARACTERS]


def _complaints(errors: Path) -> Iterator[str]:
    for line in _lines(errors):
        # The loader's warning about a borrowed library (see `mongod_binary`) is none.
        if line.strip() and "no version information available" not in line:
            yield line


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(errors="replace").splitlines()
    except OSError:
        return []
