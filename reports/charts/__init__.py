"""Charts: each is a function from records to a Matplotlib figure."""
