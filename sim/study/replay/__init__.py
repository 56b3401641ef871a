"""Replay: the loop in memory, where nothing is computed twice."""
