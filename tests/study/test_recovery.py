"""Recovery: worked out by hand, and at its two ends by definition."""

from dataclasses import replace

import pytest
from lives import TWIN, small
from test_judge import ONSET_2, record, row, tally_by_hand

from policies.catalogue import load_policy
from scenarios.injectors import ConceptDrift
from sim.mlops.gates.profiles import load_profile
from sim.mlops.statistics.metrics import expected_f1 as exact_f1
from sim.study.replay.replay import Replay
from sim.study.scores.fresh import fresh_f1
from sim.study.scores.judge import expected_f1
from sim.study.scores.recovery import Recovery, recovery
from sim.world.world import World

DRIFT = ConceptDrift(
    kind="concept", onset_step=2, shifts={"InternetService=DSL": 3.0, "InternetService=Fiber optic": -3.0}
)


def lived(*scores, drift=(ONSET_2,)):
    """Return a record with these expected F1 scores; half of the customers of each step are predicted."""
    tally = tally_by_hand()
    rows = [
        replace(row(step), tally=replace(tally, predicted_expected_churners=score * 2))
        for step, score in enumerate(scores)
    ]
    return record(*rows, drift=drift)


def fresh(*scores):
    return dict(enumerate(scores, start=2))


NEVER = lived(0.6, 0.6, 0.2, 0.2, 0.2, 0.2, 0.2)
FRESH = fresh(0.7, 0.7, 0.7, 0.7, 0.7)


def test_an_example_by_hand():
    policy = lived(0.6, 0.6, 0.2, 0.3, 0.65, 0.7, 0.6)
    found = recovery(policy, NEVER, FRESH)
    assert found.gained == pytest.approx(0 + 0.1 + 0.45 + 0.5 + 0.4)
    assert found.attainable == pytest.approx(5 * 0.5)
    assert found.days == 60  # 0.65 reaches 0.2 + 0.9 x 0.5, two steps after the onset, and 0.7 holds it


def test_what_happens_before_the_onset_does_not_count():
    one, other = (lived(before, before, 0.2, 0.4, 0.4, 0.4, 0.4) for before in (0.1, 0.9))
    assert recovery(one, NEVER, FRESH) == recovery(other, NEVER, FRESH)


@pytest.mark.parametrize(
    ("scores", "days"),
    [
        ((0.7, 0.7, 0.2, 0.2, 0.2), 0),
        ((0.7, 0.2, 0.7, 0.7, 0.2), 60),  # the first time it was not held for two steps
        ((0.2, 0.2, 0.2, 0.7, 0.7), 90),
        ((0.2, 0.2, 0.2, 0.2, 0.7), None),  # nobody knows whether it would have been held
        ((0.7, 0.2, 0.7, 0.2, 0.7), None),
        ((0.64, 0.64, 0.64, 0.64, 0.64), None),  # 88 % is not enough
    ],
)
def test_days_to_recovery(scores, days):
    assert recovery(lived(0.6, 0.6, *scores), NEVER, FRESH).days == days


def test_nothing_recovers_before_something_is_lost():
    """On a ramp the first steps lose next to nothing: who is lucky there has recovered from nothing."""
    ramp = fresh(0.21, 0.22, 0.4, 0.7, 0.7)
    lucky, late = lived(0.6, 0.6, 0.21, 0.22, 0.2, 0.2, 0.2), lived(0.6, 0.6, 0.2, 0.2, 0.2, 0.7, 0.7)
    assert recovery(lucky, NEVER, ramp).days == 0
    assert recovery(lucky, NEVER, ramp, noise=0.05).days is None
    assert recovery(late, NEVER, ramp, noise=0.05).days == 90
    assert recovery(late, NEVER, ramp, noise=0.9).days is None
    assert recovery(lived(0.6, 0.6, 0.2, 0.22, 0.4, 0.7, 0.7), NEVER, ramp, noise=0.05).days == 60


def test_a_world_without_drift_has_no_recovery():
    calm = lived(0.6, 0.6, drift=())
    assert recovery(calm, calm, {}) is None


@pytest.fixture(scope="module")
def replay():
    scenario = small(steps=6, customers=400, drift=[DRIFT])
    return Replay(World(scenario, 1, TWIN, kept_steps=None))


def test_never_recovers_nothing_and_a_policy_as_good_as_fresh_everything(replay):
    never = replay.record(load_policy("never").build(), load_profile("none"), "never")
    reference = {step: fresh_f1(replay, step) for step in range(2, 6)}
    assert recovery(never, never, reference).gained == 0
    as_good = [
        replace(each, tally=replace(each.tally, predicted_expected_churners=_hits(each.tally, reference[each.step])))
        if each.step >= 2
        else each
        for each in never.steps
    ]
    found = recovery(replace(never, steps=tuple(as_good)), never, reference)
    assert found.gained == pytest.approx(found.attainable)
    assert found == Recovery(found.gained, found.attainable, 0)
    assert found.attainable > 0.2


def _hits(tally, f1):
    return f1 * (tally.predicted + tally.expected_churners) / 2


def test_the_judge_has_the_f1_of_the_metrics(replay):
    rows = replay.record(load_policy("never").build(), load_profile("none"), "never").steps
    for each in rows:
        answers = replay.beginning.model.probability(replay.world.batch(each.step).features) >= 0.5
        assert expected_f1(each.tally) == pytest.approx(
            exact_f1(replay.world.truth(each.step).propensity, answers), rel=1e-12
        )


def test_fresh_knows_the_drift_and_meets_no_scored_customer(replay):
    never = replay.record(load_policy("never").build(), load_profile("none"), "never")
    for step in range(2, 6):
        assert fresh_f1(replay, step) > expected_f1(never.steps[step].tally)
    assert fresh_f1(replay, 4) == fresh_f1(Replay(replay.world), 4)


def test_nothing_is_recovered_where_a_fresh_model_is_no_better():
    never = lived(0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6)
    found = recovery(never, never, fresh(0.5, 0.6, 0.55, 0.6, 0.5))
    assert found.attainable == pytest.approx(-0.25)
    assert found.days is None


def test_a_step_without_customers_neither_counts_nor_breaks_what_is_held():
    empty = replace(tally_by_hand(), predicted_expected_churners=0.0, predicted=0, expected_churners=0.0)

    def without(record):
        rows = [replace(each, tally=empty) if each.step == 5 else each for each in record.steps]
        return replace(record, steps=tuple(rows))

    policy, never = without(lived(0.6, 0.6, 0.2, 0.3, 0.65, 0.9, 0.7)), without(NEVER)
    found = recovery(policy, never, {**FRESH, 5: None})
    assert found.gained == pytest.approx(0 + 0.1 + 0.45 + 0.5)
    assert found.attainable == pytest.approx(4 * 0.5)
    assert found.days == 60
