"""What is learned: judging records and comparing policies."""
