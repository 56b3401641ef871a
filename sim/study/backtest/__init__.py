"""Backtest: what each trigger would have said of a team's own log, and what the log can't say."""
