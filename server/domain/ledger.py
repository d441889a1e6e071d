"""Ledger entries: what happened, by whom, to whom and why – without any personal data."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from datetime import datetime

from server.domain.values import Role

PARTITIONS = 16
"""Partitions of the ledger; each is sequenced by one worker at a time."""


def partition_of(tenant: str) -> int:
    """Return the partition of *tenant*: stable for ever, since positions are counted in it."""
    return zlib.crc32(tenant.encode()) % PARTITIONS


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a tenant's log.

    `type` is a past-tense event name such as `consent.granted`; `subject` the keyed
    reference; `reason` what the caller stated. `target` is the resource's name, and
    `commitment` a salted SHA-256 of the content, kept where the content can be destroyed.
    """

    id: str
    tenant: str
    type: str
    time: datetime
    actor: str
    rpc: str
    partition: int
    role: Role | None = None
    subject: str = ""
    purpose: str = ""
    reason: str = ""
    target: str = ""
    commitment: bytes = b""
