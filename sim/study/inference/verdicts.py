"""Verdicts: which of many policies earn more than which, with one procedure for verdict, interval and seeds needed.

The procedure is the rotation test of Langsrud (Rotation tests, Statistics and Computing 15, 2005) with the maximum
of |t| over a family of contests, in the manner of Westfall and Young (Resampling-based multiple testing, 1993). A
contest is a paired difference over seeds. With no difference, and seeds that are normal, the table of seeds x
contests is as likely as itself turned by any rotation of the space of seeds; so the share of random rotations under
which the largest |t| of the whole family reaches that of a contest is its p-value, exactly, however the contests
depend on each other and however few the seeds. Joint sign flips are the special case of rotations by 0 and 180
degrees; they can say nothing below six seeds, and rotations can. For one contest this *is* Student's paired t test.
Four hundred settings of one rule that live nearly the same lives cost nearly nothing: their statistics turn
together.

The interval is m -+ t s / sqrt(n) with the very t at which a contest of this family is told, so that verdict,
interval and p-value agree by construction: a contest is told exactly where its interval leaves 0 out and p < 1 -
level. To make the intervals hold together where differences are large, the rotations are applied to the differences
about their means as well, and the larger p-value and t of the two count. The seeds needed are those at which the
same t test, at the level that the family leaves to one contest, has the power asked for.

What is promised, and what is not, is measured by `benchmarks/verdicts.py` and stands in docs/verdicts.md: with normal
differences at most 5 % of studies say anything wrong, in a whole family, at any number of seeds. A mean that rests on
rare events cannot be told by any procedure from seeds that hardly show them: where fewer than `MIN_DEPARTURES` seeds
depart from a difference that most of them share there is no interval, and that is said.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import special

from sim.errors import InputError
from sim.study.inference.contests import MIN_SEEDS, Floats, Interval, t_quantile
from sim.study.inference.one_past import over_customers
from sim.study.inference.seeds_needed import SeedsNeeded, seeds_needed

MIN_DEPARTURES = 4
"""How many seeds must differ from a difference that most share for an interval to keep its promise."""
N_ROTATIONS = 3_999  # (3,999 + 1) x 5 % is whole; at p = 0.05 a p-value is good to 0.003
_ROTATION_SEED = 20_260_114
_ALIKE = 1e-9  # what rounding leaves of equal differences, as a share of the largest value
_SAME = "the same value in every seed"
_NO_VALUE = "one of the two has no value in any seed"
_ONE_PAST = "lives of one past, however many, say no more of its customers"
_CHUNK = 8_000_000  # numbers held at once


class Verdict(StrEnum):
    """What may be said of a policy less another."""

    MORE = "more"
    LESS = "less"
    SAME = "did the same"
    UNTOLD = "can't be told"
    NO_INTERVAL = "no interval can be given"


@dataclass(frozen=True, slots=True)
class Told:
    """A mean paired difference over `n` seeds and what may be said of it.

    `interval` and `p_value` are those of the family; both are `None` where the verdict is `SAME` or `NO_INTERVAL`,
    and `reason` then says why. `seeds_needed` is there where the verdict is `UNTOLD`, but for one past.
    """

    verdict: Verdict
    mean: float | None
    interval: Interval | None
    p_value: float | None
    n: int
    reason: str | None = None
    seeds_needed: SeedsNeeded | None = None


def tell(
    values: Floats,
    contests: Sequence[tuple[int, int]],
    level: float = 0.95,
    *,
    power: float = 0.8,
    resampled: Floats | None = None,
) -> tuple[Told, ...]:
    """Tell each contest of one family: a column of `values` less another, over the seeds in which all are present.

    `values` has a row for each seed and a column for each policy; NaN is missing. A seed in which a policy of the
    family has no value is left out for all of them, so that all are told on the same seeds; a policy without any
    value is left out itself. All contests that are given count as one family: give all that a reader sees side by
    side, and a contest only once. 400 contests over 20 seeds take about a fifth of a second. With `resampled`, the
    values of one past in resamples of its customers, [luck, seed, policy], what is told holds over its customers too
    (`sim.study.inference.one_past`).

    The answer does not depend on the order of the seeds.

    Raises
    ------
    InputError
        `values` is no matrix, or has an infinite value, or `level` or `power` is no share.

    >>> never, good, same = [3.0, 4.0, 5.0, 6.0, 7.0], [5.1, 6.0, 7.2, 8.3, 8.8], [3.0, 4.0, 5.0, 6.0, 7.0]
    >>> better, alike = tell(np.column_stack([never, good, same]), [(1, 0), (2, 0)])
    >>> better.verdict.value, round(better.mean, 2), round(better.interval.low, 2), round(better.p_value, 4)
    ('more', 2.08, 1.84, 0.0)
    >>> alike.verdict.value, alike.interval
    ('did the same', None)
    """
    family = Family.of(values, contests, level, resampled)
    return tuple(family.told(index, power) for index in range(len(family.reasons)))


def all_pairs(n_policies: int) -> list[tuple[int, int]]:
    """Return every pair of policies once, as contests for `tell`.

    >>> all_pairs(3)
    [(0, 1), (0, 2), (1, 2)]
    """
    return list(combinations(range(n_policies), 2))


def not_worse(values: Floats, level: float = 0.95, *, higher_is_better: bool = True) -> tuple[int, ...]:
    """Return the policies that are not shown to be worse than any other: a model confidence set.

    The truly best policy is in it in at least `level` of studies. A policy is left out where the rotation test of "no
    other is better", with the largest t of all others less it, is rejected; since only the test of the truly best one
    can go wrong, nothing is lost to their number. Policies of the same values are one, and stand or fall together;
    those without a value, or in too few seeds, are not in it. Hansen, Lunde and Nason, The model confidence set,
    Econometrica 79, 2011, has the idea with another test. 400 different lives over 20 seeds take about a second.

    >>> values = np.array([[1.0, 5.0, 5.1], [2.0, 6.0, 5.8], [1.5, 5.5, 5.7], [0.5, 5.0, 4.9], [1.0, 5.2, 5.3]])
    >>> not_worse(values)
    (1, 2)
    """
    _check(values, level)
    present = np.flatnonzero(~np.isnan(values).all(axis=0))
    worth = values if higher_is_better else -values
    rows = _in_order(worth[common_seeds(values)][:, present])
    if not rows.size:
        return ()
    lives, life = np.unique(rows, axis=1, return_inverse=True)
    kept = [_may_be_best(lives, own, level) for own in range(lives.shape[1])]
    return tuple(int(policy) for policy, own in zip(present, life.ravel(), strict=True) if kept[int(own)])


def _may_be_best(lives: Floats, own: int, level: float) -> bool:
    """Say whether no other life is shown to be better than one of them."""
    scale = float(np.abs(lives).max(initial=0.0))
    differences = np.delete(lives, own, axis=1) - lives[:, [own]]
    tested = [reason == "" for reason in _reasons(differences, _ALIKE * scale)]
    differences = differences[:, tested]
    n, others = differences.shape
    if not others:
        return True
    best = float((differences / np.sqrt((differences**2).sum(axis=0))).sum(axis=0).max()) / np.sqrt(n)
    single = float(special.stdtrit(n - 1, level))
    if best <= _as_share(np.array(single), n):
        return True  # not even if it were the only contest
    if best > _as_share(special.stdtrit(n - 1, 1 - (1 - level) / others), n):
        return False  # even if all contests were independent
    largest = _largest(differences / np.sqrt((differences**2).sum(axis=0)), is_two_sided=False)
    return bool(best <= largest[-round((1 - level) * (len(largest) + 1))])


def common_seeds(values: Floats) -> NDArray[np.bool_]:
    """Return in which rows all policies have a value, those left out that have none at all.

    >>> common_seeds(np.array([[1.0, np.nan, 2.0], [1.0, np.nan, np.nan]])).tolist()
    [True, False]
    """
    missing = np.isnan(values)
    some = ~missing.all(axis=0)
    return np.asarray(~missing[:, some].any(axis=1) & some.any())


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """Contests that are told together: `tell` for those who want some of many answers.

    `means` and `errors` (standard errors) have a number for each contest, and so have `p_values`, missing where a
    contest can't be tested: `reasons` says why, and is empty elsewhere. `critical` is the |t| beyond which a contest
    is told.
    """

    means: Floats
    errors: Floats
    p_values: Floats
    reasons: tuple[str, ...]
    critical: float
    n: int
    level: float
    is_of_one_past: bool = False

    @classmethod
    def of(
        cls,
        values: Floats,
        contests: Sequence[tuple[int, int]],
        level: float = 0.95,
        resampled: Floats | None = None,
    ) -> "Family":
        """Return the family of contests between columns of `values`, as in `tell`.

        `resampled` are the values of one past in the resamples of its customers, two for each: [luck, seed, policy].
        """
        _check(values, level)
        pairs = np.array(contests, dtype=np.intp).reshape(-1, 2)
        used = np.unique(pairs)
        lives = values[np.newaxis] if resampled is None else np.concatenate([values[np.newaxis], resampled])
        seeds = np.zeros(len(values), dtype=np.bool_)
        if len(used):
            seeds = np.logical_and.reduce([common_seeds(each[:, used]) for each in lives])
        told = np.concatenate(list(lives[:, seeds]), axis=1)
        rows = _in_order(told).reshape(len(told), len(lives), values.shape[1])
        apart = rows[..., pairs[:, 0]] - rows[..., pairs[:, 1]]
        rounding = _ALIKE * float(np.nanmax(np.abs(rows), initial=0.0))
        apart[np.abs(apart) <= rounding] = 0.0
        differences = apart[:, 0]
        if resampled is not None:
            differences = over_customers(differences, apart[:, 1:].swapaxes(0, 1))
        reasons = _reasons(differences, rounding)
        tested = np.array([not reason for reason in reasons], dtype=np.bool_)
        means = differences.mean(axis=0) if len(rows) else np.full(len(pairs), np.nan)
        errors, p_values = np.full(len(pairs), np.nan), np.full(len(pairs), np.nan)
        critical = np.inf
        if tested.any():
            errors[tested], p_values[tested], critical = _tested(differences[:, tested], level)
        is_of_one_past = resampled is not None
        return cls(means, errors, p_values, tuple(reasons), critical, len(rows), level, is_of_one_past)

    def verdict(self, index: int) -> Verdict:
        """Return what may be said of a contest."""
        if self.reasons[index]:
            return Verdict.SAME if self.reasons[index] == _SAME else Verdict.NO_INTERVAL
        if self.p_values[index] > (1 - self.level) + 1e-12:
            return Verdict.UNTOLD
        return Verdict.MORE if self.means[index] > 0 else Verdict.LESS

    def told(self, index: int, power: float = 0.8) -> Told:
        """Return what may be said of a contest, with its interval and the seeds that it needs to be told."""
        _check_share(power, "power")
        verdict, mean = self.verdict(index), float(self.means[index])
        if self.reasons[index]:
            return Told(verdict, None if np.isnan(mean) else mean, None, None, self.n, self.reasons[index])
        error = float(self.errors[index])
        half, needed, reason = self.critical * error, None, None
        if verdict is Verdict.UNTOLD and self.is_of_one_past:
            reason = _ONE_PAST
        elif verdict is Verdict.UNTOLD:
            share = 2 * float(special.stdtr(self.n - 1, -self.critical))
            needed = seeds_needed(mean / error, self.n, alpha=share, power=power)
        interval = Interval(mean - half, mean + half, self.level)
        return Told(verdict, mean, interval, float(self.p_values[index]), self.n, reason, needed)


def _tested(differences: Floats, level: float) -> tuple[Floats, Floats, float]:
    """Return the standard errors and p-values of contests that can be tested, and the |t| that tells them."""
    n, n_contests = differences.shape
    means = differences.mean(axis=0)
    residuals = differences - means
    errors = np.sqrt((residuals**2).sum(axis=0) / (n * (n - 1)))
    statistics = np.abs(means) / errors
    if n_contests == 1:
        return errors, 2 * special.stdtr(n - 1, -statistics), t_quantile(n, level)
    shares = _as_share(statistics, n)
    p_values, critical = np.zeros(n_contests), 0.0
    for table in (differences, residuals):
        largest = _largest(table / np.sqrt((table**2).sum(axis=0)))
        reached = len(largest) - np.searchsorted(largest, shares, side="left")
        p_values = np.maximum(p_values, (1 + reached) / (1 + len(largest)))
        critical = max(critical, float(largest[-round((1 - level) * (len(largest) + 1))]))
    return errors, p_values, float(critical / np.sqrt(1 - critical**2) * np.sqrt(n - 1))


def _as_share(statistics: Floats, n: int) -> Floats:
    """Return |t| as the length of the part of a contest that all seeds share: t / sqrt(n - 1 + t^2)."""
    return np.asarray(statistics / np.sqrt(n - 1 + statistics**2))


def _largest(units: Floats, *, is_two_sided: bool = True) -> Floats:
    """Return the largest |t| of a family in each rotation, as a share, sorted; `units` has columns of length 1.

    A rotation matters by the direction w that it turns the mean to, a random point of the sphere of seeds: the share
    of a column u is |w u|.
    """
    directions = _directions(len(units))
    size = max(1, _CHUNK // units.shape[1])
    columns = np.ascontiguousarray(units, dtype=np.float32)
    parts = []
    for start in range(0, len(directions), size):
        turned = directions[start : start + size] @ columns
        parts.append(np.maximum(turned.max(axis=1), -turned.min(axis=1) if is_two_sided else -1))
    largest = np.sort(np.concatenate(parts).astype(np.float64))
    return np.minimum(largest, 1 - 1e-12)


@lru_cache(maxsize=64)
def _directions(n: int) -> NDArray[np.float32]:
    """Return random points of the unit sphere of n dimensions, the same at each call."""
    drawn = np.random.default_rng([_ROTATION_SEED, n]).standard_normal((N_ROTATIONS, n))
    found: NDArray[np.float32] = (drawn / np.sqrt((drawn**2).sum(axis=1, keepdims=True))).astype(np.float32)
    return found


def _reasons(differences: Floats, rounding: float) -> list[str]:
    """Return why each contest can't be tested, empty where it can."""
    n, n_contests = differences.shape
    if n < MIN_SEEDS:
        few = f"{n} {'seed' if n == 1 else 'seeds'} in which all have a value; at least {MIN_SEEDS} are needed"
        return [_SAME if n and not column.any() else few for column in differences.T]  # NaN is not the same
    ordered = np.sort(differences, axis=0)
    commonest = np.ones(n_contests, dtype=np.intp)
    for run in range(2, n + 1):  # a run of equal values in sorted order
        commonest[(ordered[run - 1 :] - ordered[: n - run + 1] <= rounding).any(axis=0)] = run
    same = np.asarray(~differences.any(axis=0))
    return [
        _NO_VALUE
        if np.isnan(column).any()
        else _SAME
        if alike
        else ""
        if n - most >= MIN_DEPARTURES or 2 * most <= n
        else _rare(n, int(most))
        for column, alike, most in zip(differences.T, same, commonest, strict=True)
    ]


def _rare(n: int, commonest: int) -> str:
    if commonest == n:
        return f"the same difference in all {n} seeds, which says nothing of rarer ones"
    return f"it rests on {n - commonest} of {n} seeds, in the others the difference is the same"


def _in_order(rows: Floats) -> Floats:
    """Return rows in an order that depends neither on that of the seeds nor on that of the policies."""
    return rows[np.lexsort(np.sort(rows, axis=1).T[::-1])] if rows.shape[1] else rows


def _check(values: Floats, level: float) -> None:
    if values.ndim != 2:
        raise InputError(f"verdicts need a matrix of seeds x policies, got {values.ndim} dimension(s); reshape it")
    if np.isinf(values).any():
        raise InputError("a value must be finite or missing, got an infinite one; leave it missing or cap it")
    _check_share(level, "level")


def _check_share(share: float, name: str) -> None:
    if not 0 < share < 1:
        raise InputError(f"{name} must lie between 0 and 1, got {share}; 95 % is 0.95")
