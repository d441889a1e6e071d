"""Ledger entries as the contract has them."""

from __future__ import annotations

from privacyrights.v1 import audit_service_pb2 as pb
from privacyrights.v1 import types_pb2
from server.domain.ledger import Entry
from server.domain.ledger.leaf import leaf_bytes
from server.handlers import names
from server.handlers.fields import ROLE_NUMBERS
from server.handlers.times import timestamp


def entry_message(entry: Entry) -> pb.LedgerEntry:
    """Return *entry* as the contract has it; with its leaf, once it has a position."""
    return pb.LedgerEntry(
        name=names.ledger_entry_name(entry.id),
        type=entry.type,
        time=timestamp(entry.time),
        role=ROLE_NUMBERS[entry.role] if entry.role else types_pb2.ROLE_UNSPECIFIED,
        subject_reference=entry.subject,
        actor=entry.actor,
        rpc=entry.rpc,
        purpose=entry.purpose and f"purposes/{entry.purpose}",
        reason=entry.reason,
        target=entry.target,
        commitment=entry.commitment,
        position=entry.position,
        leaf_hash=entry.leaf_hash,
        leaf=b"" if entry.position is None else leaf_bytes(entry),
    )
