"""Policies: when to retrain. They know signals and decisions, and nothing of the simulator."""
