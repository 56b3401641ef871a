"""Mechanism: who churns with which probability."""
