"""The paired bootstrap of an F1 difference: by how much one model is better than another, and how sure that is.

Both models answered the same n rows. A resample draws n of them with replacement, the same for both models, and F1 is
counted for each (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapters 8 and 13). McNemar's test,
the other paired test in use, compares accuracies: where churners are rare that is another question.

Three properties make it fit for a gate. The resamples are fixed once and for all for each n, so the answer is a pure
function of the rows. Rows of one kind are put in order before they are drawn, so the order they come in never
matters. And that order puts the rows that the new model has right first: setting one more right changes one row of
each resample from wrong to right and no other, so no F1 of it falls in any resample, and neither does a bound.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

N_RESAMPLES = 999
_SEED = 20_260_101
_GROUPS = 4

Booleans = NDArray[np.bool_]
Floats = NDArray[np.float64]
Counts = NDArray[np.uint32]


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
    """Return the percentile bounds of challenger's F1 less champion's, from their predictions for the same rows.

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
    The k-th smallest and largest of the 999 resampled differences, k = 1000 (1 - level) rounded down and at least 1.
    An F1 without a true positive is 0. Memory grows with n: 4 kB a row.

    >>> label = np.repeat([True, False], [50, 150])
    >>> same = f1_difference_bounds(label, label, label, level=0.95)
    >>> same.low, same.high
    (0.0, 0.0)
    """
    times = np.ones(len(label), dtype=np.int64) if weight is None else weight
    weights = np.unique(times)
    sizes, right = _groups(label, challenger, champion, [times == each for each in weights])
    drawn, drawn_right = (np.tensordot(weights, part, axes=1) for part in _drawn(sizes, right))
    found, false_alarms = drawn_right[:2].sum(axis=0), (drawn[2:] - drawn_right[2:]).sum(axis=0)
    churners = drawn[:2].sum(axis=0)
    differences = _f1(found, false_alarms, churners) - _f1(drawn[0], drawn[2], churners)
    if retraining_sd:
        differences = differences + np.sqrt(2) * retraining_sd * _noise()
    ordered = np.sort(differences)
    k = max(int((N_RESAMPLES + 1) * (1 - level) + 1e-9), 1)  # 1 - 0.95 is a little less than 0.05
    return DifferenceBounds(float(ordered[k - 1]), float(ordered[-k]))


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


def _drawn(sizes: list[int], right: list[int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (rows drawn, rows drawn that the challenger has right), each strata x groups x resamples."""
    ends = np.cumsum([0, *sizes])
    below = _draws_below(int(ends[-1]))
    starts = below[:, ends[:-1]].T.astype(np.int64)
    shape = (-1, _GROUPS, N_RESAMPLES)
    return (below[:, ends[1:]].T - starts).reshape(shape), (below[:, ends[:-1] + right].T - starts).reshape(shape)


@lru_cache(maxsize=8)  # the meetings of one step have one n
def _draws_below(n_rows: int) -> Counts:
    """Return how often each resample of n rows draws one of the first i of them, as resamples x (n + 1)."""
    rng = np.random.default_rng((_SEED, n_rows))
    below = np.zeros((N_RESAMPLES, n_rows + 1), dtype=np.uint32)
    for resample in below:
        np.cumsum(np.bincount(rng.integers(n_rows, size=n_rows), minlength=n_rows), out=resample[1:])
    return below


@lru_cache(maxsize=1)
def _noise() -> Floats:
    """Return one standard normal number for each resample."""
    return np.random.default_rng(_SEED).standard_normal(N_RESAMPLES)


def _f1(found: NDArray[np.int64], false_alarms: NDArray[np.int64], churners: NDArray[np.int64]) -> Floats:
    whole = found + false_alarms + churners
    return np.asarray(np.divide(2.0 * found, whole, out=np.zeros(len(found)), where=whole > 0))
