"""The story is told as it should, and fails loudly when a promise isn't kept."""
