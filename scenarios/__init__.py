"""Scenarios: frozen descriptions of worlds, and the catalogue of them."""
