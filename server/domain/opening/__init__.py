"""Opening what ledger entries commit to, for as long as the keys are there."""
