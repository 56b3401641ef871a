"""How many seeds a contest needs, and how far that number itself can be trusted."""

import math
from dataclasses import dataclass

from scipy import special

MAX_SEEDS_NEEDED = 1_000_000
RANGE_LEVEL = 0.8


@dataclass(frozen=True, slots=True)
class SeedsNeeded:
    """The seeds at which a contest would be told with the power asked for, and a range for that number.

    `seeds` takes the observed effect for the true one; `least` and `most` take the ends of its 80 % interval. A
    part is `None` where no number of seeds would do: the interval of the effect reaches 0.
    """

    seeds: int | None
    least: int | None
    most: int | None


def seeds_needed(statistic: float, n: int, *, alpha: float, power: float = 0.8) -> SeedsNeeded:
    """Return how many seeds a two-sided t test at `alpha` needs, from the t statistic of `n` seeds.

    The power of N seeds is that of a noncentral t with N - 1 degrees of freedom and noncentrality sqrt(N) times the
    effect (Cohen, Statistical Power Analysis for the Behavioral Sciences, 1988, chapter 2). The effect is estimated
    by t / sqrt(n), and its interval is that of the noncentrality of t (Steiger and Fouladi, Noncentrality interval
    estimation, 1997). A contest that is not told yet always needs more than its n seeds.

    >>> seeds_needed(1.5, 20, alpha=0.05)
    SeedsNeeded(seeds=72, least=23, most=5970)
    """
    observed = abs(statistic)
    tail = (1 - RANGE_LEVEL) / 2
    strongest = float(special.nctdtrinc(n - 1, tail, observed))
    weakest = float(special.nctdtrinc(n - 1, 1 - tail, observed)) if _exceeds_zero(observed, n, tail) else 0.0
    effects = (observed, strongest, weakest)
    return SeedsNeeded(*(_smallest(each / math.sqrt(n), alpha, power) for each in effects))


def _exceeds_zero(observed: float, n: int, tail: float) -> bool:
    return float(special.stdtr(n - 1, -observed)) < tail


def _smallest(effect: float, alpha: float, power: float) -> int | None:
    """Return the smallest number of seeds with enough power, found by bisection; `None` beyond a million."""
    if effect <= 0 or _power(effect, MAX_SEEDS_NEEDED, alpha) < power:
        return None
    low, high = 1, 2
    while _power(effect, high, alpha) < power:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _power(effect, middle, alpha) >= power else (middle, high)
    return max(high, 5)


def _power(effect: float, n: int, alpha: float) -> float:
    """Return the probability that a t test of n pairs finds a mean of `effect` standard deviations, on its side."""
    if n < 2:
        return 0.0
    critical = float(special.stdtrit(n - 1, 1 - alpha / 2))
    shift = effect * math.sqrt(n)
    if n > 3_000:  # the noncentral t is normal by then, and its series is slow
        return float(special.ndtr(shift - critical))
    return float(1 - special.nctdtr(n - 1, shift, critical))
