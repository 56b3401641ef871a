"""The outcome mechanism of a user's own table, and how well it fits.

The mechanism is additive and logistic: the terms of `sim.world.own.terms`, of which numbers get a bend where a score
test asks for one, with a ridge penalty of the strength that predicts held-out rows best. It knows no interactions, so
the replay of a table that lives on them is simpler than the table; `MechanismFit` compares it with LightGBM to say by
how much.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.metrics import brier_score_loss, roc_auc_score  # type: ignore[import-untyped]  # it ships no types
from sklearn.model_selection import StratifiedKFold  # type: ignore[import-untyped]
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from sim.world.mechanism.outcome import Mechanism
from sim.world.mechanism.ridge import RidgeFit, fit_ridge, named
from sim.world.own.terms import Bend, bends, main_effects
from sim.world.schema.columns import Matrix, Schema
from sim.world.schema.table import Table
from sim.world.schema.term import INTERCEPT, design

FIT_ROWS = 30_000
"""The mechanism of a larger table is fitted to so many of its rows, drawn at random with a fixed seed."""

CROSS_VALIDATED_ROWS = 10_000
"""A larger table is cross-validated on so many of its rows, drawn at random with a fixed seed."""

FOLDS = 5
"""The folds of the cross-validation; with fewer churners or stayers than folds there is none."""

_WEAK = 0.1  # inverse strength of a ridge penalty on standardised terms
_INVERSE_STRENGTHS = (_WEAK, 0.01, 0.001)
_BEND_ROUNDS = 2  # so a number gets at most so many bends
_BEND_CHI2 = 10.83  # p = 0.001 at one degree of freedom
_MOST_BENDS = 50  # in one round
_RIDGE_OF_TEST = 1e-9  # keeps terms apart of which one follows from the others
_SPANNED = 1e-6  # a candidate of which no more is left says nothing new
_GROUPS = 10
_SEED = 20_250_102
_CLOSE, _NEAR = 0.01, 0.03  # differences in AUC
_BLIND, _TOO_GOOD = 0.55, 0.99  # AUC
_LIGHTGBM: dict[str, Any] = {
    "n_estimators": 100,
    "learning_rate": 0.05,
    "num_leaves": 15,
    "min_child_samples": 20,
    "n_jobs": 1,
    "random_state": 0,
    "verbose": -1,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MechanismFit:
    """How well a mechanism fits its table.

    Parameters
    ----------
    rows, churn_rate, n_terms
        The rows of the table, the share of churners among them, and the terms beside the intercept.
    auc
        The AUC over all rows, which the mechanism was fitted to.
    cross_validated_rows
        The rows of the cross-validation; 0 if there was none, and the following are missing then. A mechanism, with
        its terms chosen anew, and a LightGBM are fitted to four fifths of them and judged by the fifth.
    auc_cross_validated, auc_lightgbm
        The AUC of the mechanisms and of LightGBM over the same rows and folds.
    brier
        The mean squared difference of cross-validated propensity and outcome.
    calibration_error
        The mean gap between churn rate and mean cross-validated propensity over ten groups of equal size, by
        propensity.
    """

    rows: int
    churn_rate: float
    n_terms: int
    auc: float
    cross_validated_rows: int = 0
    auc_cross_validated: float | None = None
    auc_lightgbm: float | None = None
    brier: float | None = None
    calibration_error: float | None = None

    def sentence(self) -> str:
        """Return how far a replay of the table may be trusted, in plain words."""
        facts = (
            f"a mechanism of {self.n_terms} terms was fitted to {self.rows:,} customers ({self.churn_rate:.1%} churn)"
        )
        if self.auc_cross_validated is None or self.auc_lightgbm is None or self.calibration_error is None:
            return f"{facts}; there are too few churners or too few stayers to say how well it fits."
        return (
            f"{facts}; on customers it has not seen its AUC is {self.auc_cross_validated:.3f}, LightGBM's "
            f"{self.auc_lightgbm:.3f}, and its propensities are {self.calibration_error:.1%} off on average: "
            f"{_trust(self.auc_cross_validated, self.auc_lightgbm)}."
        )


@dataclass(frozen=True, slots=True)
class OwnMechanism:
    """A fitted mechanism and how well it fits."""

    mechanism: Mechanism
    fit: MechanismFit


def fit_own_mechanism(table: Table) -> OwnMechanism:
    """Return the mechanism of a table with at least one churner and one stayer; equal tables give equal mechanisms.

    Its mean propensity over the table is the churn rate.
    """
    churn_rate = float(np.mean(table.churned))
    rows = _some_rows(len(table.churned), FIT_ROWS)
    with threadpool_limits(limits=1):  # for small matrices threads wait longer than they work
        mechanism = _fitted(table.features[rows], table.churned[rows], table.schema)
        mechanism = mechanism.with_base_rate(table.features, churn_rate)
        return OwnMechanism(mechanism, _judged(mechanism, table, churn_rate))


def _some_rows(n_rows: int, limit: int) -> NDArray[np.int64]:
    """Return all rows, or `limit` random ones of more."""
    if n_rows <= limit:
        return np.arange(n_rows)
    return np.sort(np.random.default_rng(_SEED).choice(n_rows, size=limit, replace=False))


def _fitted(features: Matrix, churned: NDArray[np.bool_], schema: Schema) -> Mechanism:
    """Return the mechanism of main effects, and of bends that a score test asks for given the terms before."""
    names = main_effects(features, schema)
    if not names:
        return Mechanism(schema, {INTERCEPT: 0.0})
    terms = design(names, features, schema)
    candidates = bends(features, schema)
    values = design(tuple(bend.term for bend in candidates), features, schema)
    for _ in range(_BEND_ROUNDS):
        fit = fit_ridge(terms, churned, _WEAK)
        chosen = _asked_for(candidates, _score_statistics(values, terms, churned, fit))
        names += tuple(candidates[index].term for index in chosen)
        terms = np.column_stack([terms, values[:, chosen]])
    fit = fit_ridge(terms, churned, _inverse_strength(terms, churned))
    return Mechanism(schema, named((INTERCEPT, *names), fit.weights[0], decimals=6))


def _inverse_strength(terms: Matrix, churned: NDArray[np.bool_]) -> float:
    """Return the strength that predicts a fifth of the rows best; the weakest if there are too few to say."""
    if _is_small(churned):
        return _WEAK
    train, test = next(_folds(churned))
    losses = {
        strength: _loss(fit_ridge(terms[train], churned[train], strength), terms[test], churned[test])
        for strength in _INVERSE_STRENGTHS
    }
    return min(losses, key=lambda strength: losses[strength])


def _loss(fit: RidgeFit, terms: Matrix, churned: NDArray[np.bool_]) -> float:
    """Return the mean log-loss."""
    log_odds = _log_odds(fit, terms)
    return float(np.mean(np.logaddexp(0.0, np.where(churned, -log_odds, log_odds))))


def _log_odds(fit: RidgeFit, terms: Matrix) -> Matrix:
    log_odds: Matrix = fit.weights[0, 0] + terms @ fit.weights[0, 1:]
    return log_odds


def _is_small(churned: NDArray[np.bool_]) -> bool:
    """Return whether there are fewer churners or stayers than folds."""
    return bool(min(np.count_nonzero(churned), np.count_nonzero(~churned)) < FOLDS)


def _folds(churned: NDArray[np.bool_]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield the rows to fit to and to judge by, with the same share of churners in each fold."""
    yield from StratifiedKFold(FOLDS, shuffle=True, random_state=_SEED).split(churned, churned)


def _asked_for(candidates: tuple[Bend, ...], statistics: Matrix) -> list[int]:
    """Return the positions of each column's best candidate, if it is good enough; the best ones if there are many."""
    best: dict[str, int] = {}
    for index, bend in enumerate(candidates):
        if statistics[index] > max(_BEND_CHI2, statistics[best[bend.column]] if bend.column in best else 0.0):
            best[bend.column] = index
    return sorted(best.values(), key=lambda index: -statistics[index])[:_MOST_BENDS]


def _score_statistics(candidates: Matrix, terms: Matrix, churned: NDArray[np.bool_], fit: RidgeFit) -> Matrix:
    """Return the score test of each candidate, given terms and their fit: chi-squared at one degree of freedom.

    The fit is penalised and so doesn't maximise the likelihood. Therefore the score of a candidate is taken less what
    the scores of the terms explain of it, and its information less what it shares with the terms (Neyman's C(alpha)
    test; Bera and Bilias 2024, arXiv:2406.19956). A candidate that the terms span gets 0.
    """
    propensity: Matrix = expit(_log_odds(fit, terms))
    known = np.column_stack([np.ones(len(terms)), _standardised(terms)])
    new = _standardised(candidates)
    weighted = known * (propensity * (1.0 - propensity))[:, np.newaxis]
    information = known.T @ weighted + np.eye(known.shape[1]) * _RIDGE_OF_TEST * len(terms)
    shared = np.linalg.solve(information, weighted.T @ new)
    residual = churned - propensity
    score = new.T @ residual - shared.T @ (known.T @ residual)
    own = (propensity * (1.0 - propensity)) @ new**2
    left = own - np.sum((weighted.T @ new) * shared, axis=0)
    is_new = left > _SPANNED * own
    statistics: Matrix = np.where(is_new, score**2 / np.where(is_new, left, 1.0), 0.0)
    return statistics


def _standardised(values: Matrix) -> Matrix:
    spread = values.std(axis=0)
    centred: Matrix = values - values.mean(axis=0)
    return centred / np.where(spread > 0.0, spread, 1.0)


def _judged(mechanism: Mechanism, table: Table, churn_rate: float) -> MechanismFit:
    fit = MechanismFit(
        rows=len(table.churned),
        churn_rate=churn_rate,
        n_terms=len(mechanism.coefficients) - 1,
        auc=float(roc_auc_score(table.churned, mechanism.propensity(table.features))),
    )
    rows = _some_rows(len(table.churned), CROSS_VALIDATED_ROWS)
    features, churned = table.features[rows], table.churned[rows]
    if _is_small(churned):
        return fit
    propensity, score = _cross_validated(features, churned, table.schema)
    return replace(
        fit,
        cross_validated_rows=len(rows),
        auc_cross_validated=float(roc_auc_score(churned, propensity)),
        auc_lightgbm=float(roc_auc_score(churned, score)),
        brier=float(brier_score_loss(churned, propensity)),
        calibration_error=_calibration_error(churned, propensity),
    )


def _cross_validated(features: Matrix, churned: NDArray[np.bool_], schema: Schema) -> tuple[Matrix, Matrix]:
    """Return the propensity by the mechanism and the score by LightGBM of each customer, neither fitted to it."""
    propensity, score = np.empty(len(churned)), np.empty(len(churned))
    for train, test in _folds(churned):
        propensity[test] = _fitted(features[train], churned[train], schema).propensity(features[test])
        model = lgb.LGBMClassifier(**_LIGHTGBM)
        model.fit(features[train], churned[train], categorical_feature=list(schema.category_positions))
        score[test] = np.asarray(model.predict_proba(features[test]))[:, 1]
    return propensity, score


def _calibration_error(churned: NDArray[np.bool_], propensity: Matrix) -> float:
    groups = np.array_split(np.argsort(propensity, kind="stable"), _GROUPS)
    gaps = [abs(churned[rows].mean() - propensity[rows].mean()) for rows in groups if len(rows)]
    return float(np.mean(gaps))


def _trust(auc: float, auc_lightgbm: float) -> str:
    if max(auc, auc_lightgbm) > _TOO_GOOD:
        return "that is too good to be true, so look for a column that gives the outcome away and drop it"
    if max(auc, auc_lightgbm) < _BLIND:
        return "the columns hardly tell who churns, so no model can be worth much in a replay"
    if auc > auc_lightgbm - _CLOSE:
        return "it holds what LightGBM finds, so a replay is about as hard as the table"
    if auc > auc_lightgbm - _NEAR:
        return "it holds most of what LightGBM finds, so a replay is somewhat simpler than the table"
    return "LightGBM finds clearly more, such as interactions, so a replay is simpler than the table: trust it less"
