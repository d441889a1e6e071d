"""What may be processed at all: purposes, categories, policy versions, rules – reviewed first (S17)."""
