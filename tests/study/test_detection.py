"""Detection: the first alarm that the drift caused, told by the same policy in the same world without the drift."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lives import TWIN, small

from policies.catalogue import catalogue, load_policy
from scenarios.injectors import ConceptDrift
from sim.mlops.gates.profiles import load_profile
from sim.study.comparison.cells import without_drift
from sim.study.replay.replay import Replay
from sim.study.scores.judge import alarm_steps, detection_days
from sim.world.world import World

ONSET = 4
SHIFTS = {"InternetService=DSL": 3.0, "InternetService=Fiber optic": -3.0}
DRIFT = ConceptDrift(kind="concept", onset_step=ONSET, shifts=SHIFTS)
GATES = load_profile("none")
NERVOUS = load_policy("f1_drop > -1")  # asks in every month in which it hears of labels, whatever they say


def pair_of(seed, spec):
    replay = Replay(World(small(steps=10, delay_days=30, drift=[DRIFT]), seed, TWIN, kept_steps=None))
    calm = without_drift(replay)
    return [each.record(spec.build(), GATES, "p") for each in (replay, calm)]


@settings(max_examples=6)
@given(st.integers(0, 2**40), st.sampled_from(sorted(catalogue())))
def test_up_to_the_first_difference_the_two_worlds_are_one(seed, name):
    record, calm = pair_of(seed, catalogue()[name])
    decisions = [[(row.decision.action, row.decision.cause) for row in life.steps] for life in (record, calm)]
    first = next(
        (s for s, (one, other) in enumerate(zip(*decisions, strict=True)) if one != other), len(decisions[0])
    )
    assert first >= ONSET
    for row, other in zip(record.steps[:ONSET], calm.steps[:ONSET], strict=True):
        assert (row.tally, row.decision, row.signals) == (other.tally, other.decision, other.signals)
    days = detection_days(record, calm)
    if days is not None:
        step = ONSET + days // record.scenario.time.step_days
        assert step >= first
        assert step in alarm_steps(record) - alarm_steps(calm)


@pytest.mark.parametrize("seed", range(3))
def test_a_policy_that_cries_wolf_detects_nothing_by_it(seed):
    record, calm = pair_of(seed, NERVOUS)
    assert detection_days(record) is not None
    assert detection_days(record, calm) is None
    assert detection_days(record, record) is None


def test_a_world_without_drift_has_no_other():
    assert without_drift(Replay(World(small(steps=3), 1, TWIN))) is None
