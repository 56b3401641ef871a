"""Overlap: samples that share customers are nearer to each other than strangers, and by how much."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lives import TWIN, live, small, toy_population
from scipy.stats import mannwhitneyu
from test_on_request import Curious

from sim.mlops.models.two_samples import compare_samples
from sim.mlops.statistics.overlap import LEAST_RATIO, STRANGERS, Sample, Seen
from sim.mlops.statistics.stability import Reference, adjusted_p, kolmogorov_smirnov_p
from sim.world.telco.table import SCHEMA
from sim.world.telco.twin import sample

LEVEL = 0.05


def people(numbers, values=None):
    """Rows of numbered customers with one feature, which is their number unless values are given."""
    numbers = np.asarray(numbers)
    values = numbers if values is None else np.asarray(values)
    return Sample(np.array([f"C{number}" for number in numbers]), values.astype(float)[:, np.newaxis])


# What the correction is


COUNTS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=6).filter(
    lambda pairs: any(a for a, _ in pairs) and any(b for _, b in pairs)
)


@given(COUNTS)
def test_the_ratio_is_the_variance_over_every_assignment_of_values_to_customers(pairs):
    """Every order of the values is as likely where nothing has moved; all of them are tried."""
    reference = np.repeat(np.arange(len(pairs)), [a for a, _ in pairs])
    batch = np.repeat(np.arange(len(pairs)), [b for _, b in pairs])
    value = np.arange(len(pairs)) ** 2.0
    gaps = [np.take(order, reference).mean() - np.take(order, batch).mean() for order in permutations(value.tolist())]
    strangers = value.var(ddof=1) * (1 / len(reference) + 1 / len(batch))
    wanted = np.mean(np.square(gaps)) / strangers
    found = Seen.of(people(reference)).overlap(people(batch)).ratio
    assert found == pytest.approx(max(wanted, LEAST_RATIO), abs=1e-9)


@given(st.lists(st.integers(0, 30), min_size=1), st.lists(st.integers(0, 30), min_size=1), st.randoms())
def test_neither_side_nor_the_order_of_rows_matters(one, other, random):
    found = Seen.of(people(one)).overlap(people(other))
    assert Seen.of(people(other)).overlap(people(one)).ratio == pytest.approx(found.ratio, rel=1e-12)
    shuffled = random.sample(one, len(one))
    again = Seen.of(people(shuffled)).overlap(people(other))
    assert again.ratio == found.ratio
    assert found.is_stranger.tolist() == [number not in one for number in other]
    assert again.is_stranger.tolist() == found.is_stranger.tolist()


@given(st.sets(st.integers(0, 99), min_size=1), st.sets(st.integers(100, 199), min_size=1))
def test_strangers_are_compared_as_they_always_were(one, other):
    found = Seen.of(people(sorted(one))).overlap(people(sorted(other)))
    assert found.ratio == 1
    assert found.is_stranger.all()


def test_the_more_are_in_both_the_less_may_differ():
    reference = Seen.of(people(range(100)))
    ratios = [reference.overlap(people(range(start, start + 50))).ratio for start in (100, 75, 50)]
    assert ratios == pytest.approx([1, 1 - 2 * 25 / (5000 * 0.03), 1 - 2 * 50 / (5000 * 0.03)])
    assert reference.overlap(people(range(100))).ratio == LEAST_RATIO, "the same hundred again"


def test_nobody_has_no_overlap():
    assert Seen.of(people([])).overlap(people([1])) == STRANGERS
    assert Seen.of(people([1])).overlap(people([])) == STRANGERS


def test_a_customer_whose_values_have_changed_is_known_and_is_no_longer_the_same_row():
    found = Seen.of(people([1, 2])).overlap(people([1, 2], values=[1, 7]))
    assert found.ratio == pytest.approx(1 - 2 * 1 / 4)
    assert found.is_stranger.tolist() == [False, False]


def test_missing_values_and_zeros_are_equal_whatever_their_bits():
    other_nan = np.frombuffer(np.uint64(0x7FF8000000000001).tobytes(), dtype=np.float64)[0]
    one, other = people([1, 2], values=[np.nan, 0.0]), people([1, 2], values=[other_nan, -0.0])
    assert one.rows.tolist() == other.rows.tolist()


def test_equal_values_in_other_columns_are_other_rows():
    ids = np.array(["A", "A"])
    assert len(set(Sample(ids, np.array([[1.0, 2.0], [2.0, 1.0]])).rows.tolist())) == 2


def test_a_reference_counts_the_newest_row_of_each_customer():
    assert Seen.of(people([3, 1, 3, 2, 1])).newest.tolist() == [2, 3, 4]


# What it does to the tests


N_TABLE, N_REFERENCE, N_TODAY = 3000, 1800, 800


def months(seed, table):
    """A reference and a month of a finite table, of whom about six in ten are in the reference too."""
    rng = np.random.default_rng(seed)
    ids = np.array([f"T{number}" for number in range(len(table))])
    old, new = (rng.choice(len(table), size, replace=False) for size in (N_REFERENCE, N_TODAY))
    return Sample(ids[old], table[old]), Sample(ids[new], table[new])


def test_on_a_finite_table_a_test_of_numbers_keeps_its_level_with_the_correction_and_is_blind_without():
    """Of 1,500 pairs without a difference 5 % are below 5 %; taken for independent, hardly any."""
    table = np.random.default_rng(1).standard_exponential((N_TABLE, 1))
    found = {"corrected": 0, "as strangers": 0}
    for seed in range(1500):
        reference, today = months(seed, table)
        sides = np.sort(reference.features[:, 0]), np.sort(today.features[:, 0])
        ratio = Seen.of(reference).overlap(today).ratio
        found["corrected"] += kolmogorov_smirnov_p(*sides, ratio) < LEVEL
        found["as strangers"] += kolmogorov_smirnov_p(*sides) < LEVEL
    assert 0.033 < found["corrected"] / 1500 < 0.067, found
    assert found["as strangers"] / 1500 < 0.02, found


def test_on_a_finite_table_each_feature_is_called_moved_as_often_as_its_p_value_says():
    table = sample(np.random.default_rng(2), N_TABLE)
    corrected, strangers = [], []
    for seed in range(500):
        reference, today = months(seed, table)
        seen = Seen.of(reference)
        kept = Reference.of(SCHEMA, reference.features, np.zeros(1), seen)
        overlap = kept.overlap(today)
        corrected.append(kept.psi_p_values(today.features, overlap) + kept.test_p_values(today.features, overlap))
        strangers.append(kept.psi_p_values(today.features) + kept.test_p_values(today.features))
    rates = (np.array(corrected) < LEVEL).mean(axis=0)
    assert rates.max() < LEVEL + 4 * np.sqrt(LEVEL * (1 - LEVEL) / 500)
    assert rates.mean() == pytest.approx(LEVEL, abs=0.008)
    assert (np.array(strangers) < LEVEL).mean() < 0.02


def test_what_is_missing_is_counted_of_strangers_and_holds_its_level():
    """An exact test has no variance to correct: the customers in both would be counted on both sides."""
    table = sample(np.random.default_rng(3), N_TABLE)
    tenure = SCHEMA.position["tenure"]
    table[np.random.default_rng(4).random(N_TABLE) < 0.1, tenure] = np.nan
    found = 0
    for seed in range(400):
        reference, today = months(seed, table)
        kept = Reference.of(SCHEMA, reference.features, np.zeros(1), Seen.of(reference))
        found += kept.test_p_values(today.features, kept.overlap(today))[tenure] < LEVEL
    assert 0.015 < found / 400 < 0.08
    reference, today = months(1, table)
    today.features[np.random.default_rng(5).random(N_TODAY) < 0.1, tenure] = np.nan
    kept = Reference.of(SCHEMA, reference.features, np.zeros(1), Seen.of(reference))
    assert kept.test_p_values(today.features, kept.overlap(today))[tenure] < 0.001


def test_a_ranking_by_any_score_varies_as_the_ratio_says():
    """The z-value of Mann and Whitney, which a classifier's halves are judged by, has a variance of 1."""
    table = np.random.default_rng(6).standard_normal((N_TABLE, 1))
    z_values = []
    for seed in range(1000):
        reference, today = months(seed, table)
        test = mannwhitneyu(today.features[:, 0], reference.features[:, 0], method="asymptotic")
        n, m = N_REFERENCE, N_TODAY
        z = (test.statistic - n * m / 2) / np.sqrt(n * m * (n + m + 1) / 12)
        z_values.append(z / np.sqrt(Seen.of(reference).overlap(today).ratio))
    assert np.var(z_values) == pytest.approx(1, abs=4 * np.sqrt(2 / 1000))


def test_a_moved_table_is_found_sooner_with_the_correction():
    table = sample(np.random.default_rng(7), N_TABLE)
    charges = SCHEMA.position["MonthlyCharges"]
    found = {"corrected": 0, "as strangers": 0}
    for seed in range(60):
        reference, today = months(seed, table)
        today.features[: N_TODAY // 12, charges] *= 1.3
        kept = Reference.of(SCHEMA, reference.features, np.zeros(1), Seen.of(reference))
        found["corrected"] += adjusted_p(kept.test_p_values(today.features, kept.overlap(today))) < LEVEL
        found["as strangers"] += adjusted_p(kept.test_p_values(today.features)) < LEVEL
    assert found["corrected"] > found["as strangers"]


@pytest.mark.slow
@pytest.mark.parametrize("is_finite", [False, True])
def test_a_classifier_of_two_samples_keeps_its_level_on_strangers_and_on_a_finite_table(is_finite):
    """At 5 %, 400 pairs: 2 to 8.5 %. Less was found as long as its halves were taken for one look."""
    table, found, areas = sample(np.random.default_rng(8), N_TABLE), 0, []
    for seed in range(400):
        fresh = sample(np.random.default_rng(seed), N_TABLE) if not is_finite else table
        if is_finite:
            reference, today = months(seed, fresh)
            reference = reference.take(np.arange(N_REFERENCE) < N_REFERENCE // 3)
        else:
            reference = Sample.of_strangers(fresh[: N_REFERENCE // 3], "R")
            today = Sample.of_strangers(fresh[-N_TODAY:], "T")
        two = compare_samples(SCHEMA, reference, today)
        found += two.p_value < LEVEL
        areas.append(two.auc)
    assert 8 <= found <= 34
    assert np.mean(areas) == pytest.approx(0.5, abs=0.005)


# In a life


TESTS = frozenset({"psi_p", "drift_p", "score_ks_p", "two_sample_p"})
LAST = 7


@pytest.mark.parametrize(("population", "is_finite"), [(toy_population(900), True), (TWIN, False)])
def test_a_life_on_a_small_table_is_watched_with_the_correction_and_one_on_the_twin_as_ever(population, is_finite):
    """Six months of 150 go through a table of 900; from then on a month holds customers of the warm-up."""
    watcher = Curious(TESTS)
    life = live(small(steps=LAST + 1), watcher, population=population, profile="none")
    seen, today = watcher.seen[LAST], life.log.cohorts([LAST])[0].sample
    reference = life.platform.monitor.reference(life.state.champion)
    overlap, gate = reference.overlap(today), reference.score_overlap(today)
    assert (overlap.ratio < 0.95, gate.ratio < 0.99) == (is_finite, is_finite)
    psi = reference.psi_p_values(today.features, overlap)
    assert seen.psi_p == min(1.0, len(psi) * min(psi))
    assert seen.drift_p == adjusted_p(reference.test_p_values(today.features, overlap))
    assert seen.ks_p_min == min(each.ks_p for each in reference.compare(today.features, overlap) if each.ks_p)
    scores = life.log.outcomes(LAST).probability
    assert seen.score_ks_p == reference.score_ks_p(scores, gate)
    as_strangers = min(each.ks_p for each in reference.compare(today.features) if each.ks_p)
    assert (seen.ks_p_min < as_strangers) is is_finite
    assert (seen.score_ks_p < reference.score_ks_p(scores)) is is_finite
