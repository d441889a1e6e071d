"""Which verdicts an entry of the ledger makes doubtful: the one place that knows.

Everything is doubted that isn't known to be harmless. So a kind of entry that is new, and that
nobody has thought of here, costs caches a question too many, and never lets them say "allowed"
for longer than they should.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from server.domain.ledger import Entry

_OF_ONE_PURPOSE = frozenset({"consent.granted", "consent.refused", "consent.withdrawn"})
"""What is decided on one purpose leaves the verdicts on the others as they were."""

_HARMLESS = frozenset(
    {
        # Proposing and reviewing change nothing yet (S17). Scheduling does: a verdict that was
        # given before doesn't say that it ends then. So does withdrawing: a server that has not
        # seen it yet may have judged by what never takes effect.
        "catalogue.change_approved",
        "catalogue.change_proposed",
        "catalogue.change_rejected",
        # Readings.
        "catalogue.activities_exported",
        "directive.listed",
        "directive.read",
        "instruction.listed",
        "instruction.read",
        "rights.export_downloaded",
        "rights.exports_expired",
        "rights.request_read",
        # Its revocation told already.
        "instruction.data_erased",
    }
)

HARMLESS_KINDS = frozenset(
    {
        "breach",
        "chatbot",
        "contact",
        "disclosure",
        "inquiry",
        "interaction",
        "ledger",
        "recipient",
        # What is kept of somebody decides nothing. Whoever is put anew after an erasure was denied
        # before, and that is the safe side.
        "record",
        # Whom a sweep destroys has a `subject.erased` besides.
        "retention",
        "subscription",
        "tenant",
        "unanswered_messages",
        "webhook",
    }
)
"""Kinds of entry, before the dot, that no verdict depends on."""


@dataclass(frozen=True, slots=True)
class Invalidation:
    """That verdicts are no longer to be relied on; what is empty is all of them."""

    tenant: str
    subject: str
    purpose: str
    time: datetime


def invalidation(entry: Entry) -> Invalidation | None:
    """Return which verdicts *entry* makes doubtful, or None if it can't change any.

    An entry about a person makes doubtful what is known of that person, one about a tenant
    what is known of all its people, and one of the platform everything.
    """
    if entry.type in _HARMLESS or entry.type.partition(".")[0] in HARMLESS_KINDS:
        return None
    purpose = entry.purpose if entry.subject and entry.type in _OF_ONE_PURPOSE else ""
    return Invalidation(entry.tenant, entry.subject, purpose, entry.time)
