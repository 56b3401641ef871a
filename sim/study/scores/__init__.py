"""Scores: what a record is worth, from its quantities and the truth."""
