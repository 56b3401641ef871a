"""Inference: what differences between policies are worth, and how sure that is."""
