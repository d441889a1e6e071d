"""Ledger entries: what happened, by whom, to whom and why – without any personal data."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from server.domain.change import Kind, Table
from server.domain.values import Role

if TYPE_CHECKING:
    from server.domain.call import Call
    from server.domain.ports import Ids

LEDGER = Table(Kind.LEDGER)

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

    An entry is committed with its change, and waits. The sequencer, just after, gives it its
    places in the order of commits, which is that of the database's clock; nothing else of it
    ever changes. The database keeps `waiting` and `stamp` until then, for the sequencer only.

    Shapes:
        generation: the life of the subject whose key the commitment is salted under; None if
            there is no commitment, or it is salted under another key. It is in no leaf.
        position: in the tenant's log, from 0 without a gap; None while it waits.
        feed_position: in the feed of its partition, from 0 without a gap; None while it waits.
        leaf_hash: SHA-256 of a zero byte and the leaf (RFC 6962, 2.1); empty while it waits.
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
    generation: int | None = None
    position: int | None = None
    feed_position: int | None = None
    leaf_hash: bytes = b""


def new_entry(
    call: Call,
    ids: Ids,
    *,
    tenant: str,
    type: str,
    time: datetime,
    role: Role | None = None,
    subject: str = "",
    purpose: str = "",
    reason: str = "",
    target: str = "",
) -> Entry:
    """Return the entry that says what *call* did.

    *subject* is the reference, *target* a resource name.
    """
    return Entry(
        id=f"{tenant}/{ids.new(role)}",
        tenant=tenant,
        type=type,
        time=time,
        actor=call.caller,
        rpc=call.rpc,
        partition=partition_of(tenant),
        role=role,
        subject=subject,
        purpose=purpose,
        reason=reason,
        target=target,
    )
