"""Estimates without labels: against NannyML, against drawn outcomes, and where they must fail."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lives import live, small

from policies.decision import Action, Decision
from scenarios.injectors import ConceptDrift, NumberDrift
from sim.mlops.models.two_samples import compare_samples
from sim.mlops.statistics.estimates import Calibration, estimate
from sim.mlops.statistics.metrics import confusion, roc_auc
from sim.mlops.statistics.overlap import Sample
from sim.world.telco.table import SCHEMA
from sim.world.telco.twin import sample

ESTIMATES = {
    "f1_estimated",
    "f1_estimated_se",
    "f1_estimated_drop",
    "f1_estimated_weighted",
    "f1_estimated_weighted_drop",
    "roc_auc_estimated",
}


def congruential(n, seed):
    """Return numbers from 0 to 1 that any version of any library draws the same."""
    state, numbers = seed, []
    for _ in range(n):
        state = (1103515245 * state + 12345) % 2**31
        numbers.append(state / 2**31)
    return np.array(numbers)


def test_nannyml_says_the_same_of_the_same_calibrated_scores():
    """Its 0.13.1 with NumPy 2.4.6 and pandas 3.1.1: performance_estimation.confidence_based.metrics.estimate_*."""
    score = congruential(500, 7)
    found = estimate(score**1.7 * 0.9 + 0.02, score >= 0.55, score)
    assert found.f1 == pytest.approx(0.6809065553595397, abs=1e-6)
    assert found.precision == pytest.approx(0.6035831863041623, abs=1e-6)
    assert found.recall == pytest.approx(0.7809521737910181, abs=1e-6)
    assert found.accuracy == pytest.approx(0.7431655072664257, abs=1e-6)
    assert found.roc_auc == pytest.approx(0.8331009916213026, abs=1e-6)


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.sampled_from((0.1, 0.4, 0.8))), min_size=1, max_size=40))
def test_certain_probabilities_give_the_observed_scores(rows):
    label, prediction, score = (np.array(column) for column in zip(*rows, strict=True))
    found, counts = estimate(label.astype(float), prediction, score), confusion(label, prediction)
    if label.all() or not label.any():
        assert found is None  # rows of one class have no F1
        return
    for name in ("f1", "precision", "recall", "accuracy"):
        assert getattr(found, name) == pytest.approx(getattr(counts, name), abs=1e-12)
    assert found.roc_auc == pytest.approx(roc_auc(label, score), abs=1e-12)
    assert found.f1_se == 0


def test_nothing_is_said_of_no_rows():
    assert estimate(np.empty(0), np.empty(0, dtype=bool), np.empty(0)) is None


def test_the_band_is_that_of_drawn_outcomes():
    rng = np.random.default_rng(1)
    probability = rng.beta(1, 2.5, 800)
    prediction = probability > 0.4
    found = estimate(probability, prediction, probability)
    drawn = [confusion(rng.random(800) < probability, prediction).f1 for _ in range(4000)]
    assert np.mean(drawn) == pytest.approx(found.f1, abs=0.003)
    assert np.std(drawn) == pytest.approx(found.f1_se, rel=0.05)


def test_a_calibration_is_scikit_learns():
    isotonic = pytest.importorskip("sklearn.isotonic").IsotonicRegression(out_of_bounds="clip", y_min=0, y_max=1)
    rng = np.random.default_rng(2)
    scores = rng.choice(np.linspace(0, 1, 60), 300)
    label, weight = rng.random(300) < scores**2, rng.uniform(0.1, 3, 300)
    new = np.linspace(-0.2, 1.2, 101)
    for given_weight in (None, weight):
        wanted = isotonic.fit(scores, label.astype(float), sample_weight=given_weight).predict(new)
        found = Calibration.fitted(scores, label, given_weight).probabilities(new)
        np.testing.assert_allclose(found, wanted, atol=1e-12)


def test_a_classifier_sees_a_shift_and_none_where_there_is_none():
    rng = np.random.default_rng(3)
    reference, today = sample(rng, 600), sample(rng, 1000)
    quiet = compare_samples(SCHEMA, Sample.of_strangers(reference, "R"), Sample.of_strangers(today, "T"))
    assert quiet.p_value > 0.01
    today[:, SCHEMA.position["MonthlyCharges"]] *= 1.1
    moved = compare_samples(SCHEMA, Sample.of_strangers(reference, "R"), Sample.of_strangers(today, "T"))
    assert moved.auc > 0.7
    assert moved.p_value < 1e-6
    assert moved.weight.mean() == pytest.approx(1)


def test_the_classifiers_weights_make_the_reference_like_today():
    rng = np.random.default_rng(4)
    rows = sample(rng, 6000)
    tenure = rows[:, SCHEMA.position["tenure"]]
    reference, today = rows[:2000], rows[2000:][rng.random(4000) < np.where(tenure[2000:] < 12, 1.0, 0.2)]
    column = SCHEMA.position["tenure"]
    found = compare_samples(SCHEMA, Sample.of_strangers(reference, "R"), Sample.of_strangers(today, "T"))
    weighted = np.average(reference[:, column], weights=found.weight)
    assert abs(weighted - today[:, column].mean()) < 0.3 * abs(reference[:, column].mean() - today[:, column].mean())


@pytest.mark.slow
def test_the_two_sample_test_holds_its_level():
    """At 5 %, 200 pairs without a difference: more than 9 % has a chance below 1 %."""
    rejected = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        reference, today = Sample.of_strangers(sample(rng, 300), "R"), Sample.of_strangers(sample(rng, 500), "T")
        rejected += compare_samples(SCHEMA, reference, today).p_value < 0.05
    assert rejected <= 18


@pytest.mark.parametrize(("n_reference", "n_today"), [(3, 100), (100, 3), (0, 0)])
def test_too_few_rows_are_not_compared(n_reference, n_today):
    assert (
        compare_samples(
            SCHEMA,
            Sample.of_strangers(np.zeros((n_reference, 19)), "R"),
            Sample.of_strangers(np.zeros((n_today, 19)), "T"),
        )
        is None
    )


class Watcher:
    """Looks and never acts."""

    def __init__(self, wants):
        self.wants, self.seen = frozenset(wants), []

    def decide(self, signals):
        self.seen.append(signals)
        return Decision(Action.KEEP, "quiet")

    def deployed(self, version):
        pass


def watched(drift=(), wants=ESTIMATES, seed=1):
    policy = Watcher(wants)
    life = live(small(steps=6, customers=1500, drift=drift), policy, seed)
    return life, policy.seen


def expected(life, step):
    cohort, truth = life.log.cohorts([step])[0], life.world.truth(step)
    return estimate(truth.propensity, cohort.prediction, cohort.probability)


def test_estimates_meet_the_truth_where_only_the_covariates_move():
    charges = NumberDrift(kind="number", column="MonthlyCharges", factor=1.3, onset_step=3)
    life, seen = watched([charges])
    for signals in seen:
        truth = expected(life, signals.step)
        assert abs(signals.f1_estimated - truth.f1) < 0.08
        assert abs(signals.f1_estimated_weighted - truth.f1) < 0.08
        assert abs(signals.roc_auc_estimated - truth.roc_auc) < 0.05
        baseline = life.state.first.meeting.challenger.f1
        assert signals.f1_estimated_drop == baseline - signals.f1_estimated
        assert signals.f1_estimated_weighted_drop == baseline - signals.f1_estimated_weighted


def test_estimates_are_blind_to_a_concept_drift():
    """The price of needing no labels, which the docs tell."""
    shifts = {"InternetService=DSL": 2.4, "InternetService=Fiber optic": -2.5}
    life, seen = watched([ConceptDrift(kind="concept", onset_step=3, shifts=shifts)])
    before, after = seen[2], seen[3]
    assert abs(after.f1_estimated - before.f1_estimated) < 0.05
    assert expected(life, 2).f1 - expected(life, 3).f1 > 0.15


def test_only_what_is_asked_for_is_given():
    _, seen = watched(wants={"f1_estimated_drop"})
    assert all(signals.f1_estimated_drop is not None and signals.f1_estimated is None for signals in seen)
