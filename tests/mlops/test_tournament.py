"""Tournaments: several challengers from one request, of which at most one gets by."""

import sys
from dataclasses import replace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import duckdb
import numpy as np
import pytest
from doomed import Point, kill_at
from lives import TWIN, live, script, small
from mlflow import MlflowClient
from runs import CONCEPT, settings_of

from policies.catalogue import load_policy
from policies.decision import Action, Cause
from scenarios.files import to_toml
from scenarios.schema import Jobs, Offers, Training
from sim.mlops.gates.profiles import load_profile
from sim.mlops.live.run import Listener, run_live
from sim.mlops.loop.tournament import best_of, entered
from sim.mlops.loop.validator import chooses
from sim.mlops.models.cohort import LabelledRows
from sim.mlops.models.profiles import load_training
from sim.mlops.models.training import TrainingWindow
from sim.mlops.records.jobs import FIRST_JOB, Job, Status, why_not
from sim.mlops.statistics.metrics import log_loss
from sim.study.replay.replay import Replay
from sim.study.run_folder import play_live, read_record
from sim.study.scores.judge import summarise
from sim.study.scores.monthly import monthly, net_values
from sim.world.world import World

TOURNAMENT = Training(profile="tournament", recent_cohorts=2)
ENTRANTS = [each.name for each in load_training("tournament").challengers]


def held(**more):
    """A small drifting world whose retrainings are tournaments."""
    return small(**{"steps": 7, "delay_days": 30, "drift": [CONCEPT], **more}).model_copy(
        update={"training": TOURNAMENT}
    )


WORLDS = {
    "plain": held(),
    "feedback": held(offers=Offers(seen_in_labels=True, capacity=0.5)),
    "feedback, weighted": held(
        offers=Offers(seen_in_labels=True, capacity=0.3, held_out_share=0.2, learn_from="weighted")
    ),
    "slow jobs": held(steps=9, jobs=Jobs(train_days=45, approval_days=20)),
}


@pytest.mark.parametrize("scenario", WORLDS.values(), ids=WORLDS)
@pytest.mark.parametrize("text", ["rrrrrrr", "rqrkcrr", "krkrbrr"])
def test_a_tournament_in_memory_is_its_replay(scenario, text):
    replay = Replay(World(scenario, 1, TWIN, kept_steps=None))
    for gates in ("none", "telco_churn"):
        memory = live(scenario, script(text), profile=gates).record
        replayed = replay.record(script(text), load_profile(gates), "tested")
        assert replace(replayed, training="mix_70_30") == memory
        held_jobs = [job for job in memory.retrainings if job.action is Action.RETRAIN]
        assert all([each.profile for each in job.challengers] == ENTRANTS for job in held_jobs)
        assert held_jobs


def test_at_most_one_challenger_of_a_job_becomes_a_version_and_serves():
    played = live(held(), load_policy("always").build(), profile="none")
    ended = [job for job in played.record.retrainings if job.status is not Status.OPEN]
    assert len(ended) >= 4
    for job in ended:
        chosen = [each for each in job.challengers if each.is_chosen]
        assert len(chosen) == 1
        assert job.window == chosen[0].window
        losses = [each.log_loss for each in job.challengers if each.log_loss is not None]
        assert chosen[0].log_loss == min(losses)
        reasons = [why_not(job, each) for each in job.challengers]
        assert [bool(reason) for reason in reasons] == [not each.is_chosen for each in job.challengers]
    assert [job.version for job in (played.record.first, *ended)] == list(range(1, len(ended) + 2))
    assert len({each.profile for job in ended for each in job.challengers if each.is_chosen}) > 1


def test_a_rejected_winner_is_not_replaced_by_the_second_best():
    strict = replace(load_profile("telco_churn"), name="strict", accuracy=1.0)
    played = live(held(), load_policy("always").build(), profile=strict)
    assert {row.champion for row in played.rows} == {FIRST_JOB}
    rejected = [job for job in played.record.retrainings if job.status is Status.REJECTED]
    assert rejected
    for job in rejected:
        reasons = [why_not(job, each) for each in job.challengers]
        assert all(reasons)
        assert sum("failed accuracy" in reason for reason in reasons) == 1


def test_every_training_is_paid():
    scenario = held()
    replay = Replay(World(scenario, 1, TWIN, kept_steps=None))

    def record(training):
        return replay.record(script("rrrrrrr"), load_profile("telco_churn"), "x", training=load_training(training))

    tournament, single = record("tournament"), record("newest")
    assert sum(job.trainings for job in tournament.retrainings) == 4 * len(tournament.retrainings)
    assert sum(job.trainings for job in single.retrainings) == len(single.retrainings)
    dear = scenario.prices.model_copy(update={"retrain_cost": scenario.prices.retrain_cost + 1})
    for played, cost in ((tournament, 4 * len(tournament.retrainings)), (single, len(single.retrainings))):
        assert summarise(played).net_value - summarise(played, dear).net_value == pytest.approx(cost)
        assert sum(net_values(monthly(played), dear)) == pytest.approx(summarise(played, dear).net_value)
    assert summarise(tournament).retrains == len(tournament.retrainings)


def test_choosing_rows_and_judging_rows_share_no_customer_and_the_baseline_comes_from_the_judging_ones():
    rng = np.random.default_rng(0)
    names = np.array([f"C{number:05d}" for number in rng.integers(0, 3000, 9000)])
    rows = LabelledRows.alike(names, np.zeros((9000, 1)), np.zeros(9000, dtype=bool))
    for share in (0.25, 0.5):
        chosen = chooses(rows, share)
        assert not set(names[chosen]) & set(names[~chosen])
        assert chosen.mean() == pytest.approx(share, abs=0.05)
    played = live(held(), load_policy("always").build(), profile="none")
    single = live(held().model_copy(update={"training": Training()}), load_policy("always").build(), profile="none")

    def judged(job: Job) -> int:
        assert job.meeting is not None
        counts = job.meeting.challenger
        return counts.true_positives + counts.false_positives + counts.true_negatives + counts.false_negatives

    for ours, theirs in zip(played.record.retrainings[:-1], single.record.retrainings[:-1], strict=False):
        assert 0.2 < judged(ours) / judged(theirs) < 0.8


def test_the_best_has_the_lowest_log_loss_and_of_equals_the_first():
    window = TrainingWindow((1,), (), 5, 0)
    job = entered(
        Job("retrain-001", 1, 30, Cause.ALARM, "why"),
        [replace(window, profile=name) for name in ("a", "b", "c")],
    )
    for losses, index in (((0.5, 0.4, 0.6), 1), ((0.4, 0.4, 0.4), 0), ((None, 0.9, 0.8), 2), ((None,) * 3, 0)):
        chosen, number = best_of(job, losses)
        assert number == index
        assert [each.is_chosen for each in chosen.challengers] == [each == index for each in range(3)]
        assert chosen.window.profile == "abc"[index]


def test_log_loss_knows_no_order_of_rows_and_no_nan():
    rng = np.random.default_rng(1)
    label, probability = rng.random(500) < 0.3, rng.random(500)
    weight = rng.integers(1, 4, 500)
    order = rng.permutation(500)
    assert log_loss(label, probability, weight) == log_loss(label[order], probability[order], weight[order])
    repeated = log_loss(np.repeat(label, weight), np.repeat(probability, weight))
    assert log_loss(label, probability, weight) == pytest.approx(repeated)
    assert log_loss(label, np.full(500, np.nan)) is None
    assert log_loss(label[:0], probability[:0]) is None
    assert np.isfinite(log_loss(label, label.astype(float)))


def benchmark() -> ModuleType:
    """Return benchmarks/tournament_level.py, which is no part of the package."""
    spec = spec_from_file_location("tournament_level", Path("benchmarks") / "tournament_level.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_the_gate_keeps_its_level_however_many_challengers_there_are():
    level, repeats, played = 0.05, 1000, benchmark()
    rates = {
        (challengers, rows): played.rates(challengers, rows, repeats)
        for challengers in range(1, 7)
        for rows in (200, 600, 2000)
    }
    for rows in (200, 600, 2000):
        together = np.mean([rates[challengers, rows][0] for challengers in range(1, 7)])
        assert together <= level + 2.33 * np.sqrt(level * (1 - level) / (6 * repeats))
    for split, _ in rates.values():
        assert split <= level + 3.1 * np.sqrt(level * (1 - level) / repeats)  # 18 looks at 1 in 1,000
    assert rates[6, 2000][1] > 3 * level  # who chooses and judges on the same rows


# On MLflow


def test_mlflow_has_a_run_a_job_a_child_a_challenger_and_only_the_winner_as_a_version(tmp_path):
    settings = settings_of(tmp_path / "run", held(), "always", gates="none")
    record = run_live(settings, resume=False)
    memory = live(held(), load_policy("always").build(), profile="none")
    assert record.steps == memory.rows
    uri = f"sqlite:///{tmp_path}/run/mlflow.db"
    client = MlflowClient(uri, uri)
    ended = [job for job in record.retrainings if job.status is not Status.OPEN]
    versions = client.search_model_versions("name = 'retrainlab-small'")
    assert sorted(v.tags["retrainlab.job"] for v in versions) == sorted([FIRST_JOB, *(job.name for job in ended)])
    runs = client.search_runs([client.get_experiment_by_name("retrainlab/small").experiment_id])
    by_job = {run.data.tags["retrainlab.job"]: run for run in runs}
    assert {run.info.status for run in runs} == {"FINISHED"}
    for job in ended:
        for each in job.challengers:
            child = by_job[f"{job.name}/{each.profile}"]
            assert child.data.tags["mlflow.parentRunId"] == by_job[job.name].info.run_id
            assert child.data.tags["chosen"] == str(each.is_chosen).lower()
            assert child.data.tags["why_not"] == why_not(job, each)
            assert child.data.params["training"] == each.profile
            assert child.data.metrics["log_loss"] == pytest.approx(each.log_loss)
    with duckdb.connect(str(tmp_path / "run" / "loop.duckdb"), read_only=True) as connection:
        rows = connection.execute("SELECT job, training, chosen, why_not FROM challengers ORDER BY ALL").fetchall()
        kept = connection.execute("SELECT DISTINCT job FROM candidate_models").fetchall()
    told = [
        (job.name, c.profile, c.is_chosen, why_not(job, c)) for job in record.retrainings for c in job.challengers
    ]
    assert rows == sorted(told)
    assert kept == [(job.name,) for job in record.retrainings if job.status is Status.OPEN]


def test_a_run_that_stops_between_request_and_choice_goes_on_with_the_same_candidates(tmp_path):
    settings = settings_of(tmp_path / "run", held(jobs=Jobs(train_days=45)), "always", gates="telco_churn")

    def stop(row):
        if row.step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_live(settings, resume=False, listener=Listener(step=stop))
    record = run_live(settings, resume=True)
    assert record.steps == live(settings.scenario, load_policy("always").build(), profile="telco_churn").rows


# Kills

KILLS = [
    Point("journal", "keep_candidates", "before", 1),
    Point("journal", "keep_candidates", "after", 1),
    Point("journal", "commit", "before", 1),  # the candidates are kept, and their step is not
    Point("journal", "commit", "after", 1),
    Point("journal", "candidates", "before", 1),  # read back by who did not train them
    Point("journal", "candidates", "after", 1),
    Point("journal", "drop_candidates", "before", 1),
    Point("journal", "drop_candidates", "after", 1),
    Point("registry", "register", "before", 1),
    Point("registry", "register", "after", 1),
    Point("registry", "tell", "before", 1),
    Point("telling", "_describe_challenger", "before", 1),
    Point("telling", "_describe_challenger", "after", 1),
    Point("telling", "_describe_challenger", "after", 2),
    Point("telling", "_describe_challenger", "before", 4),
    Point("telling", "_describe_challenger", "after", 4),
    Point("registry", "tell", "after", 1),
    Point("journal", "keep_candidates", "after", 1),
    Point("journal", "commit", "before", 1),
    Point("journal", "commit", "after", 1),
]


@pytest.mark.slow
def test_twenty_kills_in_the_middle_of_tournaments_change_nothing(tmp_path):
    scenario = held(steps=5)
    path, folder = tmp_path / "killed.toml", tmp_path / "run"
    path.write_text(to_toml(scenario), encoding="utf-8")
    undisturbed = play_live(settings_of(tmp_path / "calm", scenario, "always"), resume=False)
    for number, point in enumerate(KILLS):
        kill_at(folder, path, point, trials=0, resume=folder.exists() and number > 0)
    record = play_live(settings_of(folder, scenario, "always"), resume=True)
    assert record == undisturbed == read_record(folder)
    told = []
    for place in (tmp_path / "calm", folder):
        uri = f"sqlite:///{place}/mlflow.db"
        client = MlflowClient(uri, uri)
        runs = client.search_runs([client.get_experiment_by_name("retrainlab/small").experiment_id])
        told.append(
            sorted(
                (run.data.tags["retrainlab.job"], run.info.status, run.data.tags.get("why_not", "")) for run in runs
            )
        )
    assert told[0] == told[1]
