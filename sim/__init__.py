"""The simulator: what happens (world), what is done (mlops), what is learned (study)."""
