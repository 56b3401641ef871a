"""Telco: the real table, its synthetic twin, and the rules that both keep."""
