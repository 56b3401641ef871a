"""Named, independent random streams derived from one seed."""

from zlib import crc32

import numpy as np


class Streams:
    """Hands out one generator for each purpose, so that no part's draws depend on another part's.

    A stream is named by words and steps; the same seed and name always give the same numbers, in any order of
    asking. Seeds follow numpy's `SeedSequence`.

    >>> Streams(1).generator("offers", 3).random() == Streams(1).generator("offers", 3).random()
    True
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def generator(self, name: str, *keys: int) -> np.random.Generator:
        """Return a fresh generator for `name` and `keys` (steps may be negative, as in the warm-up)."""
        entropy = [self.seed, crc32(name.encode()), *(key % 2**32 for key in keys)]
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))

    def integer(self, name: str, *keys: int) -> int:
        """Return a number from 0 to 2**31 - 1, for libraries that want a seed of their own."""
        return int(self.generator(name, *keys).integers(2**31))
