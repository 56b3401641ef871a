"""Models: which rows a model learns from, how it is fitted, tuned and calibrated."""
