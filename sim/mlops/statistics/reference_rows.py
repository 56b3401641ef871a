"""Reference rows: what is kept of the rows that later batches are compared with, read block after block."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from sim.world.schema.columns import UNSEEN, Matrix, Schema


@dataclass(frozen=True, slots=True)
class ReferenceRows:
    """Rows of customers, of which comparisons need the numbers, and of categories how often each comes.

    `numbers` holds the n values of each numeric feature by its position, `categories` the counts of the bins of each
    categorical one: the unseen first, then the categories, and the missing values last.
    """

    schema: Schema
    n_rows: int
    numbers: Mapping[int, Matrix]
    categories: Mapping[int, NDArray[np.int64]]

    @classmethod
    def of(cls, schema: Schema, blocks: Iterable[Matrix]) -> Self:
        """Return what is kept of the rows of some encoded matrices, one after another."""
        n_rows, parts = 0, {position: [np.empty(0)] for position in schema.number_positions}
        sizes = _bin_counts(schema)
        starts = np.concatenate([[0], np.cumsum(sizes)])
        counts = np.zeros(starts[-1], dtype=np.int64)
        for features in blocks:
            n_rows += len(features)
            places = category_bins(schema, features) + starts[:-1]
            counts += np.bincount(places.ravel(), minlength=len(counts))
            for position, values in parts.items():
                values.append(features[:, position].copy())
        numbers = {position: np.concatenate(parts.pop(position)) for position in schema.number_positions}
        found = np.split(counts, starts[1:-1]) if len(sizes) else []
        return cls(schema, n_rows, numbers, dict(zip(schema.category_positions, found, strict=True)))


def category_bins(schema: Schema, features: Matrix) -> NDArray[np.int64]:
    """Return the bin of each categorical value, n rows by as many columns as there are such features.

    The bins of a category are its codes, one up for the unseen; a code that the schema does not know is unseen.
    """
    last = _bin_counts(schema) - 1
    codes = features[:, list(schema.category_positions)] - UNSEEN
    codes[codes >= last] = 0.0
    return np.where(np.isnan(codes), last, codes).astype(np.int64)


def _bin_counts(schema: Schema) -> NDArray[np.int64]:
    """Return the number of bins of each categorical feature."""
    return np.array([len(schema.columns[at].categories) + 2 for at in schema.category_positions], dtype=np.int64)
