"""The distribution of a sample: its distinct values, and how many rows lie at or below each."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from sim.world.schema.columns import Matrix


@dataclass(frozen=True, slots=True)
class Distribution:
    """The empirical distribution of some values; of millions of prices there are few distinct ones.

    `values` are the k distinct ones in ascending order, `counts` the k + 1 numbers of values below the first, up to
    the first, and so on.
    """

    values: Matrix
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, values: Matrix) -> Self:
        """Return the distribution of values in ascending order without missing ones.

        >>> Distribution.of(np.array([1.0, 1.0, 3.0])).counts_up_to(np.array([0.0, 1.0, 2.0, 3.0])).tolist()
        [0, 2, 2, 3]
        """
        is_last = np.append(values[1:] != values[:-1], True) if len(values) else np.empty(0, dtype=np.bool_)
        return cls(values[is_last], np.concatenate([[0], np.flatnonzero(is_last) + 1]))

    @property
    def n_values(self) -> int:
        """How many values there are."""
        return int(self.counts[-1])

    def counts_up_to(self, values: Matrix) -> NDArray[np.int64]:
        """Return how many values are at most as large as each of those given."""
        return np.asarray(self.counts[np.searchsorted(self.values, values, side="right")])
