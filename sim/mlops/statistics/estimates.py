"""Estimates of performance without labels: what calibrated scores say of how the champion does today.

Confidence-based performance estimation (CBPE, NannyML; Kivimaki and others, arXiv 2407.08649): if a calibrated score
is the probability that a customer churns, the expected confusion counts of a batch follow from its scores alone. That
holds while P(churn | score) is what it was on the rows of the calibration: a covariate shift may break it a little, a
concept drift altogether.
"""

from dataclasses import dataclass
from math import fsum, sqrt
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from sim.mlops.statistics.metrics import expected_f1
from sim.world.schema.columns import Matrix

Booleans = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Calibration:
    """A monotone map from scores to probabilities: linear between its knots, constant beyond them."""

    score: Matrix
    probability: Matrix

    @classmethod
    def fitted(cls, scores: Matrix, label: Booleans, weight: Matrix | None = None) -> Self:
        """Fit by isotonic regression (pool adjacent violators) on labelled rows, at least one.

        Parameters
        ----------
        scores, label
            The scores and outcomes of n rows.
        weight
            How much each row counts; all alike unless given.
        """
        knots, knot_of = np.unique(scores, return_inverse=True)
        each = np.ones(len(scores)) if weight is None else weight
        total = np.bincount(knot_of, weights=each)
        mean = np.bincount(knot_of, weights=each * label) / total
        return cls(knots, isotonic_regression(mean, weights=total).x)

    def probabilities(self, scores: Matrix) -> Matrix:
        """Return the calibrated probability of each score."""
        return np.interp(scores, self.score, self.probability)


@dataclass(frozen=True, slots=True)
class Estimate:
    """The expected performance of predictions; `f1_se` is the standard deviation of the F1 that will be observed."""

    f1: float
    f1_se: float
    precision: float
    recall: float
    accuracy: float
    roc_auc: float | None


def estimate(probability: Matrix, prediction: Booleans, score: Matrix) -> Estimate | None:
    """Return the expected performance of predictions on rows with calibrated probabilities; missing without an F1.

    Scores are functions of expected counts, as in NannyML's CBPE: precision is Σpŷ / Σŷ, recall Σpŷ / Σp, F1
    2Σpŷ / (Σŷ + Σp); precision is 0 where nobody is predicted. Of rows that are surely of one class, or none, nothing
    is said. The AUC ranks by the raw score and is missing where one class has no weight.

    Notes
    -----
    The band comes from the outcomes alone, which are Bernoulli(p) and independent: F1 = 2A / (N + B) with A = Σyŷ,
    B = Σy and N = Σŷ fixed has, by the delta method, the variance Σ p(1 - p)(2ŷ - F1)² / (N + Σp)². How well p is
    calibrated is not in it.

    >>> found = estimate(np.array([0.75, 0.25, 0.0]), np.array([True, False, False]), np.array([0.9, 0.4, 0.1]))
    >>> found.f1, found.precision, found.recall, found.accuracy
    (0.75, 0.75, 0.75, 0.8333333333333334)
    """
    n_rows = len(probability)
    f1 = expected_f1(probability, prediction)
    if f1 is None:
        return None
    hits, churners, predicted = fsum(probability[prediction]), fsum(probability), int(np.count_nonzero(prediction))
    whole = predicted + churners
    spread = fsum(probability * (1 - probability) * (2 * prediction - f1) ** 2)
    right_stays = n_rows - predicted - (churners - hits)
    return Estimate(
        f1=f1,
        f1_se=sqrt(spread) / whole,
        precision=hits / predicted if predicted else 0.0,
        recall=hits / churners,
        accuracy=(hits + right_stays) / n_rows,
        roc_auc=_expected_auc(probability, score),
    )


def _expected_auc(probability: Matrix, score: Matrix) -> float | None:
    """Return the expected AUC as the area under the curve of expected counts; rows of equal score are one corner."""
    order = np.argsort(-score, kind="stable")
    is_last_of_ties = np.append(np.diff(score[order]) != 0, True)
    found = np.cumsum(probability[order])[is_last_of_ties]
    false = np.cumsum(1 - probability[order])[is_last_of_ties]
    if not found[-1] or not false[-1]:
        return None
    return float(np.trapezoid(np.append(0, found), np.append(0, false)) / (found[-1] * false[-1]))
