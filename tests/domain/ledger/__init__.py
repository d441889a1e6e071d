"""The ledger's decisions: order, hashes, proofs, statements."""
