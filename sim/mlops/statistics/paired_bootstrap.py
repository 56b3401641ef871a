"""The paired bootstrap of an F1 difference: by how much one model is better than another, and how sure that is.

Both models answered the same n rows. A resample draws n of them with replacement, the same for both models, and F1 is
counted for each (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapters 8 and 13). McNemar's test,
the other paired test in use, compares accuracies: where churners are rare that is another question.

Three properties make it fit for a gate. The resamples are fixed once and for all for each n, so the answer is a pure
function of the rows. Rows of one kind are put in order before they are drawn, so the order they come in never
matters. And that order puts the rows that the new model has right first: setting one more right changes one row of
each resample from wrong to right and no other, so no F1 of it falls in any resample, and neither does a bound.

Percentiles of resamples are too narrow on few rows, as z is beside t, and fixed resamples are off by their own luck.
So bounds are expanded percentiles (Hesterberg, What teachers should know about the bootstrap, The American
Statistician 69, 2015, section 4.3), with as many degrees of freedom as the rarer class allows, which no model can
change; and each draw is used at four places of the ring of rows, which makes nearly four resamples of it.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

N_DRAWS = 999
N_PLACES = 4
N_RESAMPLES = N_DRAWS * N_PLACES
_SEED = 20_260_101
_GROUPS = 4

Booleans = NDArray[np.bool_]
Floats = NDArray[np.float64]
Counts = NDArray[np.integer]


@dataclass(frozen=True, slots=True)
class DifferenceBounds:
    """One-sided bounds of a difference, each holding with the level asked for."""

    low: float
    high: float


def f1_difference_bounds(
    label: Booleans,
    challenger: Booleans,
    champion: Booleans,
    level: float,
    retraining_sd: float = 0.0,
    weight: NDArray[np.int64] | None = None,
) -> DifferenceBounds:
    """Return expanded percentile bounds of challenger's F1 less champion's, from their predictions for the same rows.

    Parameters
    ----------
    label, challenger, champion
        Who churned, and whom each model predicts to churn; of one length of at least 1.
    level
        The level of each bound, above one half.
    retraining_sd
        The standard deviation of the F1 of models trained on the same rows with other seeds. Both models have that
        noise, independent of each other and of the rows: it widens the bounds.
    weight
        How often each row counts, at least once; once without.

    Notes
    -----
    The k-th smallest and largest of the 3,996 resampled differences, k = 3,997 a rounded down and at least 1. With m
    rows of the rarer class, a is the normal tail beyond sqrt(m / (m - 1)) times the t quantile of the level with
    m - 1 degrees of freedom. An F1 without a true positive is 0. Memory grows with n: 4 kB a row.

    >>> label = np.repeat([True, False], [50, 150])
    >>> same = f1_difference_bounds(label, label, label, level=0.95)
    >>> same.low, same.high
    (0.0, 0.0)
    """
    times = np.ones(len(label), dtype=np.int64) if weight is None else weight
    weights = np.unique(times)
    sizes, right = _groups(label, challenger, champion, [times == each for each in weights])
    drawn, drawn_right = (_weighted(weights, part) for part in _drawn(sizes, right))
    found, false_alarms = drawn_right[:2].sum(axis=0), (drawn[2:] - drawn_right[2:]).sum(axis=0)
    churners = drawn[:2].sum(axis=0)
    differences = _f1(found, false_alarms, churners) - _f1(drawn[0], drawn[2], churners)
    if retraining_sd:
        differences = differences + np.sqrt(2) * retraining_sd * _noise()
    churning = int(np.count_nonzero(label))
    k = max(int((N_RESAMPLES + 1) * expanded_tail(level, min(churning, len(label) - churning))), 1)
    ordered = np.partition(differences, (k - 1, N_RESAMPLES - k))
    return DifferenceBounds(float(ordered[k - 1]), float(ordered[-k]))


def expanded_tail(level: float, n: int) -> float:
    """Return the share of resamples to leave beyond a one-sided percentile bound that rests on n values.

    >>> [round(expanded_tail(0.95, n), 4) for n in (2, 30, 1000)]
    [0.0, 0.042, 0.0498]
    """
    if n < 2:
        return 0.0
    return float(special.ndtr(-np.sqrt(n / (n - 1)) * special.stdtrit(n - 1, level)))


def _groups(
    label: Booleans, challenger: Booleans, champion: Booleans, strata: list[Booleans]
) -> tuple[list[int], list[int]]:
    """Return the rows of each group, and how many of them the challenger has right.

    The groups of each stratum are (churners, stayers) x (predicted to churn by the champion, not predicted), in this
    order.
    """
    kinds = [label & champion, label & ~champion, ~label & champion, ~label & ~champion]
    masks = [kind & stratum for stratum in strata for kind in kinds]
    is_right = challenger == label
    return [int(mask.sum()) for mask in masks], [int((mask & is_right).sum()) for mask in masks]


def _drawn(sizes: list[int], right: list[int]) -> tuple[Counts, Counts]:
    """Return (rows drawn, rows drawn that the challenger has right), each strata x groups x resamples."""
    ends = np.cumsum([0, *sizes])
    below = _below(np.concatenate([ends, ends[:-1] + right]), int(ends[-1]))
    starts, shape = below[: len(sizes)], (-1, _GROUPS, N_RESAMPLES)
    drawn, drawn_right = below[1 : len(ends)] - starts, below[len(ends) :] - starts
    return drawn.reshape(shape), drawn_right.reshape(shape)


def _weighted(weights: NDArray[np.int64], counts: Counts) -> Counts:
    """Return the sum over strata of counts, each as often as its rows count."""
    return counts[0] * np.int32(weights[0]) if len(weights) == 1 else np.tensordot(weights, counts, axes=1)


def _below(rows: NDArray[np.int64], n_rows: int) -> Counts:
    """Return how often each resample of n rows draws one of the first i, as a row for each i of `rows`.

    The rows lie on a ring, and a resample counts from one of `N_PLACES` places of it on.
    """
    below = _draws_below(n_rows)
    found = np.empty((len(rows), N_PLACES, N_DRAWS), dtype=np.int32)
    for place in range(N_PLACES):
        first = n_rows * place // N_PLACES
        ends = rows + first
        for number, end in enumerate(ends.tolist()):
            turned = below[end] if end <= n_rows else below[end - n_rows] + below[n_rows]
            np.subtract(turned, below[first], out=found[number, place])
    return found.reshape(len(rows), N_RESAMPLES)


@lru_cache(maxsize=8)  # the meetings of one step have one n
def _draws_below(n_rows: int) -> Counts:
    """Return how often each draw of n rows has one of the first i of them, as (n + 1) x draws."""
    rng = np.random.default_rng((_SEED, n_rows))
    below = np.zeros((n_rows + 1, N_DRAWS), dtype=np.int32)
    for number in range(N_DRAWS):
        below[1:, number] = np.bincount(rng.integers(n_rows, size=n_rows), minlength=n_rows)
    np.cumsum(below, axis=0, out=below)
    return below


@lru_cache(maxsize=1)
def _noise() -> Floats:
    """Return one standard normal number for each resample."""
    return np.random.default_rng(_SEED).standard_normal(N_RESAMPLES)


def _f1(found: Counts, false_alarms: Counts, churners: Counts) -> Floats:
    whole = found + false_alarms + churners
    return np.asarray(2.0 * found / np.maximum(whole, 1))
