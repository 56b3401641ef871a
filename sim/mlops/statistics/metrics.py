"""Scores of binary predictions: one definition for gates, signals and judge.

A label and a prediction are boolean arrays, where true means churn; a probability and a propensity are float arrays.
Arrays of one call have one length. No score depends on the order of rows, to the last bit: counts are integers, and
float sums are correctly rounded (`math.fsum`).

A score whose denominator is zero:

- `precision` without a predicted churner, `recall` without a churner and `f1` without a true positive are 0, as in
  scikit-learn with ``zero_division=0``: a model that finds nobody earns nothing. `false_negative_rate` without a
  churner is therefore 1.
- `roc_auc` is missing (`None`) unless both classes occur.
- Everything is missing for no rows at all.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Booleans = NDArray[np.bool_]
Floats = NDArray[np.float64]

NORMAL_QUANTILE = 1.959963984540054
"""Of the standard normal distribution at 0.975: half the width of a 95 % interval, in standard errors."""

_TINY = 1e-15


@dataclass(frozen=True, slots=True)
class Confusion:
    """Counts of the four kinds of predictions.

    Where rows count more than once, the sums of their squared weights tell how few they really are.

    >>> counts = Confusion(true_positives=3, false_positives=1, false_negatives=2, true_negatives=4)
    >>> counts.precision, counts.recall, counts.accuracy
    (0.75, 0.6, 0.7)
    """

    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int
    squared_true_positives: int | None = None
    squared_mistakes: int | None = None

    @property
    def rows(self) -> int:
        """The number of rows counted."""
        return self.true_positives + self.false_positives + self.false_negatives + self.true_negatives

    @property
    def has_both_classes(self) -> bool:
        """Whether there are churners and stayers among the rows."""
        churners = self.true_positives + self.false_negatives
        return 0 < churners < self.rows

    @property
    def accuracy(self) -> float | None:
        """The share of right predictions."""
        return self._score(self.true_positives + self.true_negatives, self.rows)

    @property
    def precision(self) -> float | None:
        """The share of churners among those predicted to churn."""
        return self._score(self.true_positives, self.true_positives + self.false_positives)

    @property
    def recall(self) -> float | None:
        """The share of churners who were predicted."""
        return self._score(self.true_positives, self.true_positives + self.false_negatives)

    @property
    def false_negative_rate(self) -> float | None:
        """The share of churners who were missed: 1 - recall, rounded once."""
        churners = self.true_positives + self.false_negatives
        return self._score(self.false_negatives, churners) if churners or not self.rows else 1.0

    @property
    def f1(self) -> float | None:
        """The harmonic mean of precision and recall of the churn class."""
        mistakes = self.false_positives + self.false_negatives
        return self._score(2 * self.true_positives, 2 * self.true_positives + mistakes)

    @property
    def f1_standard_error(self) -> float | None:
        """The standard error of `f1`; see the function of that name."""
        if not self.rows:
            return None
        mistakes = self.false_positives + self.false_negatives
        if self.squared_true_positives is None or self.squared_mistakes is None:
            return f1_standard_error(self.true_positives, mistakes, self.true_positives, mistakes)
        return f1_standard_error(self.true_positives, mistakes, self.squared_true_positives, self.squared_mistakes)

    @property
    def f1_interval(self) -> tuple[float, float] | None:
        """The ends of the normal 95 % interval of `f1`, which may lie beyond 0 and 1."""
        if self.f1 is None or self.f1_standard_error is None:
            return None
        margin = NORMAL_QUANTILE * self.f1_standard_error
        return self.f1 - margin, self.f1 + margin

    def _score(self, part: int, whole: int) -> float | None:
        if not self.rows:
            return None
        return part / whole if whole else 0.0


def confusion(label: Booleans, prediction: Booleans, weight: NDArray[np.int64] | None = None) -> Confusion:
    """Count the four kinds of predictions; a row counts as often as its `weight` says, once without.

    >>> confusion(np.array([True, True, False]), np.array([True, False, False])).false_negatives
    1
    >>> confusion(np.array([True, True, False]), np.array([True, False, False]), np.array([1, 20, 1])).false_negatives
    20
    """
    if weight is not None and not (weight == 1).all():
        return _weighted_confusion(label, prediction, weight)
    true_positives = int(np.count_nonzero(label & prediction))
    positives, predicted = int(np.count_nonzero(label)), int(np.count_nonzero(prediction))
    return Confusion(
        true_positives=true_positives,
        false_positives=predicted - true_positives,
        false_negatives=positives - true_positives,
        true_negatives=len(label) - positives - predicted + true_positives,
    )


def _weighted_confusion(label: Booleans, prediction: Booleans, weight: NDArray[np.int64]) -> Confusion:
    def total(rows: Booleans, power: int = 1) -> int:
        return int((weight[rows] ** power).sum())

    return Confusion(
        true_positives=total(label & prediction),
        false_positives=total(~label & prediction),
        false_negatives=total(label & ~prediction),
        true_negatives=total(~label & ~prediction),
        squared_true_positives=total(label & prediction, 2),
        squared_mistakes=total(label ^ prediction, 2),
    )


def accuracy(label: Booleans, prediction: Booleans) -> float | None:
    """Return the share of right predictions."""
    return confusion(label, prediction).accuracy


def precision(label: Booleans, prediction: Booleans) -> float | None:
    """Return the share of churners among those predicted to churn; 0 if none is predicted."""
    return confusion(label, prediction).precision


def recall(label: Booleans, prediction: Booleans) -> float | None:
    """Return the share of churners who were predicted; 0 if nobody churned."""
    return confusion(label, prediction).recall


def f1(label: Booleans, prediction: Booleans) -> float | None:
    """Return the F1 of the churn class; 0 without a true positive.

    >>> f1(np.array([True, True, False]), np.array([True, False, False]))
    0.6666666666666666
    """
    return confusion(label, prediction).f1


def f1_standard_error(
    true_positives: int, mistakes: int, squared_true_positives: int, squared_mistakes: int
) -> float:
    """Return the standard error of the F1 of these counts by the delta method; 0 without a true positive.

    F1 is the ratio ``2 TP / (2 TP + E)`` of weighted sums over rows with E mistakes, so by linearisation ``SE**2 =
    (TP2 (2 - 2 F1)**2 + E2 F1**2) / (2 TP + E)**2``, where TP2 and E2 sum the squared weights. With weights of 1 that
    is the binomial error of the share ``q = TP / (TP + E)``, carried over to ``F1 = 2q / (1 + q)``. It is 0, that is
    too small, at an F1 of exactly 0 or 1.

    >>> round(f1_standard_error(60, 80, 60, 80), 4)
    0.041
    """
    whole = 2 * true_positives + mistakes
    if not whole:
        return 0.0
    score = 2 * true_positives / whole
    return math.sqrt(squared_true_positives * (2 - 2 * score) ** 2 + squared_mistakes * score**2) / whole


def expected_f1(propensity: Floats, prediction: Booleans) -> float | None:
    """Return the F1 of the predictions under the true propensities p: ``2 * sum(p * yhat) / (sum(yhat) + sum(p))``.

    It is free of label noise: the ratio of the expectations of F1's numerator and denominator. Missing as
    `f1_of_sums` is.

    >>> expected_f1(np.array([0.75, 0.25, 0.0]), np.array([True, False, False]))
    0.75
    """
    churners, right = math.fsum(propensity), math.fsum(propensity[prediction])
    return f1_of_sums(len(propensity), churners, int(np.count_nonzero(prediction)), right)


def f1_of_sums(rows: int, churners: float, predicted: int, right: float) -> float | None:
    """Return F1, ``2 * right / (predicted + churners)``, counted or in expectation.

    Missing where nobody came, or all churn or all stay, for sure: rows of one class have no F1.

    Parameters
    ----------
    rows, churners, predicted, right
        How many there are, how many churn, how many were predicted to, and how many of those were right; with the
        true propensities `churners` and `right` are expectations.

    Examples
    --------
    >>> f1_of_sums(rows=20, churners=7, predicted=5, right=3)
    0.5
    """
    return 2 * right / (predicted + churners) if 0 < churners < rows else None


def roc_auc(label: Booleans, probability: Floats) -> float | None:
    """Return the probability that a churner outranks a stayer, where a tie counts one half; missing for one class.

    The Mann-Whitney statistic from counts: exact for any order of rows.

    >>> roc_auc(np.array([False, True, True]), np.array([0.2, 0.2, 0.9]))
    0.75
    """
    positives = int(np.count_nonzero(label))
    negatives = len(label) - positives
    if not positives or not negatives:
        return None
    stayers = np.sort(probability[~label])
    below = np.searchsorted(stayers, probability[label], side="left")
    not_above = np.searchsorted(stayers, probability[label], side="right")
    half_wins = int(below.sum()) + int(not_above.sum())
    return half_wins / (2 * positives * negatives)


def log_loss(label: Booleans, probability: Floats, weight: NDArray[np.int64] | None = None) -> float | None:
    """Return the mean log-loss, a row counting as often as its weight; missing without rows or for no probabilities.

    Correctly rounded, so that no order of rows changes a bit. Probabilities are kept 1e-15 away from 0 and 1.

    >>> round(log_loss(np.array([True, False]), np.array([0.5, 0.5])), 6)
    0.693147
    """
    if not len(label) or not np.isfinite(probability).all():
        return None
    clipped = np.clip(probability, _TINY, 1 - _TINY)
    times = np.ones(len(label), dtype=np.int64) if weight is None else weight
    losses = -np.log(np.where(label, clipped, 1 - clipped)) * times
    return math.fsum(losses.tolist()) / int(times.sum())


def mean(values: Floats) -> float | None:
    """Return the mean, the same to the last bit for any order; missing for no values.

    >>> mean(np.array([1e16, 1.0, -1e16]))
    0.3333333333333333
    """
    return math.fsum(values.tolist()) / len(values) if len(values) else None


def standard_deviation(values: Floats) -> float | None:
    """Return the standard deviation (of a whole population, ddof 0), the same to the last bit for any order.

    >>> standard_deviation(np.array([1.0, 3.0]))
    1.0
    """
    centre = mean(values)
    if centre is None:
        return None
    return math.sqrt(math.fsum(((values - centre) ** 2).tolist()) / len(values))
