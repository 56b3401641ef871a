"""The monitor: signals from what is visible today, of the current champion alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lives import live, parts_of, plain, profiles, scenarios, script, scripts, small

from policies.never import Never
from scenarios.injectors import CategoryDrift, NumberDrift
from sim.mlops.loop.monitor import BatchDrift, Performance, signals
from sim.mlops.models.cohort import Cohort
from sim.mlops.records.jobs import Deployed
from sim.mlops.records.log import MemoryLog, usable_steps
from sim.mlops.statistics.metrics import Confusion, confusion, roc_auc
from sim.mlops.statistics.overlap import Sample
from sim.mlops.statistics.stability import FeatureDrift, Reference
from sim.world.telco.table import SCHEMA

CHAMPION = Deployed("first", 1, 30, (-1,), (-1,), Confusion(60, 20, 20, 100))


def feature(name, psi=0.0, null_rate=0.0, unseen_rate=0.0, ks_p=None):
    return FeatureDrift(name, null_rate, unseen_rate, psi, ks_p)


def test_signals_are_the_worst_of_the_features():
    drift = BatchDrift(
        (feature("a", 0.1, 0.3, ks_p=0.4), feature("b", 0.2, 0.1, 0.05), feature("c", ks_p=0.02)), 0.07, 0.01
    )
    seen = signals(3, 90, CHAMPION, drift, None, job_open=True)
    assert (seen.step, seen.day, seen.job_open) == (3, 90, True)
    assert (seen.psi_max, seen.null_rate, seen.unseen_rate, seen.ks_p_min) == (0.2, 0.3, 0.05, 0.02)
    assert (seen.score_psi, seen.duplicate_rate) == (0.07, 0.01)
    assert seen.age_days == 60
    assert seen.psi == {"a": 0.1, "b": 0.2, "c": 0.0}
    missing = (
        "f1",
        "precision",
        "recall",
        "accuracy",
        "roc_auc",
        "f1_drop",
        "f1_drop_se",
        "n_labelled",
        "unlabelled_rate",
    )
    assert all(getattr(seen, name) is None for name in missing)


def test_performance_signals_by_hand():
    # baseline F1 = 120 / 160 = 0.75; today's = 40 / 100 = 0.4
    performance = Performance(2, Confusion(20, 40, 20, 120), 0.8, 200, 0.1)
    seen = signals(6, 180, CHAMPION, BatchDrift((feature("a"),), 0.0, 0.0), performance, job_open=False)
    assert (seen.f1, seen.precision, seen.recall, seen.accuracy) == (0.4, 1 / 3, 0.5, 0.7)
    assert seen.f1_drop == pytest.approx(0.35, rel=1e-14)
    assert (seen.roc_auc, seen.n_labelled, seen.unlabelled_rate) == (0.8, 200, 0.1)
    # delta method: q = TP / (TP + FP + FN) is 0.6 of 100 and 0.25 of 80
    first = 2 / 1.6**2 * (0.6 * 0.4 / 100) ** 0.5
    second = 2 / 1.25**2 * (0.25 * 0.75 / 80) ** 0.5
    assert seen.f1_drop_se == pytest.approx((first**2 + second**2) ** 0.5, rel=1e-12)


def test_performance_is_missing_until_the_champions_first_cohort_is_complete():
    life = live(small(steps=9, delay_days=60), script("...r"), profile="none")
    assert [row.signals.f1 is None for row in life.rows] == [
        True,
        True,
        False,
        False,
        True,
        True,
        False,
        False,
        False,
    ]
    assert [row.version for row in life.rows] == [1, 1, 1, 1, 2, 2, 2, 2, 2]


def test_a_rollback_brings_back_the_old_models_newest_labels():
    life = live(small(steps=8, delay_days=60), script("...rb"), profile="none")
    assert [row.version for row in life.rows] == [1, 1, 1, 1, 2, 1, 1, 1]
    cohort = life.log.cohorts([3])[0]  # its newest complete one on the days of steps 5 and 6: step 4 was the other's
    counts = confusion(cohort.label == 1, cohort.prediction)
    assert [row.signals.f1 for row in life.rows[5:7]] == [counts.f1, counts.f1]
    assert life.rows[4].signals.f1 is None


@settings(max_examples=25)
@given(scenarios(may_feed_back=False).map(plain), st.integers(0, 2**32), scripts(), profiles())
def test_signals_follow_from_the_log_and_the_champions_own_gate(scenario, seed, policy, profile):
    life = live(scenario, policy, seed, profile=profile)
    jobs = {job.name: job for job in life.record.jobs}
    for row in life.rows:
        seen, job = row.signals, jobs[row.champion]
        own = [each.step for each in life.rows if each.champion == row.champion and each.tally.customers]
        known = [step for step in own if step * scenario.time.step_days <= row.day - scenario.labels.horizon_days]
        assert seen.age_days == row.day - job.requested_day
        assert (seen.f1 is None) == (not known)
        if known:
            truth, cohort = life.world.truth(max(known)), life.log.cohorts([max(known)])[0]
            counts = confusion(truth.churns, cohort.prediction)
            assert (seen.f1, seen.n_labelled) == (counts.f1, counts.rows)
            assert seen.roc_auc == roc_auc(truth.churns, cohort.probability)
            baseline = job.meeting.challenger.f1
            assert seen.f1_drop == (None if baseline is None else baseline - counts.f1)
        _check_drift(life, row, job)


def _check_drift(life, row, job):
    """Compare the drift signals of a step with those of a reference made from the recorded windows."""
    recent, gate = life.log.cohorts(job.window.recent_steps), life.log.cohorts(job.meeting.gate_steps)
    model = life.registry.model(job.version)
    reference = Reference.of(
        SCHEMA,
        np.concatenate([cohort.features[~cohort.holdout] for cohort in recent]),
        model.probability(np.concatenate([cohort.features[cohort.holdout] for cohort in gate])),
    )
    cohort, duplicates = life.log.cohorts([row.step])[0], life.world.batch(row.step).duplicates
    if not row.tally.customers:
        assert (row.drift, row.signals.score_psi, row.signals.psi_max) == ((), None, None)
        assert row.signals.duplicate_rate is None
        return
    assert row.signals.duplicate_rate == duplicates / (row.tally.customers + duplicates)
    assert tuple(reference.compare(cohort.features)) == row.drift
    assert reference.score_psi(cohort.probability) == row.signals.score_psi
    assert row.signals.psi_max == max(each.psi for each in row.drift)


def test_gates_use_the_newest_complete_holdout_rows_that_are_visible():
    life = live(small(steps=8, delay_days=60), script(".....r"), profile="none")
    (job,) = life.retrainings
    # asked for on the day of step 5, when step 3 completes; met at step 6, before the labels of step 4 arrive
    assert job.window.recent_steps == (1, 2, 3)
    assert (job.meeting.step, job.meeting.gate_steps) == (6, (1, 2, 3))
    cohorts = life.log.cohorts((1, 2, 3))
    challenger, champion = (life.registry.model(version) for version in (2, 1))
    for model, counted in ((challenger, job.meeting.challenger), (champion, job.meeting.champion)):
        parts = [(each.label[each.holdout] == 1, each.features[each.holdout]) for each in cohorts]
        label, features = (np.concatenate(column) for column in zip(*parts, strict=True))
        assert confusion(label, model.decide(model.probability(features))) == counted


def test_the_first_champion_meets_gates_on_the_warm_up_and_need_not_pass():
    life = live(small(delay_days=0), Never(), profile="telco_churn")
    first = life.state.first
    assert first.window.recent_steps == (-3, -2, -1)
    assert first.meeting.gate_steps == (-3, -2, -1)
    assert first.meeting.champion is None
    assert life.rows[0].signals.f1_drop == first.meeting.challenger.f1 - life.rows[0].signals.f1


@pytest.mark.parametrize(
    ("day", "horizon_days", "newest"), [(0, 60, -1), (59, 60, -1), (60, 60, 0), (89, 60, 0), (90, 60, 1), (90, 0, 3)]
)
def test_a_cohort_is_complete_after_its_horizon(day, horizon_days, newest):
    assert usable_steps(small(delay_days=horizon_days), MemoryLog(), day) == range(-3, newest + 1)


def test_price_and_contract_drift_are_seen_where_they_happen():
    drift = [
        NumberDrift(kind="number", column="MonthlyCharges", factor=1.6, onset_step=2),
        CategoryDrift(kind="category", column="Contract", to="Month-to-month", share=0.9, onset_step=4),
    ]
    rows = live(small(customers=600, steps=6, drift=drift), Never()).rows
    psi = [(row.signals.psi["MonthlyCharges"], row.signals.psi["Contract"]) for row in rows]
    assert max(max(pair) for pair in psi[:2]) < 0.15
    assert all(charges > 0.3 for charges, _ in psi[2:])
    assert all(contract < 0.15 for _, contract in psi[2:4])
    assert all(contract > 0.3 for _, contract in psi[4:])
    assert rows[2].signals.ks_p_min < 1e-6


def test_rows_without_a_label_are_left_out_and_counted():
    parts = parts_of(small())
    cohort = half_labelled()
    parts.log._cohorts[0], parts.log._scored_by[0] = cohort, "first"
    seen = parts.monitor.performance(3, CHAMPION)
    assert seen.counts == Confusion(1, 0, 1, 0)
    assert (seen.counts.rows, seen.n_labelled, seen.unlabelled_rate) == (2, 2, 1 / 3)


def half_labelled():
    return Cohort(
        step=0,
        kept=Sample(np.array(["a", "b", "c"]), np.zeros((3, 19))),
        holdout=np.zeros(3, dtype=bool),
        held_out=np.zeros(3, dtype=bool),
        offered=np.zeros(3, dtype=bool),
        probability=np.array([0.9, 0.8, 0.1]),
        prediction=np.array([True, True, False]),
        label=np.array([1.0, np.nan, 1.0]),
    )


def test_the_memory_log_keeps_what_it_was_given():
    life = live(small(), script("r"), profile="none")
    log = life.log
    assert isinstance(log, MemoryLog)
    assert log.newest_step_scored_by("first", 10**6) == 0
    assert log.newest_step_scored_by("retrain-000", 2) == 2
    assert log.newest_step_scored_by("nobody", 10**6) is None
    assert [cohort.step for cohort in log.cohorts([2, -1])] == [2, -1]
