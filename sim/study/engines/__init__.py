"""Engines: where independent work is done. Each is an executor of `concurrent.futures`, and nothing more."""
