"""An entry as an event: what CloudEvents 1.0 calls its source and subject, and what it changes."""

from __future__ import annotations

from server.domain.ledger import Entry

_INVALIDATING = (
    "consent.",
    "subject.erased",
    # An objection or restriction takes effect when its request is completed.
    "rights.request_completed",
    "rights.objection",
    "rights.restriction",
)
"""Beginnings of the types after which a verdict on processing may be another one."""


def source(entry: Entry) -> str:
    """Return where an event comes from: the log that *entry* is in."""
    return f"tenants/{entry.tenant}/ledger" if entry.tenant else "platform/ledger"


def about(entry: Entry) -> str:
    """Return what an event is about: a person, by reference, or else a resource."""
    return entry.subject or entry.target


def invalidates_verdict(entry: Entry) -> bool:
    """Tell whether who cached a verdict about the person has to ask anew."""
    return entry.type.startswith(_INVALIDATING)
