"""Subjects' requests, from receipt to proof (Art. 12, 15–22)."""
