"""Charts and reports, drawn from records."""
