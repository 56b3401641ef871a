"""Ridge-penalised logistic regression on terms, as every fit of this package does it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]  # scikit-learn ships no types

from sim.world.schema.columns import Matrix


@dataclass(frozen=True, slots=True)
class RidgeFit:
    """A fitted regression.

    `classes` holds the classes in order. `weights` has a row for each class, or one row for two classes (the log-odds
    of the second), and a column for the intercept and each term.
    """

    classes: NDArray[np.float64]
    weights: Matrix


def fit_ridge(terms: Matrix, outcome: NDArray[np.generic], inverse_strength: float) -> RidgeFit:
    """Return the fit of `outcome` on `terms` (n x terms, without the intercept, which is free).

    The penalty is on the terms divided by their standard deviations, so their units don't matter. As the intercept is
    free, the mean fitted probability is the share of the outcome.

    >>> fit = fit_ridge(np.array([[0.0], [0.0], [1.0], [1.0]]), np.array([0, 1, 0, 1]), 1.0)
    >>> fit.weights.round(6) + 0.0
    array([[0., 0.]])
    """
    spread = terms.std(axis=0)
    spread[spread == 0.0] = 1.0
    model = LogisticRegression(C=inverse_strength, solver="newton-cholesky", tol=1e-10)
    model.fit(terms / spread, outcome)
    return RidgeFit(model.classes_, np.column_stack([model.intercept_, model.coef_ / spread]))


def named(names: tuple[str, ...], values: Matrix, decimals: int) -> dict[str, float]:
    """Return the values by name, rounded.

    >>> named(("intercept", "tenure"), np.array([0.123456, -1.0]), decimals=3)
    {'intercept': 0.123, 'tenure': -1.0}
    """
    return {name: round(float(value), decimals) for name, value in zip(names, values, strict=True)}
