"""Recalibration: the same trees with their scores mapped anew to probabilities, and a new threshold."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from sim.world.schema.columns import Matrix

_CLIP = 1e-6
_LEAST_SLOPE = 0.05
_ITERATIONS = 50


@dataclass(frozen=True, slots=True)
class Scaling:
    """A map of probabilities: logit(new) = intercept + slope x logit(old). It keeps the order of scores.

    >>> Scaling(intercept=0.0, slope=1.0).applied(np.array([0.25, 0.5])).tolist()
    [0.25, 0.5]
    """

    intercept: float
    slope: float

    def applied(self, probability: Matrix) -> Matrix:
        """Return the probabilities mapped anew."""
        return np.asarray(expit(self.intercept + self.slope * _logit(probability)))


def fit_scaling(probability: Matrix, label: NDArray[np.bool_]) -> Scaling:
    """Return the scaling that makes labelled rows most likely.

    Platt's method (Probabilistic outputs for support vector machines, 1999) with his targets (n + 1) / (n + 2) and
    1 / (m + 2) for n churners and m stayers, which keep it finite. A slope below 0.05 is set to that, since no
    calibration may turn the order of customers round.

    Parameters
    ----------
    probability, label
        What the trees answered for some rows, and what happened; no rows change nothing.
    """
    if not len(label):
        return Scaling(0.0, 1.0)
    score = _logit(probability)
    churners = int(np.count_nonzero(label))
    target = np.where(label, (churners + 1) / (churners + 2), 1 / (len(label) - churners + 2))
    design = np.column_stack([np.ones(len(score)), score])
    intercept, slope = _newton(design, target, np.zeros(len(score)))
    if slope >= _LEAST_SLOPE:
        return Scaling(float(intercept), float(slope))
    (intercept,) = _newton(design[:, :1], target, _LEAST_SLOPE * score)
    return Scaling(float(intercept), _LEAST_SLOPE)


def _newton(design: Matrix, target: Matrix, offset: Matrix) -> Matrix:
    """Return the coefficients of a logistic regression; a hair of ridge keeps each step defined."""
    coefficients = np.zeros(design.shape[1])
    ridge = 1e-9 * np.eye(design.shape[1])
    for _ in range(_ITERATIONS):
        p = expit(design @ coefficients + offset)
        gradient = design.T @ (target - p)
        hessian = (design * (p * (1 - p))[:, None]).T @ design + ridge
        step = np.linalg.solve(hessian, gradient)
        coefficients = coefficients + step
        if np.abs(step).max() < 1e-10:
            break
    return coefficients


def _logit(probability: Matrix) -> Matrix:
    return np.asarray(logit(np.clip(probability, _CLIP, 1 - _CLIP)))
