"""The feed: the ledger in order, as those read it who act on what happened."""
