"""What is done: scoring, backfilling, monitoring, training, validating and promoting."""
