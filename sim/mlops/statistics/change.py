"""Change: since when outcomes follow from a model's scores in another way, and how sure that is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from sim.mlops.statistics.metrics import Booleans, Floats

Integers = NDArray[np.int64]

LEVEL = 0.001
"""The chance of a change that is none, on one day: at most a little above 3 % in three years of monthly looks."""

LEAST_ROWS = 100  # on either side of a change: with fewer, sums are no normal numbers
_MOST_LOG_ODDS = 6.0
_CREDIBLE = 0.95
_UNDERFLOW = 1e-12


@dataclass(frozen=True, slots=True)
class Change:
    """The newest change that the labels show.

    `step` is the first step after it; the true one lies between `low_step` and `high_step` with a credibility of
    95 %, and `sd_steps` is the standard deviation of what it may be. `p_value` is the chance of as strong a sign
    without any change.
    """

    step: int
    low_step: int
    high_step: int
    sd_steps: float
    p_value: float


@dataclass(frozen=True, slots=True, eq=False)
class CohortScores:
    """The score vectors of the n rows of one cohort, summed, and the sum of their outer products."""

    step: int
    n_rows: int
    total: Floats
    squares: Floats


def cohort_scores(step: int, label: Booleans, probability: Floats, times: Integers) -> CohortScores:
    """Return what a cohort says of a model: the gradient of the likelihood of a recalibration, summed over its rows.

    With the model's probability p and the outcome y of a row the gradient is (y - p) (1, logit p): how much more
    churn there was than it said, and how much more its scores told customers apart (Cox, Two further applications of
    a model for binary regression, 1958). Customers of other kinds leave its expectation where it was; another way
    from features to outcomes does not.

    Parameters
    ----------
    step
        The step of the cohort.
    label, probability
        Who churned, and what one and the same model says of each.
    times
        How often each row counts.
    """
    counted = times > 0
    clipped = np.clip(probability[counted], 1 / (1 + np.exp(_MOST_LOG_ODDS)), 1 / (1 + np.exp(-_MOST_LOG_ODDS)))
    log_odds = np.log(clipped / (1 - clipped))
    residual = label[counted] - clipped
    rows = np.column_stack([residual, residual * log_odds]) * times[counted, None]
    return CohortScores(step, len(rows), rows.sum(axis=0), rows.T @ rows)


def newest_change(cohorts: Sequence[CohortScores], level: float = LEVEL) -> Change | None:
    """Return the newest change among cohorts in order of time; `None` where no sign of one is beyond chance.

    The whole time is searched for the one change that explains most; if it is beyond chance, the time after it is
    searched in the same way.
    """
    found, start = None, 0
    while (change := _one_change(cohorts[start:], level)) is not None:
        found = change
        start = next(index for index, cohort in enumerate(cohorts) if cohort.step == change.step)
    return found


def _one_change(cohorts: Sequence[CohortScores], level: float) -> Change | None:
    """Return the one change that explains most, if it is beyond chance.

    The supremum over all possible steps of the score statistic (Andrews, Tests for parameter instability and
    structural change with unknown change point, Econometrica 1993). Its p-value is bounded by Bonferroni's inequality
    over the steps; where the change lies is weighed by the likelihood that each step leaves, exp(statistic / 2).
    """
    rows = np.array([cohort.n_rows for cohort in cohorts])
    before = np.cumsum(rows)[:-1]
    possible = np.flatnonzero((before >= LEAST_ROWS) & (rows.sum() - before >= LEAST_ROWS))
    if not len(possible):
        return None
    statistic = _statistics(cohorts, rows)[possible]
    best = int(np.argmax(statistic))
    p_value = min(1.0, len(possible) * float(chi2.sf(statistic[best], df=2)))
    if p_value >= level:
        return None
    steps = np.array([cohort.step for cohort in cohorts])[possible + 1]
    weight = np.exp((statistic - statistic[best]) / 2)
    weight /= weight.sum()
    ranked = np.argsort(-weight, kind="stable")
    credible = steps[ranked[: int(np.searchsorted(np.cumsum(weight[ranked]), _CREDIBLE)) + 1]]
    mean = float((weight * steps).sum())
    sd = float(np.sqrt((weight * (steps - mean) ** 2).sum()))
    return Change(int(steps[best]), int(credible.min()), int(credible.max()), sd, p_value)


def _statistics(cohorts: Sequence[CohortScores], rows: Integers) -> Floats:
    """Return for each place between two cohorts how differently the scores on its two sides lie."""
    totals = np.array([cohort.total for cohort in cohorts])
    within = sum(
        (c.squares - np.outer(c.total, c.total) / max(c.n_rows, 1) for c in cohorts), np.zeros((2, 2))
    ) / max(int(rows.sum()) - len(cohorts), 1)
    share = np.cumsum(rows)[:-1] / rows.sum()
    apart = np.cumsum(totals, axis=0)[:-1] - share[:, None] * totals.sum(axis=0)
    spread = rows.sum() * share * (1 - share)
    floor = _UNDERFLOW * max(float(np.trace(within)), _UNDERFLOW) * np.eye(2)  # a constant score tells one thing only
    found = np.einsum("ij,ij->i", apart @ np.linalg.inv(within + floor), apart)
    statistic: Floats = np.divide(found, spread, out=np.zeros(len(found)), where=spread > 0)
    return statistic
