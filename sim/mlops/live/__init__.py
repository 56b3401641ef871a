"""The live run: the loop on real stores, in a folder that can be resumed."""
