"""The judge and the ledger: scores and money of small records worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest
from lives import CHEAP, live, script, small

from policies.catalogue import load_policy
from policies.decision import Action, Cause, Decision, Truth
from policies.signals import Signals
from scenarios.injectors import NumberDrift
from scenarios.schema import Offers, Prices
from sim.mlops.models.training import TrainingWindow
from sim.mlops.records.business import choose_offers, risk_category
from sim.mlops.records.jobs import FIRST_JOB, Job, Status
from sim.mlops.records.record import Record, Served, StepRow, tally
from sim.mlops.statistics.metrics import expected_f1 as exact_f1
from sim.study.scores import judge, money
from sim.world.world import Batch
from sim.world.world import GroundTruth as Outcome

PRICES = Prices(customer_value=1000, offer_cost=10, success_rate=0.5, retrain_cost=300)
ONSET_2 = NumberDrift(kind="number", column="tenure", factor=0.5, onset_step=2)

# Four customers: two predicted, the first two offered, the first persuaded at 0.5, the last held out.
PROPENSITY = np.array([0.8, 0.6, 0.4, 0.2])
PROBABILITY = np.array([0.9, 0.7, 0.45, 0.05])
CHURNS = np.array([True, True, False, False])
OFFERED = np.array([True, True, False, False])


def tally_by_hand():
    batch = Batch(0, 0, np.array(list("abcd")), np.zeros((4, 1)), np.zeros(4, bool), np.array([0, 0, 0, 1], bool))
    persuasion = np.array([0.3, 0.6, 0.1, 0.1])
    outcome = Outcome(np.zeros((4, 1)), PROPENSITY, CHURNS, persuasion, persuasion < 0.5)
    return tally(batch, outcome, Served(0, FIRST_JOB, 1, PROBABILITY, PROBABILITY >= 0.5, OFFERED))


def job(name, step, cause=Cause.ALARM, status=Status.PROMOTED, newest=-1, days=30):
    return Job(name, step, step * days, cause, "test", TrainingWindow((newest,), (), 1, 0), status=status)


def row(step, champion=FIRST_JOB, opened=None, ended=None, f1=None, clauses=None, reason="quiet"):
    action = Action.KEEP if opened is None else Action.RETRAIN
    return StepRow(
        step=step,
        day=step * 30,
        champion=champion,
        version=1,
        tally=tally_by_hand(),
        labels_arrived=0,
        signals=Signals(step=step, day=step * 30, job_open=False, f1=f1),
        drift=(),
        decision=Decision(action, reason, clauses=clauses or {}),
        job_ended=ended,
        job_opened=opened,
    )


def record(*rows, drift=()):
    scenario = small(steps=max(len(rows), 1), drift=drift).model_copy(update={"prices": PRICES})
    return Record(scenario, "toy", 1, "p", "", "none", 0, job(FIRST_JOB, 0, Cause.NONE), rows)


# Tallies


def test_a_step_is_counted_by_hand():
    counted = tally_by_hand()
    assert (counted.customers, counted.churners, counted.expected_churners) == (4, 2, 2.0)
    assert (counted.predicted, counted.predicted_churners, counted.predicted_expected_churners) == (2, 2, 1.4)
    assert (counted.high_risk, counted.high_risk_churners) == (2, 2)
    assert (counted.medium_risk, counted.medium_risk_churners) == (1, 0)
    assert (counted.held_out, counted.held_out_churners, counted.comparable) == (1, 0, 0)
    assert (counted.offers, counted.offered_churners, counted.offered_expected_churners) == (2, 2, 1.4)
    assert (counted.saved, counted.persuasions) == (1, (0.3, 0.6))
    assert counted.brier_sum == pytest.approx(0.01 + 0.09 + 0.45**2 + 0.05**2, rel=1e-14)
    assert counted.bin_customers == (1, 0, 0, 0, 1, 0, 0, 1, 0, 1)
    assert counted.bin_probability == (0.05, 0, 0, 0, 0.45, 0, 0, 0.7, 0, 0.9)
    assert counted.bin_expected_churners == (0.2, 0, 0, 0, 0.4, 0, 0, 0.6, 0, 0.8)


def test_expected_f1_by_hand_and_as_the_metrics_have_it():
    assert judge.expected_f1(tally_by_hand()) == 2 * 1.4 / (2 + 2.0)
    assert judge.expected_f1(tally_by_hand()) == exact_f1(PROPENSITY, PROBABILITY >= 0.5)


# Offers


def test_top_offers_go_to_the_highest_scores_and_never_to_the_held_out():
    probability = np.array([0.1, 0.9, 0.5, 0.8, 0.8, 0.7, 0.3, 0.2, 0.6, 0.4])
    held_out = probability == 0.9
    chosen = choose_offers(Offers(capacity=0.3), probability, held_out)
    assert np.flatnonzero(chosen).tolist() == [3, 4, 5]
    assert choose_offers(Offers(capacity=0.1), probability, held_out).nonzero()[0].tolist() == [3]
    everybody = choose_offers(Offers(capacity=1.0), probability, held_out)
    np.testing.assert_array_equal(everybody, ~held_out)
    assert not choose_offers(Offers(capacity=0.0), probability, held_out).any()


def test_high_risk_offers_go_to_everyone_at_seven_tenths():
    probability = np.array([0.69999, 0.7, 0.9, 1.0])
    chosen = choose_offers(Offers(rule="high_risk", capacity=0.1), probability, np.array([False, False, True, False]))
    assert chosen.tolist() == [False, True, False, True]
    assert risk_category(np.array([0.39999, 0.4, 0.69999, 0.7])).tolist() == ["low", "medium", "medium", "high"]


def test_every_model_makes_the_same_number_of_offers():
    rows = live(small(customers=137), script("rrrrr"), profile="none").rows
    assert {row.tally.offers for row in rows} == {13}


# Money


def test_the_ledger_by_hand():
    played = record(row(0, opened=job("retrain-000", 0)), row(1))
    entries = money.ledger(played, PRICES)
    assert [(entry.step, entry.kind, entry.realised) for entry in entries] == [
        (0, "value_saved", 1000),
        (0, "offers", -20),
        (0, "retraining", -300),
        (1, "value_saved", 1000),
        (1, "offers", -20),
    ]
    assert [entry.expected for entry in entries] == [pytest.approx(700), -20, -300, pytest.approx(700), -20]
    assert money.net_value(entries) == pytest.approx(2 * 680 - 300)
    assert money.net_value_realised(entries) == 2 * 980 - 300


def test_prices_can_differ_from_those_played_with():
    entries = money.ledger(record(row(0)), replace_prices(success_rate=0.7, customer_value=2000, offer_cost=1))
    assert money.net_value(entries) == pytest.approx(1.4 * 0.7 * 2000 - 2)
    assert money.net_value_realised(entries) == 2 * 2000 - 2  # the numbers 0.3 and 0.6 are both below 0.7
    nobody = money.ledger(record(row(0)), replace_prices(success_rate=0.3))
    assert money.net_value_realised(nobody) == -20


def replace_prices(**changes):
    return PRICES.model_copy(update=changes)


def test_a_rejected_retraining_costs_as_much_and_the_first_model_nothing():
    rejected = job("retrain-000", 0, status=Status.REJECTED)
    played = record(row(0, opened=replace(rejected, status=Status.OPEN)), row(1, ended=rejected))
    kinds = [entry.kind for entry in money.ledger(played, PRICES)]
    assert kinds.count("retraining") == 1
    assert [entry.kind for entry in money.ledger(record(row(0)), PRICES)].count("retraining") == 0


def test_returns_on_offers_by_hand():
    played = record(row(0), row(1))
    assert money.roi_realised(played, PRICES) == (2 * 1000 - 4 * 10) / 40
    assert money.roi_proposal(played, PRICES) == (4 * 0.5 * 1000 - 4 * 10) / 40
    assert money.roi_estimated(played, PRICES) is None  # nobody held out scored as high as an offered customer


def test_the_usual_formula_gives_eleven_hundred_percent_to_any_model():
    prices = Prices()
    for rounds in (30, 60):
        recipe = CHEAP.model_copy(update={"rounds": rounds})
        played = live(small(customers=300, recipe=recipe), script("r"), profile="none").record
        assert money.roi_proposal(played, prices) == pytest.approx(11.0)


# Scores


def test_f1_is_a_mean_over_steps_before_and_after_the_onset():
    better = replace(tally_by_hand(), predicted_expected_churners=1.8)
    rows = [row(step, f1=None if step < 3 else 0.5) for step in range(8)]
    rows[2:] = [replace(each, tally=better) for each in rows[2:]]
    scores = judge.summarise(record(*rows, drift=[ONSET_2]))
    assert scores.f1_before == pytest.approx(0.7)
    assert scores.f1_after == pytest.approx(0.9)
    assert scores.f1_end == pytest.approx(0.9)
    observed = [judge.observed_f1(each.tally) for each in rows]
    assert scores.f1_observed == pytest.approx(sum(observed) / len(observed))
    calm = judge.summarise(record(*rows))
    assert calm.f1_after is None
    assert calm.f1_before == pytest.approx((2 * 0.7 + 6 * 0.9) / 8)


def test_detection_counts_days_from_the_onset_to_the_first_alarm():
    asked = {0: Cause.ALARM, 3: Cause.SCHEDULE, 4: Cause.ALARM, 5: Cause.ALARM}
    rows = [row(s, opened=job(f"retrain-{s:03d}", s, asked[s]) if s in asked else None) for s in range(6)]
    assert judge.detection_days(record(*rows, drift=[ONSET_2])) == 60
    assert judge.detection_days(record(*rows)) is None
    assert judge.detection_days(record(*rows[:4], drift=[ONSET_2])) is None


def test_retrainings_are_counted_by_cause_and_end():
    one, two = job("retrain-000", 0), job("retrain-001", 1, Cause.SCHEDULE, Status.REJECTED)
    three = job("retrain-003", 3, status=Status.OPEN)
    rows = [
        row(0, opened=replace(one, status=Status.OPEN)),
        row(1, ended=one, opened=replace(two, status=Status.OPEN)),
        row(2, ended=two),
        row(3, opened=three),
    ]
    scores = judge.summarise(record(*rows, drift=[ONSET_2]))
    assert (scores.retrains, scores.promotions, scores.rejections) == (3, 1, 1)
    assert (scores.false_retrains_alarm, scores.false_retrains_scheduled) == (1, 1)
    calm = judge.summarise(record(*rows))
    assert (calm.false_retrains_alarm, calm.false_retrains_scheduled) == (2, 1)


def test_staleness_is_the_mean_age_of_the_newest_training_label():
    retrained = job("retrain-001", 1, newest=0)
    rows = [row(0), row(1, opened=retrained), row(2, champion="retrain-001", ended=retrained)]
    assert judge.staleness_days(record(*rows)) == (30 + 60 + 60) / 3


def test_calibration_by_hand():
    scores = judge.summarise(record(row(0), row(1)))
    assert scores.brier == pytest.approx((0.01 + 0.09 + 0.45**2 + 0.05**2) / 4, rel=1e-14)
    assert scores.expected_calibration_error == pytest.approx((0.1 + 0.1 + 0.05 + 0.15) / 4, rel=1e-12)


def test_clauses_are_counted_true_alone_and_missing():
    true, false, missing = Truth.TRUE, Truth.FALSE, Truth.MISSING
    rows = [
        row(0, clauses={"a": true, "b": missing}),
        row(1, clauses={"a": true, "b": true}),
        row(2, clauses={"a": false, "b": true}, reason="cooldown"),
        row(3, clauses={"a": false, "b": false}),
    ]
    assert judge.clause_counts(record(*rows)) == (
        judge.ClauseCount("a", true=2, true_alone=1, missing=0),
        judge.ClauseCount("b", true=2, true_alone=1, missing=1),
    )
    assert judge.keep_reasons(record(*rows)) == {"cooldown": 1, "quiet": 3}


def test_a_played_record_is_judged_as_its_log_and_truth_say():
    life = live(small(customers=300, drift=[ONSET_2]), load_policy("age_days > 50").build(), profile="none")
    played, scores = life.record, judge.summarise(life.record)
    exact = [
        exact_f1(life.world.truth(step).propensity, life.log.cohorts([step])[0].prediction)
        for step in life.world.steps
    ]
    assert scores.f1_before == pytest.approx(np.mean(exact[:2]), rel=1e-12)
    assert scores.f1_after == pytest.approx(np.mean(exact[2:]), rel=1e-12)
    assert scores.detection_days is None  # age is no alarm
    assert scores.retrains == len(life.retrainings) == scores.promotions + scores.rejections
    entries = money.ledger(played, played.scenario.prices)
    assert scores.net_value == money.net_value(entries)
    assert scores.net_value_realised == money.net_value_realised(entries)
