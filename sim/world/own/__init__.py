"""A user's own table: how it is read, and the mechanism that is fitted to it."""
