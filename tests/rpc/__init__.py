"""A real server and real callers."""
