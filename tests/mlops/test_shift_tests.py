"""Tests of shift: p-values against scipy, and levels by simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, false_discovery_control, fisher_exact

from sim.mlops.statistics.stability import (
    Reference,
    adjusted_p,
    chi_squared_p,
    kolmogorov_smirnov_p,
    missing_p,
    population_stability,
    population_stability_p,
)
from sim.world.telco.table import SCHEMA
from sim.world.telco.twin import sample

SIZES = [(2400, 1000), (2400, 300), (600, 600)]


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=2, max_size=8))
def test_chi_squared_is_scipys(pairs):
    reference, today = (np.array(column) for column in zip(*pairs, strict=True))
    (found,) = chi_squared_p(reference, today, np.array([0]), np.array([len(reference)]))
    held = (reference + today) > 0
    if held.sum() < 2 or not reference.sum() or not today.sum():
        assert found == 1
        return
    wanted = chi2_contingency([reference[held], today[held]], correction=False).pvalue
    assert found == pytest.approx(wanted, rel=1e-9, abs=1e-300)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_the_adjusted_p_value_is_scipys_smallest(p_values):
    assert adjusted_p(p_values) == pytest.approx(false_discovery_control(p_values).min(), abs=1e-15)


def test_no_tests_at_all_find_nothing():
    assert adjusted_p([]) == 1
    assert population_stability_p(0.0, 100, 100, bins=1) == 1


@pytest.mark.parametrize(("n", "m"), SIZES)
def test_the_index_has_the_distribution_that_its_p_value_says(n, m):
    rng = np.random.default_rng(5)
    share = np.full(10, 0.1)
    psi = [population_stability(rng.multinomial(n, share), rng.multinomial(m, share)) for _ in range(3000)]
    assert np.mean(psi) == pytest.approx(9 * (1 / n + 1 / m), rel=0.06)
    p_values = np.array([population_stability_p(value, n, m, bins=10) for value in psi])
    for level in (0.2, 0.05, 0.01):
        error = 3 * np.sqrt(level * (1 - level) / 3000)
        assert np.mean(p_values < level) < level + error
        assert np.mean(p_values < level) > level / 2


def batches(seed, n=2400, m=1000):
    rng = np.random.default_rng(seed)
    return Reference.of(SCHEMA, sample(rng, n), rng.random(500)), sample(rng, m), rng


def test_each_feature_gets_its_own_test():
    reference, today, _ = batches(1)
    counted = reference.test_p_values(today)
    assert len(counted) == len(SCHEMA.columns)
    tenure = SCHEMA.position["tenure"]
    assert counted[tenure] == reference.compare(today)[tenure].ks_p
    assert len(reference.psi_p_values(today)) == len(SCHEMA.columns)


@pytest.mark.parametrize("m", [300, 1000])
def test_a_feature_that_has_not_moved_is_called_so_as_often_as_its_p_value_says(m):
    """A category has bins for the unseen and the missing, which hold nobody and must add nothing."""
    n_batches, level = 600, 0.05
    rng = np.random.default_rng(8)
    found = np.array(
        [
            Reference.of(SCHEMA, sample(rng, 2400), rng.random(50)).psi_p_values(sample(rng, m))
            for _ in range(n_batches)
        ]
    )
    rates = (found < level).mean(axis=0)
    assert rates.max() < level + 4 * np.sqrt(level * (1 - level) / n_batches)
    assert rates.mean() == pytest.approx(level, rel=0.2)


def test_a_moved_feature_is_found_by_every_test():
    reference, today, _ = batches(2)
    assert adjusted_p(reference.test_p_values(today)) > 0.01
    contract = SCHEMA.position["Contract"]
    today[: len(today) // 4, contract] = 0
    assert reference.psi_p_values(today)[contract] < 1e-6
    assert reference.test_p_values(today)[contract] < 1e-6
    assert adjusted_p(reference.test_p_values(today)) < 1e-5


NUMBERS = list(SCHEMA.number_positions)


@pytest.mark.parametrize("share", [0.1, 0.9, 1.0])
def test_numbers_that_have_gone_missing_are_found(share):
    reference, today, rng = batches(3)
    tenure = SCHEMA.position["tenure"]
    before = reference.test_p_values(today)
    today[rng.random(len(today)) < share, tenure] = np.nan
    after = reference.test_p_values(today)
    assert after[tenure] < 1e-6
    assert adjusted_p(after) < 1e-5
    assert after[:tenure] + after[tenure + 1 :] == before[:tenure] + before[tenure + 1 :]


def test_a_number_that_comes_back_is_found():
    rng = np.random.default_rng(8)
    rows, tenure = sample(rng, 2400), SCHEMA.position["tenure"]
    rows[:, tenure] = np.nan
    today = sample(rng, 1000)
    never = today.copy()
    never[:, tenure] = np.nan
    reference = Reference.of(SCHEMA, rows, rng.random(500))
    assert reference.test_p_values(today)[tenure] < 1e-6
    assert reference.test_p_values(never)[tenure] == 1, "never there: nothing can differ"


def without_missing(rows):
    """The twin misses a few TotalCharges, as the Telco table does."""
    return rows[~np.isnan(rows).any(axis=1)]


def test_where_nothing_is_missing_a_number_has_its_kolmogorov_smirnov_p_value():
    rng = np.random.default_rng(6)
    rows, today = without_missing(sample(rng, 2400)), without_missing(sample(rng, 1000))
    reference = Reference.of(SCHEMA, rows, rng.random(500))
    found, ks = reference.test_p_values(today), [drift.ks_p for drift in reference.compare(today)]
    assert [found[index] for index in NUMBERS] == [ks[index] for index in NUMBERS]


def test_one_value_missing_is_chance_and_costs_a_number_no_more_than_a_second_test():
    rng = np.random.default_rng(6)
    rows, today = without_missing(sample(rng, 2400)), without_missing(sample(rng, 1000))
    today[0, NUMBERS] = np.nan
    reference = Reference.of(SCHEMA, rows, rng.random(500))
    found, ks = reference.test_p_values(today), [drift.ks_p for drift in reference.compare(today)]
    one = missing_p(0, len(rows), 1, len(today))
    assert one > 0.5
    assert [found[index] for index in NUMBERS] == [min(1.0, 2 * min(ks[index], one)) for index in NUMBERS]


@given(*[st.integers(0, 40)] * 4)
def test_what_is_missing_is_counted_by_an_exact_test(missing, there, missing_today, there_today):
    """Twice the smaller tail of Fisher's test: a few missing values in thousands are too few for another."""
    found = missing_p(missing, missing + there, missing_today, missing_today + there_today)
    if not missing + missing_today or not there + there_today:
        assert found is None
        return
    table = [[missing, there], [missing_today, there_today]]
    tails = [fisher_exact(table, alternative=side).pvalue for side in ("less", "greater")]
    assert found == pytest.approx(min(1.0, 2 * min(tails)), rel=1e-6)


def test_scores_are_compared_with_those_at_the_gate():
    reference, _, rng = batches(4)
    scores = rng.random(800)
    assert reference.score_ks_p(scores) > 0.001
    assert reference.score_ks_p(scores**2) < 1e-6
    assert reference.score_ks_p(np.empty(0)) is None
    assert kolmogorov_smirnov_p(np.sort(scores), np.sort(scores)) == 1


@pytest.mark.slow
@pytest.mark.parametrize("m", [300, 1000])
def test_no_test_of_all_features_says_more_often_than_it_may_that_something_moved(m):
    """At 5 %, 400 pairs of twin samples without a difference; more than 8 % has a chance below 1 %."""
    found = {"bh": 0, "psi": 0}
    for seed in range(400):
        reference, today, _ = batches(seed, m=m)
        found["bh"] += adjusted_p(reference.test_p_values(today)) < 0.05
        found["psi"] += min(reference.psi_p_values(today)) * len(SCHEMA.columns) < 0.05
    assert max(found.values()) <= 32, found


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.0015, 0.05])
def test_missing_numbers_at_a_constant_rate_raise_no_more_alarms_than_they_may(rate):
    """At 5 %, 400 pairs; more than 8 % has a chance below 1 %. The lower rate is that of the Telco table."""
    found = 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        rows, today = sample(rng, 2400), sample(rng, 1000)
        for part in (rows, today):
            holes = rng.random((len(part), len(NUMBERS))) < rate
            part[:, NUMBERS] = np.where(holes, np.nan, part[:, NUMBERS])
        found += adjusted_p(Reference.of(SCHEMA, rows, rng.random(500)).test_p_values(today)) < 0.05
    assert found <= 32


@pytest.mark.parametrize(("n", "m"), SIZES)
@pytest.mark.parametrize("rate", [0.001, 0.01, 0.3])
def test_the_test_of_what_is_missing_holds_its_level(n, m, rate):
    rng = np.random.default_rng(7)
    pairs = zip(rng.binomial(n, rate, 3000).tolist(), rng.binomial(m, rate, 3000).tolist(), strict=True)
    p_values = np.array([1.0 if p is None else p for p in (missing_p(one, n, other, m) for one, other in pairs)])
    for level in (0.05, 0.01, 0.0014):
        assert np.mean(p_values < level) < level + 3 * np.sqrt(level * (1 - level) / 3000)
