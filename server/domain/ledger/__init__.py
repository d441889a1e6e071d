"""The ledger: a log per tenant that only grows, proves itself, and holds no personal data.

entry        what is written with each change
sequencing   decides positions; sequencer carries that out and signs checkpoints
leaf         an entry as the bytes that are hashed
merkle       the tree over the leaves, and its proofs (RFC 6962)
heads        how far logs, feeds and trees have come
checkpoint   a signed statement of a log's size and root
log          reads proofs
alterations  tells heads that somebody has altered
"""

from server.domain.ledger.entry import LEDGER, PARTITIONS, Entry, new_entry, partition_of

__all__ = ["LEDGER", "PARTITIONS", "Entry", "new_entry", "partition_of"]
