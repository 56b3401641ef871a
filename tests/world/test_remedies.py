"""Recalibration and quarantine: what they do to models, windows, money and regret, in memory, live and replayed."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lives import CHEAP, IMPOSSIBLE, TWIN, live, profiles, remedies, scenarios, script, small
from mlflow import MlflowClient
from runs import stored_parts
from scipy.optimize import minimize
from scipy.special import expit, logit

from policies.decision import Action
from scenarios.injectors import ConceptDrift
from scenarios.schema import Jobs, Labels, Offers, Scenario, Time, Training
from sim.mlops.gates.profiles import load_profile
from sim.mlops.loop.life import begin, play
from sim.mlops.models.model import Model
from sim.mlops.models.recalibration import Scaling, fit_scaling
from sim.mlops.records.jobs import FIRST_JOB, Alias, Status
from sim.mlops.stores.duckdb_log import DuckDBLog
from sim.study.comparison.cells import WorldTask, play_world
from sim.study.comparison.contestants import contestants
from sim.study.comparison.results import to_frame
from sim.study.replay.cache import ReplayCache
from sim.study.replay.replay import Replay
from sim.study.scores import money
from sim.study.scores.judge import summarise
from sim.study.scores.regret import beyond_oracle
from sim.study.scores.response import response
from sim.world.world import World

PRIOR = ConceptDrift(kind="concept", onset_step=2, shifts={"intercept": 1.5}, hold_base_rate=False)


def job_of(life, name):
    return next(job for job in life.record.jobs if job.name == name)


# The scaling


def test_a_scaling_is_the_most_likely_one_and_keeps_the_order():
    rng = np.random.default_rng(1)
    probability = rng.beta(1, 3, 2000)
    label = rng.random(2000) < expit(0.7 + 1.4 * logit(probability))
    found_scaling = fit_scaling(probability, label)
    n = int(label.sum())
    target = np.where(label, (n + 1) / (n + 2), 1 / (2000 - n + 2))

    def loss(coefficients):
        z = coefficients[0] + coefficients[1] * logit(np.clip(probability, 1e-6, 1 - 1e-6))
        return -np.mean(target * -np.logaddexp(0, -z) + (1 - target) * -np.logaddexp(0, z))

    wanted = minimize(loss, [0, 1], method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-12}).x
    assert (found_scaling.intercept, found_scaling.slope) == pytest.approx(wanted, abs=1e-4)
    np.testing.assert_array_equal(np.argsort(found_scaling.applied(probability)), np.argsort(probability))


def test_no_rows_change_nothing():
    assert fit_scaling(np.empty(0), np.empty(0, dtype=bool)) == Scaling(0.0, 1.0)


@pytest.mark.parametrize("labels", [[True] * 8, [False] * 8, [True] * 4 + [False] * 4])
def test_no_labels_make_a_scaling_infinite_or_turn_the_order_round(labels):
    probability = np.linspace(0.1, 0.8, 8)
    scaling = fit_scaling(probability, np.array(labels))
    scaled = scaling.applied(probability)
    assert np.isfinite(scaled).all()
    assert (np.diff(scaled) > 0).all()


def test_a_recalibrated_model_is_read_back_as_it_was(tmp_path):
    life = live(small(steps=5, delay_days=30), script("kkc"), profile="none")
    model = life.registry.model(2)
    assert model.scaling is not None
    model.save(tmp_path)
    assert Model.load(tmp_path) == model
    features = life.world.batch(3).features
    np.testing.assert_array_equal(Model.load(tmp_path).probability(features), model.probability(features))


# What a recalibration does


def test_a_recalibration_keeps_trees_and_age_and_serves_from_the_next_step():
    slow = Jobs(train_days=60, approval_days=60)
    life = live(small(steps=7, delay_days=30, jobs=slow), script("kkkc"), profile="none")
    assert [row.version for row in life.rows] == [1, 1, 1, 1, 2, 2, 2]
    assert [row.signals.age_days for row in life.rows] == [30.0 * step for step in range(7)]
    old, new = life.registry.model(1), life.registry.model(2)
    assert new.trees == old.trees
    assert (old.scaling, new.threshold) == (None, 0.5)
    job = job_of(life, "recalibrate-003")
    assert (job.action, job.status, job.ended_step) == (Action.RECALIBRATE, Status.PROMOTED, 4)
    assert job.window.recent_steps == (0, 1, 2)
    assert job.reference_steps == life.state.first.window.recent_steps
    rows = np.concatenate([cohort.features[~cohort.holdout] for cohort in life.log.cohorts((0, 1, 2))])
    labels = np.concatenate([cohort.label[~cohort.holdout] for cohort in life.log.cohorts((0, 1, 2))])
    assert new.scaling == fit_scaling(old.probability(rows), labels == 1)
    assert life.registry.aliases == {Alias.CHALLENGER: 2, Alias.CHAMPION: 2, Alias.PREVIOUS_CHAMPION: 1}


def test_a_second_recalibration_starts_from_the_trees_again():
    life = live(small(steps=7, delay_days=30), script("kkckc"), profile="none")
    first, second = life.registry.model(2), life.registry.model(3)
    assert first.trees == second.trees == life.registry.model(1).trees
    assert first.scaling != second.scaling
    assert life.rows[-1].signals.age_days == 180


@pytest.mark.parametrize("rule", ["f1", "profit"])
def test_a_recalibration_without_a_labelled_row_leaves_the_model_as_it_is(rule):
    world = Scenario(
        id="small",
        title="Small",
        time=Time(steps=4, customers=40, step_days=7, warmup_steps=1),
        labels=Labels(delay="long_tailed", delay_days=19, delay_spread=0.75, horizon_days=19, cohorts="naive"),
        training=Training(recent_cohorts=1),
        offers=Offers(held_out_share=0.05, learn_from="held_out"),
        recipe=CHEAP.model_copy(update={"threshold_rule": rule}),
    )
    life = live(world, script("cccc"), profile="none")
    empty = [job for job in life.record.jobs if job.name != FIRST_JOB and job.window.n_recent == 0]
    assert empty
    for job in empty:
        before, after = life.registry.model(life.rows[job.requested_step].version), life.registry.model(job.version)
        assert (after.threshold, after.scaling, after.trees) == (before.threshold, before.scaling, before.trees)


def test_a_recalibration_meets_the_gates_and_a_rejected_one_never_serves():
    life = live(small(steps=6, delay_days=30), script("kkc"), profile=IMPOSSIBLE)
    assert job_of(life, "recalibrate-002").status is Status.REJECTED
    assert {row.version for row in life.rows} == {1}


def test_a_recalibration_is_refused_while_a_job_is_open_and_a_rollback_undoes_it():
    life = live(small(steps=8, delay_days=30, jobs=Jobs(train_days=60)), script("krckkcb"), profile="none")
    assert [row.decision.reason for row in life.rows[2:3]] == ["job_open"]
    assert life.rows[5].decision.action is Action.RECALIBRATE
    assert [row.version for row in life.rows] == [1, 1, 1, 2, 2, 2, 3, 2]


def test_a_recalibration_follows_a_moved_base_rate():
    scenario = small(steps=9, customers=1500, delay_days=30, drift=[PRIOR])
    idle, mended = (live(scenario, script(text), profile="none").record for text in ("k", "kkkkkkc"))
    before, after = (record.steps[-1].tally for record in (idle, mended))
    assert after.brier_sum < before.brier_sum
    assert after.predicted > before.predicted


def test_a_recalibration_costs_nothing_and_counts_as_no_retraining():
    record = live(small(steps=6, delay_days=30, drift=[PRIOR]), script("kkckr"), profile="none").record
    costs = [entry for entry in money.ledger(record, record.scenario.prices) if entry.kind == "retraining"]
    assert [entry.step for entry in costs] == [4]
    summary = summarise(record)
    assert (summary.retrains, summary.recalibrations, summary.quarantines, summary.rollbacks) == (1, 1, 0, 0)
    assert summary.detection_days == 60
    assert response(record).detection == 60


# What a quarantine does


def test_a_quarantined_batch_is_in_no_window_for_good():
    life = live(small(steps=10, delay_days=30), script("kqkkrkkkr"), profile="none")
    jobs = life.retrainings
    assert [job.name for job in jobs] == ["retrain-004", "retrain-008"]
    assert jobs[0].window.recent_steps == (0, 2, 3)
    assert jobs[0].meeting.gate_steps == (0, 2, 3)
    assert 1 not in jobs[1].window.historical_steps
    assert 0 in jobs[1].window.historical_steps
    assert life.log.quarantined == {1}
    assert life.rows[1].decision.action is Action.QUARANTINE


def test_a_recalibration_leaves_a_quarantined_batch_out_too():
    life = live(small(steps=7, delay_days=30), script("kkqkkc"), profile="none")
    assert job_of(life, "recalibrate-005").window.recent_steps == (1, 3, 4)


def test_a_batch_can_be_set_apart_while_a_job_is_open():
    life = live(small(steps=6, delay_days=30, jobs=Jobs(train_days=90)), script("krq"), profile="none")
    assert life.rows[2].signals.job_open
    assert life.rows[2].decision.action is Action.QUARANTINE


def test_nothing_is_set_apart_by_a_policy_that_only_looks():
    assert live(small(steps=3), script("kkk")).log.quarantined == frozenset()


# Memory, live and replay


@settings(max_examples=30)
@given(scenarios(), st.integers(0, 2**40), remedies(), profiles())
def test_replay_is_memory_whatever_is_done(scenario, seed, policy, profile):
    memory = live(scenario, policy, seed, profile=profile)
    again = script(
        "".join({"retrain": "r", "recalibrate": "c", "rollback": "b"}.get(a, a[0]) for a in policy.actions)
    )
    replay = Replay(World(scenario, seed, TWIN, kept_steps=None))
    first, rows = replay.play(again, profile)
    assert (first, rows) == (memory.state.first, memory.rows)


def test_lives_that_quarantine_otherwise_share_no_results():
    scenario = small(steps=9, delay_days=30)
    replay = Replay(World(scenario, 1, TWIN, kept_steps=None))
    for text in ("kkkkrkkr", "kqkkrkkr", "kkqkrkkr", "kqkkrkkr"):
        _, rows = replay.play(script(text), load_profile("none"))
        assert rows == live(scenario, script(text), profile="none").rows


@pytest.mark.slow
def test_live_is_memory_and_a_resumed_life_keeps_its_quarantine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scenario, text = small(steps=8, delay_days=30), "kqckrkb"
    memory = live(scenario, script(text), profile="none")
    store = f"sqlite:///{tmp_path}/mlflow.db"
    with stored_parts(tmp_path, store, scenario, "remedies") as (parts, connection):
        policy = script(text)
        policy.deployed(FIRST_JOB)
        assert tuple(play(parts, policy, begin(parts, lambda _: scenario.recipe))) == memory.rows
        assert any(row.decision.action is Action.RECALIBRATE for row in memory.rows)
        assert DuckDBLog(connection, parts.world.schema).quarantined == {1}
        told = connection.execute("SELECT job, action FROM model_versions ORDER BY model_version").fetchall()
        assert told == [("first", "retrain"), ("recalibrate-002", "recalibrate"), ("retrain-004", "retrain")]
        version = MlflowClient(store).get_model_version("remedies", "2")
        assert version.description.startswith("Asked for on day 60")
        assert "The champion's trees, calibrated anew on" in version.description


# Regret


def test_regret_is_missing_with_the_reason():
    for text, reason in (
        ("kr", ""),
        ("kc", "recalibrate in play"),
        ("kq", "quarantine in play"),
        ("kqc", "recalibrate and quarantine in play"),
    ):
        assert beyond_oracle(live(small(steps=5, delay_days=30), script(text), profile="none").record) == reason


def test_a_comparison_says_why_regret_is_missing():
    scenario = small(steps=6, delay_days=30, drift=[PRIOR])
    chosen = contestants(["never", "ladder(quarantine_when='psi_max > 0', trouble_when='')"], {})
    order = WorldTask(scenario, 1, chosen, (load_profile("none"),), "never", 0, with_split=False)
    cells = to_frame(play_world(order, TWIN, ReplayCache(None)).cells)
    assert cells["error"].isna().all(), cells["error"].tolist()
    assert cells["regret_missing"].dropna().tolist() == ["quarantine in play"]
    assert cells["regret"].notna().tolist() == [True, False]
    assert json.loads(cells["clauses"][1])[0]["true"] == 6
    assert cells["needless_retrains"].isna().tolist() == [False, True]
