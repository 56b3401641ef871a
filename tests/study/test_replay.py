"""Replay: the life that live and memory lead, to the last bit, and nothing computed twice."""

import os
import pickle
import subprocess
import sys
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lives import CHEAP, TWIN, Script, live, profiles, scenarios, script, scripts, small, toy_population
from mlflow import MlflowClient
from runs import stored_parts

from policies.catalogue import load_policy
from policies.signals import CATALOGUE
from scenarios.injectors import ConceptDrift, DroppedFault, DuplicateFault, LateFault, MixDrift, RenameFault
from scenarios.schema import Jobs, Labels, Offers, Prices, Time, Training
from sim.errors import InputError
from sim.mlops.gates.profiles import load_profile
from sim.mlops.live.run import LiveSettings, run_live
from sim.mlops.loop.life import begin, play
from sim.mlops.loop.monitor import Monitor
from sim.mlops.loop.validator import Validator
from sim.mlops.models.cohort import Cohort
from sim.mlops.records.record import Served, tally
from sim.study.replay import cache as replay_cache
from sim.study.replay.cache import ReplayCache
from sim.study.replay.replay import Replay
from sim.study.scores.fresh import fresh_f1
from sim.study.scores.oracle import plan
from sim.world.world import World

SEEDS = st.integers(0, 2**40)
CONCEPT = ConceptDrift(
    kind="concept", onset_step=2, shifts={"InternetService=DSL": 2.4, "InternetService=Fiber optic": -2.5}
)
DRIFTING = small(steps=7, drift=[CONCEPT])
CONTAMINATED = small(steps=7, delay_days=30, drift=[CONCEPT], offers=Offers(seen_in_labels=True, capacity=0.5))
SLOW_JOBS = small(steps=7, delay_days=30, jobs=Jobs(train_days=45, approval_days=20))
FAULTY = small(
    steps=7,
    drift=[
        MixDrift(kind="mix", tilt={"tenure/12": -0.3}, onset_step=1),
        ConceptDrift(kind="concept", shifts={"tenure/12": 0.5}, onset_step=1, profile="gradual", duration_steps=3),
        RenameFault(kind="rename", column="Contract", category="One year", to="12 months", share=0.5, onset_step=2),
        DroppedFault(kind="dropped", onset_step=3, profile="blip"),
        LateFault(kind="late", share=0.4, onset_step=4),
        DuplicateFault(kind="duplicates", share=0.2, onset_step=0),
    ],
    offers=Offers(seen_in_labels=True, capacity=0.3, held_out_share=0.2, learn_from="weighted"),
).model_copy(update={"labels": Labels(delay="long_tailed", delay_days=20, horizon_days=30, correction_share=0.3)})
NAIVE = small(steps=7).model_copy(
    update={"labels": Labels(delay="churners_early", horizon_days=60, never_share=0.2, cohorts="naive")}
)
WATCHFUL = "psi_max > 0.3 or f1_drop > 0.02 or recall < 0.4 or age_days > 70"
MANUAL = "manual(look_days=30, fastest_days=0, slowest_days=40)"
LIVES = {
    "drift, proposal": (DRIFTING, "proposal", 1, "telco_churn"),
    "drift, threshold": (DRIFTING, "f1_drop > 0.05", 2, "none"),
    "drift, manual": (DRIFTING, MANUAL, 3, "none"),
    "no drift, never": (small(steps=5), "never", 4, "telco_churn"),
    "no drift, always": (small(steps=5, delay_days=0), "always", 5, "none"),
    "contaminated, always": (CONTAMINATED, "always", 6, "none"),
    "contaminated, threshold": (CONTAMINATED, "f1_drop > 0.05", 7, "telco_churn"),
    "slow jobs, always": (SLOW_JOBS, "always", 8, "none"),
    "drift, a detector": (DRIFTING, "hddm_a", 2, "none"),
    "faults, always": (FAULTY, "always", 9, "none"),
    "naive labels, always": (NAIVE, "always", 10, "none"),
}


def replay_of(scenario, seed=1, population=TWIN, trials=0):
    return Replay(World(scenario, seed, population, kept_steps=None), trials)


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def trainings(monkeypatch):
    """Count the trainings of LightGBM."""
    calls = []
    train = lgb.train
    monkeypatch.setattr(lgb, "train", lambda *given, **named: (calls.append(1), train(*given, **named))[1])
    return calls


# Live = replay


@pytest.mark.slow
@pytest.mark.parametrize(("scenario", "policy", "seed", "gates"), LIVES.values(), ids=LIVES)
def test_a_live_run_is_its_replay(tmp_path, store, scenario, policy, seed, gates):
    record = run_live(
        LiveSettings(
            scenario=scenario,
            policy=load_policy(policy),
            population=TWIN,
            profile=load_profile(gates),
            seed=seed,
            trials=0,
            folder=tmp_path / "run",
            tracking_uri=store,
            model_name=tmp_path.name,
        ),
        resume=False,
    )
    spec = load_policy(policy)
    replayed = replay_of(scenario, seed).record(spec.build(), load_profile(gates), spec.name, spec.to_toml())
    assert replayed == record
    if policy not in {"never", "f1_drop > 0.05"}:
        assert any(row.job_opened for row in record.steps)


@pytest.mark.slow
def test_a_live_rollback_is_its_replay(tmp_path, store):
    scenario, text = small(steps=8, delay_days=30, drift=[CONCEPT]), "kkrkbkrk"
    with stored_parts(tmp_path, store, scenario, "rolled.back.replay") as (parts, _):
        rows = tuple(play(parts, script(text), begin(parts, lambda _: scenario.recipe)))
    first, replayed = replay_of(scenario).play(script(text), load_profile("none"))
    assert replayed == rows
    assert first.version == 1
    assert [row.version for row in replayed] == [1, 1, 1, 2, 2, 1, 1, 3]
    champion = MlflowClient(store).get_model_version_by_alias("rolled.back.replay", "Champion")
    assert int(champion.version) == 3


@pytest.mark.slow
def test_a_search_finds_the_same_recipe_live_and_in_replay(tmp_path, store):
    spec = load_policy("never")
    settings_of_run = LiveSettings(
        small(steps=2), spec, TWIN, load_profile("none"), 1, 2, tmp_path / "run", store, model_name="searched"
    )
    record = run_live(settings_of_run, resume=False)
    assert (
        replay_of(small(steps=2), trials=2).record(spec.build(), load_profile("none"), spec.name, spec.to_toml())
        == record
    )
    assert record != replay_of(small(steps=2)).record(spec.build(), load_profile("none"), spec.name, spec.to_toml())


@settings(max_examples=20)
@given(scenarios(), SEEDS, profiles(), st.lists(scripts(), min_size=1, max_size=2))
def test_the_life_in_memory_is_its_replay(scenario, seed, profile, policies):
    replay = replay_of(scenario, seed)
    for policy in policies:  # the later ones meet what the earlier ones left in memory
        memory = live(scenario, policy, seed, profile=profile).record
        again = type(policy)(policy.actions)
        assert replace(replay.record(again, profile, "tested"), policy_toml="") == memory
        assert (again.seen, again.heard) == (policy.seen, policy.heard)


@dataclass
class Curious(Script):
    """A script that wants to see every signal on request."""

    wants: frozenset[str] = frozenset(name for name, info in CATALOGUE.items() if info.on_request)


WEIGHTED = Offers(seen_in_labels=True, capacity=0.5, held_out_share=0.2, learn_from="weighted")
EARLY = Labels(delay="churners_early", delay_days=31, delay_spread=0.75, horizon_days=31)
CALM = small(steps=8, delay_days=0, drift=[CONCEPT])
PASTS = {
    "served": (
        CONTAMINATED.model_copy(update={"prices": Prices(success_rate=1.0)}),
        ("kkkkkkk", "kkkrkkr", "rkkrkkr", "rkkbkkr", "kkkckkc", "rkkbckc", "rkkckkk"),
        ("none",),
    ),
    "served, weighted": (
        CONTAMINATED.model_copy(update={"offers": WEIGHTED, "labels": EARLY}),
        ("kkkkkkk", "rkkbkkk", "rkkbkrk", "kkkkkrk", "kkkkkck", "rkkbkck"),
        ("none",),
    ),
    "set apart": (
        CALM,
        ("kkkkkkkk", "kkkkrkkk", "rkkkrkkk", "rkkbkkkk", "qkkkrkkk", "kkqkrkkk", "kkqkckkk", "kkkkckkk", "rkkkckkk"),
        ("none",),
    ),
    "set apart while a job is open": (
        CALM.model_copy(update={"jobs": Jobs(train_days=45)}),
        ("kkkkkkkk", "kkrkkkkk", "kkrqkkkk", "kkrkqkkk", "kkqkkkkk"),
        ("none",),
    ),
    "another best champion": (DRIFTING, ("rbkkrkk", "krbkrkk", "kkrbrkk", "kkkkrkk"), ("do_no_harm",)),
    "rolled back": (DRIFTING, ("kkkkkkk", "rkkbkkk", "krkbkkk"), ("none",)),
    "gates": (CALM, ("rkrkrkrk", "kkrkrkrk", "rkrbrkrk"), ("none", "telco_churn", "do_no_harm")),
}


@pytest.mark.parametrize("order", ["forwards", "backwards"])
@pytest.mark.parametrize(("scenario", "texts", "gates"), PASTS.values(), ids=PASTS)
def test_no_life_is_told_what_came_of_another_past(scenario, texts, gates, order):
    """Each life finds what all before it have left in memory, of which only what its own past allows is for it."""
    replay = replay_of(scenario)
    lives = [(text, profile) for text in texts for profile in gates]
    for text, profile in lives if order == "forwards" else lives[::-1]:
        alone, among = Curious(script(text).actions), Curious(script(text).actions)
        memory = live(scenario, alone, profile=profile)
        first, rows = replay.play(among, load_profile(profile))
        assert (first, rows) == (memory.state.first, memory.rows)
        assert among.seen == alone.seen


def test_when_labels_arrive_depends_on_who_got_an_offer():
    scenario = small(steps=6, customers=80, offers=Offers(seen_in_labels=True)).model_copy(
        update={
            "time": Time(steps=6, customers=80, warmup_steps=1),
            "labels": Labels(delay="churners_early", delay_days=31, delay_spread=0.75, horizon_days=31),
            "training": Training(recent_cohorts=1, gate_window_steps=1),
            "prices": Prices(success_rate=1.0),
        }
    )
    replay = replay_of(scenario, 0)
    for text in (
        "rrrr",
        "rrrb",
    ):  # the second finds what the first left in memory, and serves another model at the end
        memory = live(scenario, script(text), 0, profile="none").record
        assert replace(replay.record(script(text), load_profile("none"), "tested"), policy_toml="") == memory


@settings(max_examples=15)
@given(scenarios(), SEEDS, profiles(), st.sampled_from(("proposal", WATCHFUL, "f1_drop > 0.05", MANUAL, "every")))
def test_a_rule_decides_the_same_in_memory_and_in_replay(scenario, seed, profile, policy):
    population, spec = toy_population(2000), load_policy(policy)
    memory = live(scenario, spec.build(), seed, population, profile).rows
    replay = replay_of(scenario, seed, population)
    for _ in range(2):
        assert replay.play(spec.build(), profile)[1] == memory


def test_labels_without_delay_are_counted_from_the_first_day_on():
    _, rows = replay_of(small(delay_days=0)).play(load_policy("never").build(), load_profile("none"))
    assert {row.labels_arrived for row in rows} == {150}


LIFE = """
from lives import TWIN, small
from policies.catalogue import load_policy
from scenarios.injectors import NumberDrift
from sim.mlops.gates.profiles import load_profile
from sim.study.replay.replay import Replay
from sim.world.world import World
scenario = small(steps=7, drift=[NumberDrift(kind="number", column="MonthlyCharges", factor=1.5, onset_step=3)])
replay = Replay(World(scenario, 7, TWIN, kept_steps=None))
print(replay.record(load_policy("proposal").build(), load_profile("none"), "proposal"))
"""


def test_another_process_replays_the_same_record():
    def told(hash_seed: str) -> str:
        tests = Path(__file__).parents[1]
        path = os.pathsep.join([str(tests), str(tests.parent)])
        environment = {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": hash_seed}
        command = [sys.executable, "-c", LIFE]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    first, second = told("1"), told("2")
    assert first == second
    assert "promoted" in first


class ShuffledLog:
    """A log whose cohorts have their rows in another order each time."""

    def __init__(self, log):
        self._log, self._rng = log, np.random.default_rng(1)
        self.quarantined = frozenset()
        self.newest_step_scored_by = log.newest_step_scored_by

    def cohorts(self, steps):
        return [self._shuffled(cohort) for cohort in self._log.cohorts(steps)]

    def outcomes(self, step):
        return self._shuffled(self._log.outcomes(step))

    def _shuffled(self, cohort):
        order = self._rng.permutation(len(cohort.label))
        parts = {name: value[order] for name in cohort.__slots__ if np.ndim(value := getattr(cohort, name))}
        if isinstance(cohort, Cohort):
            parts["kept"] = cohort.sample.take(order)
        return replace(cohort, **parts)


def test_the_order_of_rows_changes_no_signal_and_no_verdict():
    """What a batch's rows are permuted to changes nothing but which values the gates' stress takes away."""
    life = live(small(steps=7, delay_days=30, drift=[CONCEPT]), script("krkkr"), profile="telco_churn")
    log, world, champion = ShuffledLog(life.log), life.world, life.state.champion
    models = [life.registry.model(version) for version in (1, 2)]
    for step in world.steps[1:]:
        seen, shuffled = Monitor(world, life.log, life.registry), Monitor(world, log, life.registry)
        assert shuffled.drift(step, champion) == seen.drift(step, champion)
        assert shuffled.performance(step, champion) == seen.performance(step, champion)
        meetings = [
            Validator(world, each, load_profile("telco_churn")).validate(step, *models) for each in (life.log, log)
        ]
        assert meetings[0].challenger == meetings[1].challenger
        assert meetings[0].champion == meetings[1].champion
        verdicts = [[r for r in each.verdict.results if "missing" not in r.name] for each in meetings]
        assert verdicts[0] == verdicts[1]


def test_the_order_of_rows_changes_no_tally():
    world = World(DRIFTING, 1, TWIN)
    batch, truth = world.batch(4), world.truth(4)
    probability = np.round(np.random.default_rng(1).random(len(batch.customer_id)), 3)
    served = Served(4, "first", 1, probability, probability > 0.5, probability > 0.8)
    order = np.random.default_rng(2).permutation(len(probability))

    def permuted(facts):
        return replace(facts, **{n: v[order] for n in facts.__slots__ if np.ndim(v := getattr(facts, n))})

    assert tally(permuted(batch), permuted(truth), permuted(served)) == tally(batch, truth, served)


# Nothing twice


def test_a_second_policy_trains_nothing_that_the_first_has_trained(trainings):
    replay, gates = replay_of(DRIFTING), load_profile("none")
    replay.play(load_policy("always").build(), gates)
    assert len(trainings) == 1 + 7
    del trainings[:]
    for policy in ("proposal", "f1_drop > 0.05", "every(days=30)", "never"):
        replay.play(load_policy(policy).build(), gates)
    replay.play(script("rkrbkr"), load_profile("telco_churn"))
    assert not trainings


def test_with_feedback_only_equal_pasts_share_a_model(trainings):
    replay, gates = replay_of(CONTAMINATED), load_profile("none")
    replay.play(script("kkkrkk"), gates)
    assert len(trainings) == 2
    replay.play(script("kkkrkr"), gates)
    assert len(trainings) == 3, "the same past until step 3, another model at step 5"
    replay.play(script("rkkrkk"), gates)
    assert len(trainings) == 5, "another champion has served: other offers, other labels, another model"


def test_gates_that_enforce_a_wall_clock_are_refused():
    profile = replace(load_profile("none"), name="quick", enforced=("latency_ms",))
    with pytest.raises(InputError, match="'quick' enforce latency_ms"):
        replay_of(small()).play(load_policy("never").build(), profile)


# The cache on disk


def played(folder, scenario=DRIFTING, seed=1, trials=0):
    """Play as a comparison does, with a cache; return the records and what the oracle and the fresh model say."""
    replay, cache, gates = replay_of(scenario, seed, trials=trials), ReplayCache(folder), load_profile("telco_churn")
    cache.load(replay)
    records = [replay.record(load_policy(each).build(), gates, each) for each in ("always", WATCHFUL)]
    judged = plan(replay, gates, scenario.prices).net_value, fresh_f1(replay, 4)
    cache.save(replay)
    return records, judged


def test_a_second_comparison_trains_nothing(tmp_path, trainings):
    first = played(tmp_path / "cache")
    assert trainings
    del trainings[:]
    assert played(tmp_path / "cache") == first
    assert not trainings
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_a_cache_with_nothing_new_is_not_written_again(tmp_path):
    played(tmp_path)
    (file,) = tmp_path.iterdir()
    before = file.stat().st_mtime_ns
    played(tmp_path)
    assert file.stat().st_mtime_ns == before


DAMAGES = {
    "cut short": lambda file: file.write_bytes(file.read_bytes()[:1000]),
    "empty": lambda file: file.write_bytes(b""),
    "no pickle": lambda file: file.write_text("retrainlab"),
    "a pickle of something else": lambda file: file.write_bytes(zlib.compress(pickle.dumps("abc"))),
    "bits flipped": lambda file: file.write_bytes(
        file.read_bytes()[:500] + bytes(b ^ 0x55 for b in file.read_bytes()[500:])
    ),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_cache_is_computed_again(tmp_path, trainings, damage):
    wanted = played(tmp_path)
    (file,) = tmp_path.iterdir()
    damage(file)
    del trainings[:]
    assert played(tmp_path) == wanted
    assert trainings
    del trainings[:]
    assert played(tmp_path) == wanted
    assert not trainings


def test_the_file_of_another_world_is_computed_again(tmp_path):
    played(tmp_path / "a", seed=1)
    wanted = played(tmp_path / "b", seed=2)
    (mine,), (other,) = (tmp_path / "a").iterdir(), (tmp_path / "b").iterdir()
    other.write_bytes(mine.read_bytes())
    assert played(tmp_path / "b", seed=2) == wanted


def test_another_scenario_seed_search_or_code_is_another_file(tmp_path, monkeypatch):
    cheaper = DRIFTING.model_copy(update={"recipe": CHEAP.model_copy(update={"rounds": 5})})
    for different in ({}, {"seed": 2}, {"scenario": cheaper}, {"trials": 1}):
        played(tmp_path, **different)
    assert len(list(tmp_path.iterdir())) == 4
    monkeypatch.setattr(replay_cache, "_code_digest", lambda: "other code")
    played(tmp_path)
    assert len(list(tmp_path.iterdir())) == 5


def test_a_cache_that_cannot_be_written_stops_nothing(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    assert played(tmp_path / "file") == played(None)
    assert [item.name for item in tmp_path.iterdir()] == ["file"]
