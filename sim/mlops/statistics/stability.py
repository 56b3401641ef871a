"""Stability: how far today's values have moved from the champion's reference."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc, kolmogorov
from scipy.stats import hypergeom

from sim.mlops.statistics.distribution import Distribution
from sim.mlops.statistics.overlap import STRANGERS, Overlap, Sample, Seen
from sim.mlops.statistics.reference_rows import ReferenceRows, category_bins
from sim.world.schema.columns import UNSEEN, Column, Matrix, Schema, row_blocks

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
    def of_categories(cls, column: Column) -> Self:
        """Return a bin for each category of a feature."""
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


def kolmogorov_smirnov_p(reference: Matrix, today: Matrix, ratio: float = 1.0) -> float | None:
    """Return the asymptotic p-value of the two-sample Kolmogorov-Smirnov test, `None` if a side is empty.

    Parameters
    ----------
    reference, today
        Values in ascending order without missing ones.
    ratio
        The variance of a difference between the two, as a share of that between strangers (`Overlap`).

    Notes
    -----
    p = Q(D sqrt(n m / (n + m)) / sqrt(ratio)) with Kolmogorov's limiting survival function Q (Smirnov, 1948).
    """
    return _largest_gap_p(Distribution.of(reference), Distribution.of(today), ratio)


def _largest_gap_p(reference: Distribution, today: Distribution, ratio: float) -> float | None:
    n, m = reference.n_values, today.n_values
    if not n or not m:
        return None
    values = np.concatenate([reference.values, today.values])
    gaps = reference.counts_up_to(values) / n - today.counts_up_to(values) / m
    return float(kolmogorov(np.abs(gaps).max() * np.sqrt(n * m / (n + m) / ratio)))


def population_stability_p(psi: float, n_reference: int, n_today: int, bins: int, ratio: float = 1.0) -> float:
    """Return the chance of an index as large between two samples of one distribution.

    PSI / (1/n + 1/m) is asymptotically chi-squared with bins - 1 degrees of freedom (Yurdakul, Statistical properties
    of population stability index, 2018), so the index has the mean (bins - 1)(1/n + 1/m) where nothing has moved.
    Where the samples share customers it is smaller by `ratio`: it is a quadratic form of differences of shares.

    Parameters
    ----------
    psi
        The index.
    n_reference, n_today
        Rows in the samples, at least 1.
    bins
        Bins that hold a row of either sample; fewer than two can't differ.
    ratio
        The variance of a difference between the two, as a share of that between strangers (`Overlap`).

    Examples
    --------
    >>> round(population_stability_p(0.02, n_reference=2400, n_today=1000, bins=10), 3)
    0.118
    """
    if bins < 2:
        return 1.0
    return float(chdtrc(bins - 1, psi / ((1 / n_reference + 1 / n_today) * ratio)))


def missing_p(missing: int, n_reference: int, missing_today: int, n_today: int) -> float | None:
    """Return the exact p-value that the share of missing values has not moved, `None` where it can't differ.

    Twice the smaller tail of the hypergeometric distribution of `missing_today`, given how many are missing in all
    (Fisher, 1935): a few missing values in thousands are common, and too few for a chi-squared test.

    >>> round(missing_p(missing=0, n_reference=2400, missing_today=5, n_today=1000), 4)
    0.0044
    """
    rows, missing_in_all = n_reference + n_today, missing + missing_today
    if not 0 < missing_in_all < rows:
        return None
    drawn = (rows, missing_in_all, n_today)
    tails = hypergeom.cdf(missing_today, *drawn), hypergeom.sf(missing_today - 1, *drawn)
    return min(1.0, 2 * float(min(tails)))


def adjusted_p(p_values: Sequence[float]) -> float:
    """Return the smallest p-value as Benjamini and Hochberg (1995) adjust it; 1 without any.

    Below alpha it means that their procedure rejects something at level alpha. It is Simes' (1986) test that nothing
    has moved, which holds its level for p-values that are independent or rise together.

    >>> adjusted_p([0.04, 0.01, 0.5])
    0.03
    """
    ordered = np.sort(np.array(p_values, dtype=np.float64))
    return min(1.0, float((ordered * len(ordered) / np.arange(1, len(ordered) + 1)).min(initial=1.0)))


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
    rows
        What is kept of the recent part of the rows that the champion was trained on.
    scores
        Its probabilities on the rows of its gate.
    recent, gate
        What is recognised of the customers of either, where a later batch may hold them again.

    The tests take the `Overlap` of the batch with these customers; without it all are strangers.
    """

    def __init__(
        self, rows: ReferenceRows, scores: Matrix, recent: Seen | None = None, gate: Seen | None = None
    ) -> None:
        self.n_rows = rows.n_rows
        self._recent, self._gate = recent, gate
        self.schema = rows.schema
        self._binnings = [
            Binning.of_categories(column) if column.is_category else Binning.of_numbers(rows.numbers[index])
            for index, column in enumerate(self.schema.columns)
        ]
        self._sizes = np.array([binning.n_bins for binning in self._binnings])
        self._starts = np.concatenate([[0], np.cumsum(self._sizes)[:-1]])
        self._counts = self._count_rows(rows)
        newest = slice(None) if recent is None else recent.newest
        self._n_customers = rows.n_rows if recent is None else len(recent.newest)
        self._missing_of_customers = {at: _missing(values[newest]) for at, values in rows.numbers.items()}
        self._present = {at: _present(values) for at, values in rows.numbers.items()}
        self._score_binning = Binning.of_numbers(scores)
        self._score_counts = self._score_binning.counts(scores)
        self._scores = Distribution.of(np.sort(scores))

    @classmethod
    def of(
        cls, schema: Schema, features: Matrix, scores: Matrix, recent: Seen | None = None, gate: Seen | None = None
    ) -> Self:
        """Return the reference of rows whose features are at hand."""
        return cls(ReferenceRows.of(schema, [features]), scores, recent, gate)

    def null_rate_rise(self, features: Matrix) -> float:
        """Return by how much the share of missing values has risen in the feature in which it rose most.

        Both the reference and the batch `features` must have a row. Where nothing rose it is the smallest fall, or 0.
        """
        missing = self._starts + self._sizes - 1
        return float((self._count(features)[missing] / len(features) - self._counts[missing] / self.n_rows).max())

    def overlap(self, batch: Sample) -> Overlap:
        """Return how far a batch holds the customers of the features."""
        return STRANGERS if self._recent is None else self._recent.overlap(batch)

    def score_overlap(self, batch: Sample) -> Overlap:
        """Return how far a batch holds the customers of the scores."""
        return STRANGERS if self._gate is None else self._gate.overlap(batch)

    def compare(self, features: Matrix, overlap: Overlap = STRANGERS) -> Sequence[FeatureDrift]:
        """Return the drift of each feature of a batch of at least one row, in the order of the schema."""
        counts, n_rows = self._count(features), len(features)
        psi = _stability(self._counts, counts, self._starts, self._sizes).tolist()
        unseen = (counts[self._starts] / n_rows).tolist()
        missing = (counts[self._starts + self._sizes - 1] / n_rows).tolist()
        return [
            FeatureDrift(column.name, missing[index], unseen[index], psi[index], None)
            if column.is_category
            else FeatureDrift(column.name, missing[index], 0.0, psi[index], self._ks_p(index, features, overlap))
            for index, column in enumerate(self.schema.columns)
        ]

    def psi_p_values(self, features: Matrix, overlap: Overlap = STRANGERS) -> list[float]:
        """Return the chance of each feature's index where nothing has moved; a batch of at least one row."""
        counts, n_rows = self._count(features), len(features)
        is_held = self._counts + counts > 0
        parts = _stability_parts(self._counts, counts, self._starts, self._sizes)
        psi = np.add.reduceat(np.where(is_held, parts, 0.0), self._starts)  # an empty bin is smoothed to a difference
        held = np.add.reduceat(is_held.astype(np.int64), self._starts)
        pairs = zip(psi.tolist(), held.tolist(), strict=True)
        return [population_stability_p(index, self.n_rows, n_rows, bins, overlap.ratio) for index, bins in pairs]

    def test_p_values(self, features: Matrix, overlap: Overlap = STRANGERS) -> list[float]:
        """Return each feature's p-value: chi-squared for categories, missing ones among them, two tests for numbers.

        The present ones are compared by Kolmogorov-Smirnov and, where any are missing, how many are, by `missing_p`;
        then the smaller p-value counts twice (Bonferroni). An exact test has no variance to correct: it compares
        today's strangers with each customer of the reference once.
        """
        counts = self._count(features)
        chi_squared = chi_squared_p(self._counts, counts, self._starts, self._sizes, overlap.ratio).tolist()
        strangers = features if overlap.is_stranger is None else features[overlap.is_stranger]
        n_before, n_today = self._n_customers, len(strangers)
        return [
            chi_squared[index]
            if column.is_category
            else _either_p(
                self._ks_p(index, features, overlap),
                missing_p(self._missing_of_customers[index], n_before, _missing(strangers[:, index]), n_today),
            )
            for index, column in enumerate(self.schema.columns)
        ]

    def score_ks_p(self, scores: Matrix, overlap: Overlap = STRANGERS) -> float | None:
        """Return the Kolmogorov-Smirnov p-value of a batch's scores."""
        return _largest_gap_p(self._scores, Distribution.of(np.sort(scores)), overlap.ratio)

    def score_psi(self, scores: Matrix) -> float:
        """Return the population stability index of a batch's scores."""
        return population_stability(self._score_counts, self._score_binning.counts(scores))

    def _count(self, features: Matrix) -> NDArray[np.int64]:
        """Return the number of values in each bin of each feature, one feature after another.

        The bins of a category are its codes, one up for the unseen, so that all categories are counted at once.
        """
        blocks = (self._count_block(features[rows]) for rows in row_blocks(len(features)))
        return np.asarray(np.sum(list(blocks), axis=0, dtype=np.int64))

    def _count_block(self, features: Matrix) -> NDArray[np.int64]:
        bins = np.empty(features.shape, dtype=np.int64)
        categories = list(self.schema.category_positions)
        bins[:, categories] = category_bins(self.schema, features)
        for index in self.schema.number_positions:
            bins[:, index] = self._binnings[index].bins(features[:, index])
        return np.bincount((bins + self._starts).ravel(), minlength=int(self._sizes.sum()))

    def _ks_p(self, index: int, features: Matrix, overlap: Overlap) -> float | None:
        return _largest_gap_p(self._present[index], _present(features[:, index]), overlap.ratio)

    def _count_rows(self, rows: ReferenceRows) -> NDArray[np.int64]:
        parts = [
            rows.categories[index] if column.is_category else self._binnings[index].counts(rows.numbers[index])
            for index, column in enumerate(self.schema.columns)
        ]
        return np.concatenate(parts)


def _stability(
    reference: NDArray[np.int64], today: NDArray[np.int64], starts: NDArray[np.int64], sizes: NDArray[np.int64]
) -> Matrix:
    """Return the index of each feature, whose bin counts stand one after another from `starts` on."""
    return np.asarray(np.add.reduceat(_stability_parts(reference, today, starts, sizes), starts))


def _stability_parts(
    reference: NDArray[np.int64], today: NDArray[np.int64], starts: NDArray[np.int64], sizes: NDArray[np.int64]
) -> Matrix:
    """Return what each bin adds to the index of its feature."""
    p, q = (_smoothed(counts, starts, sizes) for counts in (today, reference))
    return np.asarray((p - q) * np.log(p / q))


def _smoothed(counts: NDArray[np.int64], starts: NDArray[np.int64], sizes: NDArray[np.int64]) -> Matrix:
    totals = np.add.reduceat(counts, starts) + SMOOTHING * sizes
    return np.asarray((counts + SMOOTHING) / np.repeat(totals, sizes))


def chi_squared_p(
    reference: NDArray[np.int64],
    today: NDArray[np.int64],
    starts: NDArray[np.int64],
    sizes: NDArray[np.int64],
    ratio: float = 1.0,
) -> Matrix:
    """Return the p-value of each feature, whose counts stand one after another; 1 where nothing can differ.

    `ratio` is the variance of a difference between the two, as a share of that between strangers (`Overlap`).
    """
    both = reference + today
    n, m = np.add.reduceat(reference, starts), np.add.reduceat(today, starts)
    gaps = (reference * np.repeat(m, sizes) - today * np.repeat(n, sizes)) ** 2 / np.maximum(both, 1)
    freedom = np.add.reduceat((both > 0).astype(np.int64), starts) - 1
    comparable = (n > 0) & (m > 0) & (freedom > 0)
    statistic = np.add.reduceat(gaps, starts) / np.maximum(n * m, 1) / ratio
    return np.where(comparable, chdtrc(np.maximum(freedom, 1), statistic), 1.0)


def _either_p(one: float | None, other: float | None) -> float:
    """Return the p-value that either of two tests finds something; 1 where neither can be made."""
    made = [p_value for p_value in (one, other) if p_value is not None]
    return min(1.0, len(made) * min(made)) if made else 1.0


def _present(values: Matrix) -> Distribution:
    return Distribution.of(np.sort(values[~np.isnan(values)]))


def _missing(values: Matrix) -> int:
    return int(np.count_nonzero(np.isnan(values)))
