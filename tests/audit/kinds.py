"""Every kind of mutation, by its name."""

from __future__ import annotations

from tests.audit.insider import INSIDER
from tests.audit.note_forger import NOTE_FORGER
from tests.audit.outsider import OUTSIDER

KINDS = {**OUTSIDER, **NOTE_FORGER, **INSIDER}

# No two have one name.
assert len(OUTSIDER) + len(NOTE_FORGER) + len(INSIDER) == len(KINDS)
