"""Comparison: policies x scenarios x seeds x gates, from the plan of a study to its leaderboard."""
