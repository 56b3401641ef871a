"""Stores: the log in DuckDB and the registry in MLflow."""
