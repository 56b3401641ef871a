"""The confidence set: the classes of settings that are not shown to be worse than the best one."""

import numpy as np
from numpy.typing import NDArray

from sim.study.inference.contests import MIN_SEEDS

Floats = NDArray[np.float64]
MOST_EXACT_SEEDS = 10
N_FLIPS = 999
MOST_RIVALS = 150
"""Rivals that each class is held against: more are thinned out evenly, which leaves the coverage as it is."""


def confidence_set(values: Floats, rng: np.random.Generator, level: float = 0.95) -> NDArray[np.bool_] | None:
    """Return which classes may be the best: a set that has the truly best one with a probability of at least `level`.

    For each class the hypothesis is tested that no rival is better. The statistic is the largest paired t of a rival
    over it; its distribution is that under joint flips of the signs of whole seeds, which keeps how rivals and
    scenarios hang together (Romano and Wolf, Exact and approximate stepdown methods, JASA 100, 2005; subset
    selection as in Hsu, Multiple Comparisons, 1996, chapter 4). All sign patterns are counted up to
    `MOST_EXACT_SEEDS` seeds. The best class of the sample is always in it.

    Parameters
    ----------
    values
        A row for each class, a column for each seed: larger is better.
    rng
        Draws the signs where there are too many patterns.
    level
        The probability, as a share.

    Returns
    -------
    A mask over the classes; `None` with fewer than `MIN_SEEDS` seeds.
    """
    n_classes, n_seeds = values.shape
    if n_seeds < MIN_SEEDS:
        return None
    signs = _signs(n_seeds, rng)
    thinned = np.unique(np.linspace(0, n_classes - 1, min(n_classes, MOST_RIVALS)).astype(np.int64))
    rivals = values[np.unique(np.append(thinned, values.mean(axis=1).argmax()))]
    inside = np.zeros(n_classes, dtype=np.bool_)
    for place, own in enumerate(values):
        inside[place] = _may_be_best(rivals - own, signs, level)
    return inside


def _may_be_best(lead: Floats, signs: Floats, level: float) -> bool:
    """Whether no rival leads for sure; `lead` has a row for each rival."""
    n = lead.shape[1]
    lead = lead[lead.any(axis=1)]
    squares = np.square(lead).sum(axis=1)
    observed = _t(lead.mean(axis=1), squares, n)
    largest = observed.max(initial=-np.inf)
    if largest <= 0:
        return True
    enough, threshold = (1 - level) * len(signs), largest * (1 - 1e-12)
    first = observed.argmax()  # alone it reaches the threshold no more often than all do together
    if np.count_nonzero(_t(signs @ lead[first] / n, squares[first], n) >= threshold) > enough:
        return True
    flipped = _t(signs @ lead.T / n, squares, n).max(axis=1)
    return bool(np.count_nonzero(flipped >= threshold) > enough)


def _t(means: Floats, squares: Floats | np.float64, n: int) -> Floats:
    """Return the t statistic of means whose values have these sums of squares."""
    variance = np.maximum(squares - n * np.square(means), 0) / (n - 1)
    floor = 1e-12 * squares / n
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(means / np.sqrt(np.maximum(variance, floor) / n), dtype=np.float64)


def _signs(n_seeds: int, rng: np.random.Generator) -> Floats:
    """Return sign patterns, a row each: every one there is, or the given order and random others."""
    if n_seeds <= MOST_EXACT_SEEDS:
        bits = np.arange(2**n_seeds)[:, np.newaxis] >> np.arange(n_seeds) & 1
        return np.asarray(1.0 - 2.0 * bits, dtype=np.float64)
    drawn = rng.choice([-1.0, 1.0], size=(N_FLIPS, n_seeds))
    return np.concatenate([np.ones((1, n_seeds)), drawn])
