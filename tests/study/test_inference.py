"""Inference: against scipy and hand-computed values, and by simulation where coverage is the claim."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from sim.errors import InputError
from sim.study.inference.contests import (
    MIN_SEEDS,
    Floats,
    Interval,
    Missing,
    clopper_pearson,
    holm,
    mean_interval,
    paired_difference,
    ratio_interval,
    studentised_bootstrap,
)

SEEDS = (5, 10, 20)
# whole hundredths: values of one size, ties and zeros among them
VALUE = st.integers(-10_000, 10_000).map(lambda n: n / 100)
VALUES = st.lists(VALUE, min_size=MIN_SEEDS, max_size=20)
POSITIVE = st.lists(st.integers(500, 700).map(lambda n: n / 100), min_size=MIN_SEEDS, max_size=20)
SCALE = st.sampled_from([1e-6, 0.5, 3.0, 1e6])


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def standardised(n: int, mean: float, seed: int = 3) -> Floats:
    """Return values with exactly this mean and a standard deviation of 1."""
    values = rng(seed).normal(size=n)
    return (values - values.mean()) / values.std(ddof=1) + mean


def assert_close(interval: Interval | None, low: float, high: float, width_share: float = 1e-6) -> None:
    assert interval is not None
    scale = max(abs(low), abs(high), 1e-300)
    assert interval.low == pytest.approx(low, rel=1e-9, abs=width_share * scale)
    assert interval.high == pytest.approx(high, rel=1e-9, abs=width_share * scale)


# --- the interval of a mean


def test_mean_interval_by_hand() -> None:
    # mean 3, sd sqrt(2.5), t(4, 97.5 %) = 2.776445
    half = 2.7764451051977987 * math.sqrt(2.5 / 5)
    assert_close(mean_interval([5.0, 4.0, 3.0, 2.0, 1.0]), 3 - half, 3 + half, 1e-12)


@given(VALUES, st.sampled_from([0.8, 0.95, 0.99]))
def test_mean_interval_is_that_of_scipy(values: list[float], level: float) -> None:
    assume(len(set(values)) > 1)
    expected = stats.ttest_1samp(values, 0).confidence_interval(level)
    assert_close(mean_interval(values, level), expected.low, expected.high)


@pytest.mark.parametrize("values", [[], [1.0] * 4, [None] * 9, [1.0, 2.0, 3.0, 4.0, None, math.nan]])
def test_fewer_than_five_values_have_no_interval(values: list[float | None]) -> None:
    assert mean_interval(values) is None
    assert studentised_bootstrap(values, rng()) is None


def test_missing_values_are_left_out() -> None:
    values = [1.0, 2.0, 4.0, 8.0, 16.0]
    gappy = [None, *values, math.nan]
    assert mean_interval(gappy) == mean_interval(values)
    assert studentised_bootstrap(gappy, rng()) == studentised_bootstrap(values, rng())


@given(VALUES, st.randoms(use_true_random=False))
def test_intervals_are_blind_to_order(values: list[float], random) -> None:
    shuffled = random.sample(values, len(values))
    assert mean_interval(shuffled) == mean_interval(values)
    assert studentised_bootstrap(shuffled, rng()) == studentised_bootstrap(values, rng())


@given(VALUES, SCALE, VALUE)
def test_intervals_move_and_stretch_with_their_values(values: list[float], scale: float, shift: float) -> None:
    moved = [scale * (value + shift) for value in values]
    interval = mean_interval(values)
    assert interval is not None
    assert_close(mean_interval(moved), scale * (interval.low + shift), scale * (interval.high + shift))


@given(st.integers(5, 20), st.integers(0, 1000), SCALE, VALUE)
def test_bootstrap_moves_and_stretches_with_its_values(n: int, seed: int, scale: float, shift: float) -> None:
    values = rng(seed).exponential(size=n)  # ties would make rounding decide which resample has no spread
    interval = studentised_bootstrap(values, rng())
    assert interval is not None
    moved = studentised_bootstrap(scale * (values + shift), rng())
    assert_close(moved, scale * (interval.low + shift), scale * (interval.high + shift))


def test_bootstrap_by_a_plain_loop() -> None:
    values = np.sort(rng(7).exponential(size=8))
    mean, error = values.mean(), values.std(ddof=1) / math.sqrt(8)
    pivots = []
    for drawn in rng().integers(8, size=(1999, 8)):
        resample = values[drawn]
        pivots.append((resample.mean() - mean) / (resample.std(ddof=1) / math.sqrt(8)))
    pivots.sort()
    assert_close(studentised_bootstrap(values, rng()), mean - pivots[1949] * error, mean - pivots[49] * error)


def test_bootstrap_reaches_further_into_the_long_tail() -> None:
    values = [1.0, 1.2, 1.5, 1.9, 2.5, 3.0, 4.0, 9.0]
    t, bootstrap = mean_interval(values), studentised_bootstrap(values, rng())
    assert t is not None
    assert bootstrap is not None
    assert bootstrap.low > t.low
    assert bootstrap.high > t.high


@pytest.mark.parametrize("common", [0.0, 0.1, 1 / 3])  # rounding leaves a trace of spread among equal values
def test_bootstrap_without_enough_spread_falls_back_on_t(common: float) -> None:
    values = [common] * 6 + [5.0]  # a third of the resamples hold only the common value
    t = mean_interval(values)
    assert t is not None
    assert_close(studentised_bootstrap(values, rng()), t.low, t.high, 1e-12)


# --- the ratio


def test_ratio_by_a_plain_loop() -> None:
    x, y = np.array([1.0, 2.0, 2.5, 3.0, 4.0, 5.5]), np.array([2.0, 5.0, 4.0, 7.0, 6.0, 8.0])
    ratio = x.sum() / y.sum()

    def error(a: Floats, b: Floats) -> float:
        return math.sqrt(6 / 5 * sum((a - a.sum() / b.sum() * b) ** 2)) / b.sum()

    pivots = sorted(
        (x[i].sum() / y[i].sum() - ratio) / error(x[i], y[i]) if len(set(i)) > 1 else math.inf
        for i in rng().integers(6, size=(1999, 6))
    )
    result = ratio_interval(x, y, rng())
    assert result.estimate == pytest.approx(18 / 32)
    assert (result.n, result.is_missing, result.reason) == (6, False, None)
    assert_close(result.interval, ratio - pivots[1949] * error(x, y), ratio - pivots[49] * error(x, y))


def test_ratio_of_ones_is_the_bootstrap_of_the_mean() -> None:
    values = rng(4).lognormal(size=12)
    assert ratio_interval(values, np.ones(12), rng()).interval == studentised_bootstrap(values, rng())


@pytest.mark.parametrize(
    ("denominators", "reason"),
    [
        ([6.0, 7.0, 5.0, 6.0], Missing.FEW_SEEDS),
        ([6.0, 7.0, 5.0, 6.0, None], Missing.FEW_SEEDS),
        ([1.0, -1.0, 2.0, -2.0, 0.5], Missing.WITHIN_NOISE),
        ([0.0] * 5, Missing.WITHIN_NOISE),
        ([-6.0, -7.0, -5.0, -6.0, -6.0], Missing.NEGATIVE),
    ],
)
def test_ratio_says_why_it_is_missing(denominators: list[float | None], reason: Missing) -> None:
    result = ratio_interval([1.0] * len(denominators), denominators, rng())
    assert result.is_missing
    assert (result.estimate, result.interval, result.reason) == (None, None, reason)


def test_ratio_is_missing_for_all_policies_alike() -> None:
    """A seed that one policy lost must not make the denominators clear for it alone."""
    denominators = [1.0, 1.0, 1.1, 0.9, 1.0, -9.0]
    assert ratio_interval([0.5] * 6, denominators, rng()).reason is Missing.WITHIN_NOISE
    assert ratio_interval([0.5] * 5 + [None], denominators, rng()).reason is Missing.WITHIN_NOISE


def test_ratio_resamples_a_seed_with_all_its_scenarios() -> None:
    x, y = rng(1).normal(3, 1, size=(8, 3)), rng(2).normal(6, 1, size=(8, 3))
    whole = ratio_interval(x, y, rng())
    assert whole == ratio_interval(x.sum(axis=1), y.sum(axis=1), rng())
    assert whole.estimate == pytest.approx(x.sum() / y.sum())
    x[2, 1] = math.nan
    kept = np.delete(np.arange(8), 2)
    assert ratio_interval(x, y, rng()) == ratio_interval(x[kept], y[kept], rng())


@given(POSITIVE, st.data())
def test_ratio_is_blind_to_order_and_scale(denominators: list[float], data: st.DataObject) -> None:
    n = len(denominators)
    x, y = np.array(data.draw(st.lists(VALUE, min_size=n, max_size=n))), np.array(denominators)
    result = ratio_interval(x, y, rng())
    order = np.array(data.draw(st.permutations(range(n))))
    assert ratio_interval(x[order], y[order], rng()) == result
    doubled = ratio_interval(2 * x, 8 * y, rng())  # powers of two leave no rounding
    assert result.interval is not None
    assert_close(doubled.interval, result.interval.low / 4, result.interval.high / 4, 1e-12)


def test_ratio_of_proportional_sums_is_certain() -> None:
    y = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    assert ratio_interval(y / 2, y, rng()).interval == Interval(0.5, 0.5, 0.95)


# --- coverage, by simulation


def coverage_of(interval_of: Callable[[int], Interval | None], truth: Callable[[int], float], n: int) -> Interval:
    """Return the 99.9 % interval of the coverage over `n` repetitions."""
    hits = 0
    for repetition in range(n):
        interval = interval_of(repetition)
        assert interval is not None
        hits += truth(repetition) in interval
    return clopper_pearson(hits, n, 0.999)


@pytest.mark.parametrize("n", SEEDS)
def test_mean_interval_covers_normal_data(n: int) -> None:
    data = rng(n).normal(size=(6000, n))
    coverage = coverage_of(lambda i: mean_interval(data[i]), lambda _: 0.0, 6000)
    assert coverage.low > 0.93, coverage
    assert coverage.high < 0.97, coverage


@pytest.mark.slow
@pytest.mark.parametrize("n", SEEDS)
def test_ratio_interval_covers_recovery(n: int) -> None:
    source, bootstrap = rng(n), rng()
    truth = np.tile([0.3, 0.6, 0.9], 800)
    y = source.normal(6, 1, size=(2400, n))
    x = truth[:, None] * y + source.normal(0, 0.8, size=(2400, n))
    coverage = coverage_of(lambda i: ratio_interval(x[i], y[i], bootstrap).interval, lambda i: float(truth[i]), 2400)
    assert coverage.low > 0.92, coverage
    assert coverage.high < 0.98, coverage


@pytest.mark.slow
def test_studentised_bootstrap_covers_skewed_data_where_t_does_not() -> None:
    data, bootstrap = rng(2).exponential(size=(2000, 10)), rng()
    assert coverage_of(lambda i: studentised_bootstrap(data[i], bootstrap), lambda _: 1.0, 2000).low > 0.92
    assert coverage_of(lambda i: mean_interval(data[i]), lambda _: 1.0, 2000).high < 0.93


# --- paired differences


def assert_uniform(differences: Floats) -> None:
    zeros = np.zeros(differences.shape[1])
    p_values = [paired_difference(row, zeros).p_value for row in differences]
    assert stats.kstest(p_values, "uniform").pvalue > 0.001
    for alpha in (0.01, 0.05):
        rejected = sum(p <= alpha for p in p_values if p is not None)
        assert alpha in clopper_pearson(rejected, len(p_values), 0.999)


# --- many p-values


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert holm([0.9, 0.8]) == (1.0, 1.0)
    assert holm([None, 0.02, None]) == (None, 0.02, None)
    assert holm([]) == ()


# --- ranks


# --- planning and rates


@given(st.integers(0, 40), st.integers(0, 40), st.sampled_from([0.8, 0.95]))
def test_clopper_pearson_is_that_of_scipy(k: int, others: int, level: float) -> None:
    interval = clopper_pearson(k, k + others, level)
    if k + others == 0:
        assert interval == Interval(0.0, 1.0, level)
        return
    expected = stats.binomtest(k, k + others).proportion_ci(level, method="exact")
    assert_close(interval, expected.low, expected.high)


@given(st.integers(0, 10_000), st.sampled_from([5, 12, 40]), st.sampled_from([1e-9, 1.0, 1e9]))
def test_a_paired_difference_is_students_t_test(seed: int, n: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    one, other = scale * (rng.normal(size=n) + 0.5), scale * rng.normal(size=n)
    result, expected = paired_difference(one, other), stats.ttest_rel(one, other)
    assert result.p_value == pytest.approx(expected.pvalue)
    assert result.interval is not None
    assert (0 not in result.interval) == (expected.pvalue < 0.05)
    assert paired_difference(other, one).p_value == pytest.approx(expected.pvalue)
    again = rng.permutation(n)
    assert paired_difference(one[again], other[again]) == result


def test_a_pair_with_a_missing_value_is_left_out_and_equal_differences_have_no_p_value() -> None:
    few = paired_difference([1.0, None, 3.0, 4.0, 5.0], [0.0, 1.0, 1.0, math.nan, 1.0])
    assert (few.mean, few.interval, few.p_value, few.n) == (pytest.approx(7 / 3), None, None, 3)
    assert paired_difference([None], [1.0]).mean is None
    assert paired_difference([0.1] * 40, [0.1] * 40).p_value is None
    assert paired_difference([0.3] * 9, [0.1] * 9).p_value is None


# --- mistakes


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mean_interval([1.0] * 5, level=95), "level must lie between 0 and 1, got 95; 95 % is 0.95"),
        (lambda: mean_interval([1.0, math.inf]), "a value must be finite or missing, got an infinite one"),
        (
            lambda: paired_difference([1.0], [1.0, 2.0]),
            r"must have one shape, got \(1,\) and \(2,\); pair them by seed",
        ),
        (lambda: ratio_interval([1.0], [[1.0, 2.0]], rng()), r"must have one shape, got \(1,\) and \(1, 2\)"),
        (
            lambda: studentised_bootstrap([1.0, 2, 3, 4, 5], rng(), 0.9999),
            "needs a level of at most 0.999, got 0.9999",
        ),
        (lambda: clopper_pearson(3, 2), "0 <= k <= n, got k = 3 and n = 2"),
    ],
)
def test_mistakes_are_named(call: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()
