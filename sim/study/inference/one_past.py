"""One past: intervals of a history, over the customers that it might have had as well as over the luck of training.

The seeds of a history share its customers, so their spread is luck alone. What other customers would have brought is
learnt by drawing the customers again: each seed also lives twice in a resample of its own, the two lives apart in
their luck only. With m the mean of the two, V its variance over seeds and w the mean variance within a pair, V is
that of customers plus w / 2. The mean over the n lives of the past itself strays by that of customers plus w / n, so
its variance is about V - (1/2 - 1/n) w; at least V / 2, as w is known from few seeds only. Student's t with n - 1
degrees of freedom does the rest. Unlike the spread of a simulated world, this does not shrink with more seeds.

Measured with normal values, 15,000 studies each, for a luck of 0 to 2 times the variance of customers and 5 to 40
seeds: an interval of 95 % covers in 93.0 to 95.2 %. Real histories: `benchmarks/history_coverage.py`.
"""

import numpy as np

from sim.study.inference.contests import Floats


def over_customers(past: Floats, resampled: Floats) -> Floats:
    """Return a value for each seed, whose t interval is that of the mean of `past` over customers and luck.

    Parameters
    ----------
    past
        The value in the past itself: a row for each seed, a column for each thing that is told.
    resampled
        The values in the seed's resample, under two lucks: [luck, seed, thing].

    Their mean over seeds is that of `past`. A seed with a missing value is missing.

    >>> past, first, second = np.array([[1.0], [2.0], [3.0]]), np.array([[0.0], [2.0], [4.0]]), np.array([[2.0]] * 3)
    >>> np.round(over_customers(past, np.stack([first, second])), 2).ravel().tolist()
    [0.47, 2.0, 3.53]
    """
    complete = ~(np.isnan(past) | np.isnan(resampled).any(axis=0))
    n = np.maximum(complete.sum(axis=0), 1)
    pairs = np.where(complete, resampled.mean(axis=0), 0.0)
    middle = pairs.sum(axis=0) / n
    apart = np.where(complete, pairs - middle, 0.0)
    spread = (apart**2).sum(axis=0) / np.maximum(n - 1, 1)
    luck = np.where(complete, (resampled[0] - resampled[1]) ** 2 / 2, 0.0).sum(axis=0) / n
    needed = np.maximum(spread - (0.5 - 1 / n) * luck, spread / 2)
    scale = np.sqrt(n * np.divide(needed, spread, out=np.zeros_like(spread), where=spread > 0))
    centre = np.where(complete, past, 0.0).sum(axis=0) / n
    return np.asarray(np.where(complete, centre + scale * apart, np.nan))
