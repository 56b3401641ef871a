"""Stability: how far today's values have moved from the champion's reference."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import kolmogorov

from sim.world.schema import UNSEEN, Column, Matrix, Schema

N_BINS = 10
SMOOTHING = 0.5


@dataclass(frozen=True)
class Binning:
    """The bins of one feature: quantile bins of the reference or categories, and one for missing values.

    A categorical feature has one more bin, for unseen categories.
    """

    edges: Matrix
    n_bins: int

    @classmethod
    def of_numbers(cls, reference: Matrix) -> Self:
        """Cut a numeric reference at its deciles; equal deciles share a bin."""
        present = reference[~np.isnan(reference)]
        quantiles = np.linspace(0, 1, N_BINS + 1)[1:-1]
        edges = np.unique(np.quantile(present, quantiles)) if len(present) else np.empty(0)
        return cls(edges, len(edges) + 2)

    @classmethod
    def of_column(cls, column: Column, reference: Matrix) -> Self:
        """Return the bins of a feature, given its values in the reference."""
        if not column.is_category:
            return cls.of_numbers(reference)
        return cls(np.arange(UNSEEN, len(column.categories) - 1) + 0.5, len(column.categories) + 2)

    def bins(self, values: Matrix) -> NDArray[np.int64]:
        """Return the bin of each value; the last bin holds the missing values."""
        bins = np.searchsorted(self.edges, values, side="left")
        return np.where(np.isnan(values), self.n_bins - 1, bins)

    def counts(self, values: Matrix) -> NDArray[np.int64]:
        """Return the number of values in each bin."""
        return np.bincount(self.bins(values), minlength=self.n_bins)


def population_stability(reference: NDArray[np.int64], today: NDArray[np.int64]) -> float:
    """Return the population stability index of two vectors of bin counts.

    PSI = sum of (p - q) ln(p / q) over bins (Siddiqi, Credit Risk Scorecards, 2006, section 9), with half a
    count added to each bin on both sides, so that an empty bin costs the same whichever side it is on. It is biased
    upwards by about (bins - 1)(1/n + 1/m) where nothing has moved.

    >>> round(population_stability(np.array([50, 50]), np.array([50, 50])), 6)
    0.0
    """
    whole = np.array([len(reference)])
    return float(_stability(reference, today, np.array([0]), whole)[0])


def kolmogorov_smirnov_p(reference: Matrix, today: Matrix) -> float | None:
    """Return the asymptotic p-value of the two-sample Kolmogorov-Smirnov test, `None` if a side is empty.

    Parameters
    ----------
    reference, today
        Values in ascending order without missing ones.

    Notes
    -----
    p = Q(D sqrt(n m / (n + m))) with Kolmogorov's limiting survival function Q (Smirnov, 1948).
    """
    n, m = len(reference), len(today)
    if not n or not m:
        return None
    values = np.concatenate([reference, today])
    gaps = np.searchsorted(reference, values, side="right") / n - np.searchsorted(today, values, side="right") / m
    return float(kolmogorov(np.abs(gaps).max() * np.sqrt(n * m / (n + m))))


@dataclass(frozen=True, slots=True)
class FeatureDrift:
    """How one feature of a batch compares with the reference; `ks_p` is missing for categories."""

    name: str
    null_rate: float
    unseen_rate: float
    psi: float
    ks_p: float | None


class Reference:
    """The features and scores that a champion's later batches are compared with.

    Parameters
    ----------
    schema
        The features.
    features
        The recent part of the rows that the champion was trained on.
    scores
        Its probabilities on the rows of its gate.
    """

    def __init__(self, schema: Schema, features: Matrix, scores: Matrix) -> None:
        self.n_rows = len(features)
        self._schema = schema
        self._binnings = [
            Binning.of_column(column, features[:, index]) for index, column in enumerate(schema.columns)
        ]
        self._sizes = np.array([binning.n_bins for binning in self._binnings])
        self._starts = np.concatenate([[0], np.cumsum(self._sizes)[:-1]])
        self._counts = self._count(features)
        self._sorted = {index: _sorted_present(features[:, index]) for index in schema.number_positions}
        self._score_binning = Binning.of_numbers(scores)
        self._score_counts = self._score_binning.counts(scores)

    def compare(self, features: Matrix) -> Sequence[FeatureDrift]:
        """Return the drift of each feature of a batch of at least one row, in the order of the schema."""
        counts, n_rows = self._count(features), len(features)
        psi = _stability(self._counts, counts, self._starts, self._sizes).tolist()
        unseen = (counts[self._starts] / n_rows).tolist()
        missing = (counts[self._starts + self._sizes - 1] / n_rows).tolist()
        return [
            FeatureDrift(column.name, missing[index], unseen[index], psi[index], None)
            if column.is_category
            else FeatureDrift(column.name, missing[index], 0.0, psi[index], self._ks_p(index, features))
            for index, column in enumerate(self._schema.columns)
        ]

    def score_psi(self, scores: Matrix) -> float:
        """Return the population stability index of a batch's scores."""
        return population_stability(self._score_counts, self._score_binning.counts(scores))

    def _count(self, features: Matrix) -> NDArray[np.int64]:
        """Return the number of values in each bin of each feature, one feature after another.

        The bins of a category are its codes, one up for the unseen, so that all categories are counted at once.
        """
        bins = np.empty(features.shape, dtype=np.int64)
        categories = list(self._schema.category_positions)
        codes = features[:, categories] - UNSEEN
        bins[:, categories] = np.where(np.isnan(codes), self._sizes[categories] - 1, codes)
        for index in self._schema.number_positions:
            bins[:, index] = self._binnings[index].bins(features[:, index])
        return np.bincount((bins + self._starts).ravel(), minlength=int(self._sizes.sum()))

    def _ks_p(self, index: int, features: Matrix) -> float | None:
        return kolmogorov_smirnov_p(self._sorted[index], _sorted_present(features[:, index]))


def _stability(
    reference: NDArray[np.int64], today: NDArray[np.int64], starts: NDArray[np.int64], sizes: NDArray[np.int64]
) -> Matrix:
    """Return the index of each feature, whose bin counts stand one after another from `starts` on."""
    p, q = (_smoothed(counts, starts, sizes) for counts in (today, reference))
    return np.asarray(np.add.reduceat((p - q) * np.log(p / q), starts))


def _smoothed(counts: NDArray[np.int64], starts: NDArray[np.int64], sizes: NDArray[np.int64]) -> Matrix:
    totals = np.add.reduceat(counts, starts) + SMOOTHING * sizes
    return np.asarray((counts + SMOOTHING) / np.repeat(totals, sizes))


def _sorted_present(values: Matrix) -> Matrix:
    return np.sort(values[~np.isnan(values)])
