"""Signals on request: what a policy asks for and nothing else, the same in memory and in replay."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from lives import TWIN, live, script, small

from policies.catalogue import load_policy
from policies.decision import Action, Decision
from policies.signals import CATALOGUE, ON_REQUEST, Signals
from scenarios.injectors import ConceptDrift, NullFault
from scenarios.schema import Labels, Offers
from sim.errors import InputError
from sim.mlops.gates.profiles import load_profile
from sim.mlops.models.cohort import sample_of, weights
from sim.mlops.models.two_samples import compare_samples
from sim.mlops.statistics.estimates import Calibration, estimate
from sim.study.replay.replay import Replay
from sim.world.world import World

CONCEPT = ConceptDrift(
    kind="concept", onset_step=2, shifts={"InternetService=DSL": 2.4, "InternetService=Fiber optic": -2.5}
)
DRIFTING = small(steps=8, drift=[CONCEPT])
CURED = [Offers(seen_in_labels=True, capacity=0.2, held_out_share=0.1, learn_from="weighted"), Offers()]


@dataclass
class Curious:
    """Asks for everything, acts at the given steps, and keeps what it was shown."""

    wants: frozenset[str] = ON_REQUEST
    retrain_at: tuple[int, ...] = ()
    rollback_at: tuple[int, ...] = ()
    seen: list[Signals] = field(default_factory=list)

    def decide(self, signals):
        self.seen.append(signals)
        answers = {Action.RETRAIN: self.retrain_at, Action.ROLLBACK: self.rollback_at}
        action = next((each for each, steps in answers.items() if signals.step in steps), Action.KEEP)
        return Decision(action, "quiet" if action is Action.KEEP else "script")

    def deployed(self, version):
        pass


def replayed(scenario, policy, seed=1, profile="none"):
    return Replay(World(scenario, seed, TWIN, kept_steps=None)).play(policy, load_profile(profile))[1]


def test_nothing_is_measured_that_is_not_asked_for():
    rows = live(small(steps=4), script("")).rows
    asked = {name for row in rows for name in ON_REQUEST if getattr(row.signals, name) is not None}
    assert asked == set()


def test_what_was_shown_of_single_rows_is_not_kept():
    policy = Curious()
    rows = live(small(steps=4), policy).rows
    assert all(len(signals.scores) == 150 for signals in policy.seen)
    assert all(row.signals == signals.without_rows() for row, signals in zip(rows, policy.seen, strict=True))
    assert {(row.signals.scores, row.signals.errors) for row in rows} == {(None, None)}


def test_scores_are_what_was_served_today():
    policy = Curious(frozenset({"scores"}))
    life = live(small(steps=4), policy)
    for signals in policy.seen:
        assert signals.scores == tuple(life.log.cohorts([signals.step])[0].probability)
        assert signals.errors is None


def test_errors_are_those_of_the_champions_own_newly_complete_cohorts():
    policy = Curious(frozenset({"errors"}), retrain_at=(2,), rollback_at=(4,))
    life = live(small(steps=9, delay_days=60), policy, profile="none")
    assert [row.version for row in life.rows] == [1, 1, 1, 2, 2, 1, 1, 1, 1]
    # the cohort of step t is complete at t + 2; steps 3 and 4 were the other champion's
    wanted = {2: 0, 7: 5, 8: 6}
    for signals in policy.seen:
        if signals.step not in wanted:
            assert signals.errors is None
            continue
        cohort = life.log.cohorts([wanted[signals.step]])[0]
        np.testing.assert_array_equal(signals.errors, cohort.prediction != (cohort.label == 1))


def test_a_new_champion_is_not_shown_the_errors_of_the_old_one():
    policy = Curious(frozenset({"errors"}), retrain_at=(2,))
    live(small(steps=5, delay_days=60), policy, profile="none")
    assert [signals.errors is None for signals in policy.seen] == [True, True, False, True, True]


def test_several_cohorts_may_become_complete_at_once_and_none():
    scenario = small(steps=4, step_days=30).model_copy(update={"labels": Labels(delay_days=45, horizon_days=45)})
    policy = Curious(frozenset({"errors"}))
    live(scenario, policy)
    assert [None if signals.errors is None else len(signals.errors) for signals in policy.seen] == [
        *(None, None, 150, 150)
    ]


@pytest.mark.parametrize(
    "scenario",
    [
        DRIFTING,
        small(steps=8, delay_days=30, drift=[CONCEPT], offers=Offers(seen_in_labels=True, capacity=0.5)),
        small(steps=8, delay_days=30, drift=[CONCEPT], offers=CURED[0]),
    ],
    ids=["independent", "contaminated", "weighted"],
)
def test_replay_shows_what_memory_shows(scenario):
    one, other = (Curious(retrain_at=(2, 4), rollback_at=(6,)) for _ in range(2))
    rows = live(scenario, one, profile="none").rows
    assert replayed(scenario, other) == rows
    assert other.seen == one.seen


def looked_at_after_a_retraining(offers, never_share=0.0):
    """Play a quiet world whose second champion has a gate of scored cohorts; return the life and what it saw."""
    scenario = small(steps=9, customers=800, delay_days=30, offers=offers)
    labels = scenario.labels.model_copy(update={"never_share": never_share})
    policy = Curious(retrain_at=(4,))
    life = live(scenario.model_copy(update={"labels": labels}), policy, profile="none")
    return life, [signals for signals, row in zip(policy.seen, life.rows, strict=True) if row.version == 2]


@pytest.mark.parametrize("offers", CURED, ids=["weighted", "all"])
@pytest.mark.parametrize("never_share", [0.0, 0.3])
def test_the_classifier_sees_each_customer_of_the_gate_once_whatever_their_labels_count_for(offers, never_share):
    life, seen = looked_at_after_a_retraining(offers, never_share)
    (job,) = life.retrainings
    gate = life.log.cohorts(job.meeting.gate_steps)
    reference = sample_of(gate, holdout=True)
    assert seen
    for signals in seen:
        found = compare_samples(life.world.schema, reference, life.log.cohorts([signals.step])[0].sample)
        assert (signals.two_sample_auc, signals.two_sample_p) == (found.auc, found.p_value)
        assert signals.two_sample_p > 0.001, "nothing has moved"


@pytest.mark.parametrize("offers", CURED, ids=["weighted", "all"])
def test_a_calibration_weighs_a_labelled_row_as_often_as_it_counts_and_by_its_density(offers):
    life, seen = looked_at_after_a_retraining(offers)
    (job,) = life.retrainings
    gate = life.log.cohorts(job.meeting.gate_steps)
    reference = np.concatenate([cohort.features[cohort.holdout] for cohort in gate])
    label = np.concatenate([cohort.label[cohort.holdout] == 1 for cohort in gate])
    times = np.concatenate([weights(cohort.outcomes, offers)[cohort.holdout] for cohort in gate])
    assert (times.max() > 1) == (offers.learn_from == "weighted")
    scores = life.registry.model(2).probability(reference)
    for signals in seen:
        today = life.log.cohorts([signals.step])[0]
        repeated = Calibration.fitted(np.repeat(scores, times), np.repeat(label, times))
        wanted = estimate(repeated.probabilities(today.probability), today.prediction, today.probability)
        assert signals.f1_estimated == wanted.f1
        density = compare_samples(life.world.schema, sample_of(gate, holdout=True), today.sample).weight
        rows = times > 0
        weighted = Calibration.fitted(scores[rows], label[rows], (times * density)[rows])
        wanted = estimate(weighted.probabilities(today.probability), today.prediction, today.probability)
        assert signals.f1_estimated_weighted == wanted.f1


def test_two_policies_of_one_replay_share_what_they_ask_for():
    replay = Replay(World(DRIFTING, 1, TWIN, kept_steps=None))
    for _ in range(2):
        policy = Curious(retrain_at=(2,))
        replay.play(policy, load_profile("none"))
        fresh = Curious(retrain_at=(2,))
        live(DRIFTING, fresh, profile="none")
        assert policy.seen == fresh.seen


def test_a_rule_asks_by_naming_a_signal():
    for name in ON_REQUEST & set(CATALOGUE):
        assert load_policy(f"{name} > 0.5 or slope({name}, 2) > 0").build().wants == {name}
    assert load_policy("f1 > 0.5").build().wants == frozenset()


def test_what_cannot_be_asked_for_is_refused():
    with pytest.raises(InputError, match=r"A policy may want .*Curious wants 'scroes'\. Did you mean 'scores'"):
        live(small(steps=1), Curious(frozenset({"scroes"})))


def test_the_rise_of_missing_values_begins_with_the_fault_and_not_with_what_was_always_missing():
    nulls = NullFault(kind="nulls", columns=("tenure",), share=0.4, onset_step=3)
    policy = Curious(frozenset({"null_rate_rise"}))
    rows = live(small(steps=6, drift=[nulls]), policy).rows
    rises = [row.signals.null_rate_rise for row in rows]
    assert max(rises[:3]) < 0.05
    assert min(rises[3:]) > 0.3
    assert all(row.signals.null_rate_rise <= row.signals.null_rate for row in rows)
