"""Injectors: how customers, outcomes and what is seen of them drift."""
