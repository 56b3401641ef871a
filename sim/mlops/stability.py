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

    def counts(self, values: Matrix) -> NDArray[np.int64]:
        """Return the number of values in each bin; the last bin holds the missing values."""
        bins = np.searchsorted(self.edges, values, side="left")
        return np.bincount(np.where(np.isnan(values), self.n_bins - 1, bins), minlength=self.n_bins)


def population_stability(reference: NDArray[np.int64], today: NDArray[np.int64]) -> float:
    """Return the population stability index of two vectors of bin counts.

    PSI = sum of (p - q) ln(p / q) over bins (Siddiqi, Credit Risk Scorecards, 2006, section 9), with half a
    count added to each bin on both sides, so that an empty bin costs the same whichever side it is on. It is biased
    upwards by about (bins - 1)(1/n + 1/m) where nothing has moved.

    >>> round(population_stability(np.array([50, 50]), np.array([50, 50])), 6)
    0.0
    """
    p = (today + SMOOTHING) / (today.sum() + SMOOTHING * len(today))
    q = (reference + SMOOTHING) / (reference.sum() + SMOOTHING * len(reference))
    return float(np.sum((p - q) * np.log(p / q)))


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
        self._schema = schema
        self._binnings = [
            Binning.of_column(column, features[:, index]) for index, column in enumerate(schema.columns)
        ]
        self._counts = [binning.counts(features[:, index]) for index, binning in enumerate(self._binnings)]
        self._sorted = {index: _sorted_present(features[:, index]) for index in schema.number_positions}
        self._score_binning = Binning.of_numbers(scores)
        self._score_counts = self._score_binning.counts(scores)

    def compare(self, features: Matrix) -> Sequence[FeatureDrift]:
        """Return the drift of each feature of a batch of at least one row, in the order of the schema."""
        return [self._compare_column(index, features[:, index]) for index in range(len(self._schema.columns))]

    def score_psi(self, scores: Matrix) -> float:
        """Return the population stability index of a batch's scores."""
        return population_stability(self._score_counts, self._score_binning.counts(scores))

    def _compare_column(self, index: int, values: Matrix) -> FeatureDrift:
        column, binning = self._schema.columns[index], self._binnings[index]
        counts = binning.counts(values)
        unseen = counts[0] / len(values) if column.is_category else 0.0
        ks_p = None if column.is_category else kolmogorov_smirnov_p(self._sorted[index], _sorted_present(values))
        psi = population_stability(self._counts[index], counts)
        return FeatureDrift(column.name, float(counts[-1] / len(values)), float(unseen), psi, ks_p)


def _sorted_present(values: Matrix) -> Matrix:
    return np.sort(values[~np.isnan(values)])
