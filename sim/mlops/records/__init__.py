"""Records: what happened, as plain facts, and the contracts of log and registry that keep them."""
