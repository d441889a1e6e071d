"""Purposes, categories, policy versions, rules: in force only after their review (S17)."""
