"""Destroying data when its time is over, and not before (S11, S12, Art. 5(1)(e))."""
