"""Breaches, whom they affect, and the notices of them (S10, Art. 33, 34)."""
