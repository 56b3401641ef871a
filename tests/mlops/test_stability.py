"""Stability: PSI and Kolmogorov-Smirnov against values by hand and from scipy."""

from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sim.mlops.statistics.stability import Binning, Reference, kolmogorov_smirnov_p, population_stability
from sim.world.schema.columns import UNSEEN, Column, Schema

SCHEMA = Schema((Column("age"), Column("plan", ("basic", "plus"))))


def test_psi_by_hand():
    # with half a count a bin: p = (30.5, 70.5) / 101, q = (60.5, 40.5) / 101
    by_hand = (30.5 - 60.5) / 101 * log(30.5 / 60.5) + (70.5 - 40.5) / 101 * log(70.5 / 40.5)
    assert population_stability(np.array([60, 40]), np.array([30, 70])) == pytest.approx(by_hand, rel=1e-14)


def test_psi_of_an_empty_bin_is_finite_and_the_same_on_either_side():
    full, half = np.array([50, 50, 0]), np.array([50, 0, 50])
    assert 0 < population_stability(full, half) < 10
    assert population_stability(full, half) == pytest.approx(population_stability(half, full), rel=1e-14)


@given(st.lists(st.integers(0, 500), min_size=2, max_size=12), st.data())
def test_psi_is_never_negative_and_symmetric(counts, data):
    others = data.draw(st.lists(st.integers(0, 500), min_size=len(counts), max_size=len(counts)))
    one, other = np.array(counts), np.array(others)
    assert population_stability(one, other) >= 0
    assert population_stability(one, other) == pytest.approx(population_stability(other, one), abs=1e-12)
    assert population_stability(one, one) == 0


def test_psi_of_unmoved_values_is_biased_as_documented():
    rng = np.random.default_rng(3)
    n, m, bins = 2000, 500, 10
    found = []
    for _ in range(400):
        reference = rng.random(n)
        binning = Binning.of_numbers(reference)
        found.append(population_stability(binning.counts(reference)[:-1], binning.counts(rng.random(m))[:-1]))
    # the reference fills its own deciles evenly, so today's noise and that of the deciles add up
    assert np.mean(found) == pytest.approx((bins - 1) * (1 / n + 1 / m), rel=0.1)


def test_deciles_hold_a_tenth_each_and_missing_values_have_a_bin_of_their_own():
    values = np.append(np.arange(1000.0), [np.nan] * 7)
    binning = Binning.of_numbers(values)
    assert binning.counts(values).tolist() == [100] * 10 + [7]
    assert binning.counts(np.array([-5.0, 5e9, np.nan, np.inf])).tolist() == [1, *[0] * 8, 2, 1]


def test_equal_deciles_share_a_bin():
    values = np.repeat([0.0, 1.0], [85, 15])
    binning = Binning.of_numbers(values)
    assert binning.counts(values).tolist() == [85, 15, 0, 0]


def test_a_reference_without_values_still_tells_missing_from_present():
    binning = Binning.of_numbers(np.full(5, np.nan))
    assert binning.counts(np.array([1.0, np.nan])).tolist() == [1, 1]


def test_categories_have_a_bin_each_besides_unseen_and_missing():
    binning = Binning.of_categories(Column("plan", ("basic", "plus")))
    assert binning.counts(np.array([UNSEEN, 0, 0, 1, np.nan])).tolist() == [1, 2, 1, 1]


@given(
    st.lists(st.integers(0, 30), min_size=3, max_size=60),
    st.lists(st.integers(0, 30), min_size=3, max_size=60),
)
def test_kolmogorov_smirnov_is_scipys_statistic_at_its_limit(first, second):
    one, other = np.sort(np.array(first, dtype=float)), np.sort(np.array(second, dtype=float))
    distance = stats.ks_2samp(one, other, method="asymp").statistic
    size = len(one) * len(other) / (len(one) + len(other))
    assert kolmogorov_smirnov_p(one, other) == pytest.approx(stats.kstwobign.sf(distance * size**0.5), abs=1e-12)


def test_kolmogorov_smirnov_agrees_with_scipy_for_a_batch():
    rng = np.random.default_rng(1)
    for shift in (0.0, 0.05, 0.1):
        one, other = np.sort(rng.normal(size=2500)), np.sort(rng.normal(loc=shift, size=1000))
        exact = stats.ks_2samp(one, other, method="exact").pvalue
        assert kolmogorov_smirnov_p(one, other) == pytest.approx(exact, abs=0.03)


def test_kolmogorov_smirnov_is_missing_without_values():
    assert kolmogorov_smirnov_p(np.empty(0), np.arange(3.0)) is None
    assert kolmogorov_smirnov_p(np.arange(3.0), np.empty(0)) is None


def test_a_batch_is_compared_column_by_column():
    rng = np.random.default_rng(2)
    features = np.column_stack([rng.random(500), rng.integers(0, 2, 500)])
    scores = rng.random(200)
    reference = Reference.of(SCHEMA, features, scores)
    today = features[:100].copy()
    today[:10, 0] = np.nan
    today[:25, 1] = UNSEEN
    today[25:30, 1] = np.nan
    age, plan = reference.compare(today)
    assert (age.name, age.null_rate, age.unseen_rate) == ("age", 0.1, 0.0)
    assert (plan.name, plan.null_rate, plan.unseen_rate, plan.ks_p) == ("plan", 0.05, 0.25, None)
    binning = Binning.of_numbers(features[:, 0])
    assert age.psi == population_stability(binning.counts(features[:, 0]), binning.counts(today[:, 0]))
    assert age.ks_p == kolmogorov_smirnov_p(np.sort(features[:, 0]), np.sort(today[10:, 0]))
    assert reference.score_psi(scores) == 0
    assert reference.score_psi(scores / 2) > 0.2


@given(st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_no_bit(random):
    rng = np.random.default_rng(random.randrange(2**32))
    features = np.column_stack([rng.random(80), rng.integers(-1, 2, 80)])
    features[rng.random(features.shape) < 0.1] = np.nan
    reference = Reference.of(SCHEMA, features, rng.random(30))
    shuffled = Reference.of(SCHEMA, features[rng.permutation(80)], rng.random(30))
    today = features[rng.integers(0, 80, 40)]
    assert reference.compare(today) == shuffled.compare(today[rng.permutation(40)])


def test_the_rise_of_missing_values_is_against_the_reference_and_of_the_worst_column():
    reference = Reference.of(
        SCHEMA, np.array([[1.0, 0.0], [np.nan, 1.0], [3.0, 0.0], [np.nan, 1.0]]), np.array([0.5])
    )
    assert reference.null_rate_rise(np.array([[1.0, 0.0], [np.nan, 1.0]])) == 0.0, "half of age was always missing"
    assert reference.null_rate_rise(np.array([[1.0, np.nan], [2.0, 1.0]])) == 0.5
    assert reference.null_rate_rise(np.array([[1.0, 0.0]])) == 0.0, "the worst column is the one that fell least"
