"""Overlap: how far two samples are the same customers, and what that makes of the difference between them.

A finite table is not a stream of strangers: where it is replayed, a month holds customers whom the reference holds.
Both samples are then nearer to each other than independent ones, and a test that takes them for independent finds
less than it promises.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sim.world.schema.columns import Matrix, row_blocks

LEAST_RATIO = 0.01
"""Samples that share nearly all rows differ in too few for an asymptotic test: no smaller ratio is claimed."""

Keys = NDArray[np.uint64]


@dataclass(frozen=True)
class Sample:
    """Rows of customers: their ids, and their encoded features with a row each. A customer may come again."""

    customer_id: NDArray[np.str_]
    features: Matrix

    @classmethod
    def of_strangers(cls, features: Matrix, prefix: str) -> Self:
        """Return rows of whom each is a customer of its own; other prefixes are other customers."""
        return cls(np.array([f"{prefix}{number}" for number in range(len(features))], dtype=np.str_), features)

    @classmethod
    def joined(cls, parts: "Sequence[Sample]") -> Self:
        """Return the rows of several samples, one after another."""
        return cls(
            np.concatenate([part.customer_id for part in parts]), np.concatenate([part.features for part in parts])
        )

    def take(self, rows: NDArray[np.bool_] | NDArray[np.int64] | slice) -> Self:
        """Return some of the rows."""
        return type(self)(self.customer_id[rows], self.features[rows])

    def blocks(self, rows: NDArray[np.bool_]) -> Iterator[Self]:
        """Yield the rows of a mask, block after block."""
        for block in row_blocks(len(rows)):
            yield type(self)(self.customer_id[block], self.features[block]).take(rows[block])

    @cached_property
    def customers(self) -> Keys:
        """A number for the customer of each row."""
        keys = np.empty(len(self.customer_id), dtype=np.uint64)
        for rows in row_blocks(len(keys)):
            keys[rows] = _hashed(self.customer_id[rows].astype(object))
        return keys

    @cached_property
    def rows(self) -> Keys:
        """A number for each row: equal where a customer comes with the same values, missing ones among them."""
        column = 2 * _hashed(np.arange(self.features.shape[1])) + np.uint64(1)
        keys = self.customers.copy()
        for rows in row_blocks(len(keys)):
            features = self.features[rows]
            values = np.where(np.isnan(features), np.nan, features) + 0.0  # one nan and one zero
            mixed = _hashed(np.ascontiguousarray(values).ravel()).reshape(values.shape)
            keys[rows] += (mixed * column).sum(axis=1, dtype=np.uint64)
        return keys


@dataclass(frozen=True, slots=True)
class Overlap:
    """How far a batch and a reference are the same customers.

    `ratio` is the variance of the difference between the means of the two, as a share of what it would be between as
    many strangers: 1 where nobody is in both or twice in one. `is_stranger` says which rows of the batch are of
    customers whom the reference does not know, `None` for all.
    """

    ratio: float = 1.0
    is_stranger: NDArray[np.bool_] | None = None


STRANGERS = Overlap()
"""Nobody is in both."""


@dataclass(frozen=True)
class Seen:
    """The rows of a reference, by what a batch is recognised: distinct rows with how often each comes, and customers.

    `newest` are the places of the last row of each customer, in ascending order.
    """

    rows: Keys
    times: NDArray[np.int64]
    customers: Keys
    newest: NDArray[np.int64]

    @classmethod
    def of(cls, sample: Sample) -> Self:
        """Return what is recognised of a sample."""
        return cls.of_keys(sample.rows, sample.customers)

    @classmethod
    def of_keys(cls, rows: Keys, customers: Keys) -> Self:
        """Return what is recognised of a sample, given the number of each row and of its customer."""
        distinct, times = np.unique(rows, return_counts=True)
        known, last = np.unique(customers[::-1], return_index=True)
        return cls(distinct, times, known, np.sort(len(customers) - 1 - last))

    def overlap(self, batch: Sample) -> Overlap:
        """Return how far a batch holds the same customers.

        Let customer i come a(i) times in the n rows of one sample and b(i) times in the m rows of the other, with the
        value x(i). The difference of the means is the sum of c(i) x(i) with c(i) = a(i) / n - b(i) / m, which add up
        to 0. Where nothing has moved, every assignment of the values to the customers is as likely, whatever the size
        of the table; so the variance is S2 times the sum of c(i)2, where S2 is the variance of the values over the
        customers (Hoeffding, A combinatorial central limit theorem, Annals of Mathematical Statistics 22, 1951,
        theorem 2). Between strangers that is S2 (1/n + 1/m), with k of them in both, S2 (1/n + 1/m - 2k/(nm)). What
        holds for means holds for shares, ranks and distribution functions.

        Only rows that come with all values unchanged count as the same. A customer whose values have changed counts
        as a stranger: where they are alike all the same, a test finds less than it promises, never more.
        """
        n, m = int(self.times.sum()), len(batch.customers)
        if not n or not m:
            return STRANGERS
        rows, times = np.unique(batch.rows, return_counts=True)
        strangers = 1 / n + 1 / m
        again = (_square(self.times) - n) / n**2 + (_square(times) - m) / m**2
        both = int(_looked_up(self.rows, self.times, rows) @ times)
        ratio = (strangers + again - 2 * both / (n * m)) / strangers
        return Overlap(max(ratio, LEAST_RATIO), ~_is_among(self.customers, batch.customers))


def _hashed(values: NDArray[np.generic]) -> Keys:
    return np.asarray(pd.util.hash_array(values, categorize=False), dtype=np.uint64)


def _square(times: NDArray[np.int64]) -> int:
    return int(times @ times)


def _looked_up(keys: Keys, values: NDArray[np.int64], wanted: Keys) -> NDArray[np.int64]:
    """Return the value of each wanted key, 0 where it is not among the keys, which are in ascending order."""
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[place] == wanted, values[place], 0)


def _is_among(keys: Keys, wanted: Keys) -> NDArray[np.bool_]:
    return _looked_up(keys, np.ones(len(keys), dtype=np.int64), wanted) > 0
