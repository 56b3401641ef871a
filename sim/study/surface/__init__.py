"""Surfaces: every setting of a rule, judged in many worlds at once, and what follows from that."""
