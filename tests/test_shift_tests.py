"""Tests of shift: p-values against scipy, and levels by simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, false_discovery_control

from sim.mlops.stability import (
    Reference,
    adjusted_p,
    chi_squared_p,
    kolmogorov_smirnov_p,
    population_stability,
    population_stability_p,
)
from sim.world.telco import SCHEMA
from sim.world.twin import sample

SIZES = [(2400, 1000), (2400, 300), (600, 600)]


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=2, max_size=8))
def test_chi_squared_is_scipys(pairs):
    reference, today = (np.array(column) for column in zip(*pairs, strict=True))
    held = (reference + today) > 0
    if held.sum() < 2 or not reference.sum() or not today.sum():
        assert chi_squared_p(reference, today) == 1
        return
    wanted = chi2_contingency([reference[held], today[held]], correction=False).pvalue
    assert chi_squared_p(reference, today) == pytest.approx(wanted, rel=1e-9, abs=1e-300)


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
    return Reference(SCHEMA, sample(rng, n), rng.random(500)), sample(rng, m), rng


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
        [Reference(SCHEMA, sample(rng, 2400), rng.random(50)).psi_p_values(sample(rng, m)) for _ in range(n_batches)]
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


def test_a_feature_that_is_not_there_has_found_nothing():
    reference, today, _ = batches(3)
    tenure = SCHEMA.position["tenure"]
    today[:, tenure] = np.nan
    assert reference.test_p_values(today)[tenure] == 1
    assert reference.psi_p_values(today)[tenure] < 1e-6


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
