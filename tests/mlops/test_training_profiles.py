"""Training profiles: what a retraining learns from, as data."""

import json
from dataclasses import fields, replace

import numpy as np
import pytest
from lives import CHEAP, TWIN, live, small
from test_cli import call, refused

from policies.catalogue import load_policy
from policies.decision import Action, Decision, trainings_named
from policies.signals import Signals
from policies.spec import PolicySpec, policies_from_toml
from scenarios.injectors import ConceptDrift
from scenarios.schema import Offers, Training
from sim.errors import InputError
from sim.mlops.gates.profiles import load_profile
from sim.mlops.models.cohort import Cohort
from sim.mlops.models.model import Model
from sim.mlops.models.profiles import KINDS, MEANINGS, TrainingProfile, Trainings, load_training, training_profiles
from sim.mlops.models.selection import Known, select_rows
from sim.mlops.models.training import best_threshold, boosted, training_data
from sim.mlops.statistics.change import Change
from sim.mlops.statistics.overlap import Sample
from sim.study.replay.replay import Replay
from sim.world.telco.table import SCHEMA
from sim.world.telco.twin import sample
from sim.world.world import World

DRIFT = ConceptDrift(
    kind="concept", onset_step=2, shifts={"InternetService=DSL": 2.4, "InternetService=Fiber optic": -2.5}
)
SINGLE = [name for name in training_profiles() if load_training(name).kind != "tournament"]


def cohort(step: int, n_rows: int, n_holdout: int = 20) -> Cohort:
    rng = np.random.default_rng(abs(step) + 100)
    nobody = np.zeros(n_rows, dtype=bool)
    return Cohort(
        step=step,
        kept=Sample(np.array([f"{step:+03d}/{number:04d}" for number in range(n_rows)]), sample(rng, n_rows)),
        holdout=np.arange(n_rows) < n_holdout,
        held_out=nobody,
        offered=nobody,
        probability=np.full(n_rows, np.nan),
        prediction=nobody,
        label=(rng.random(n_rows) < 0.3).astype(float),
    )


COHORTS = [cohort(step, 120) for step in range(-3, 7)]  # a hundred trainable rows each


def known(
    change: Change | None = None, cohorts=COHORTS, step_days: int = 30, training: Training | None = None
) -> Known:
    return Known(
        cohorts=cohorts,
        training=training or Training(),
        offers=Offers(),
        schema=SCHEMA,
        step_days=step_days,
        rng=np.random.default_rng(1),
        change=lambda level: change,
        today=lambda: Sample.of_strangers(sample(np.random.default_rng(9), 300), "T"),
    )


def selected(name: str, **more):
    return select_rows(load_training(name), known(**more))


def test_the_default_is_the_mix_of_the_scenario_to_the_last_bit():
    for training in (Training(), Training(recent_cohorts=2, recent_share=0.5)):
        data = selected("mix_70_30", training=training)
        plain = training_data(COHORTS, training, Offers(), np.random.default_rng(1))
        assert data.rows.emphasis is None
        assert (data.rows.customer_id == plain.rows.customer_id).all()
        assert (data.rows.features == plain.rows.features).all()
        assert replace(data.window, profile="") == plain.window


def test_each_profile_takes_the_rows_it_says():
    steps = {name: selected(name, change=Change(1, 1, 1, 0.0, 1e-9)).window for name in SINGLE}
    assert steps["newest"].recent_steps == (5, 6)  # one month has a hundred rows, and 200 are asked for
    assert steps["recent"].recent_steps == (4, 5, 6)
    assert steps["history"].recent_steps == (4, 5, 6)
    assert steps["history"].historical_steps == tuple(range(-3, 4))
    assert (steps["history"].n_recent, steps["history"].n_historical) == (300, 700)
    assert steps["since_change"].recent_steps == (1, 2, 3, 4, 5, 6)
    assert steps["since_change"].n_historical == 0
    assert steps["since_change"].change == Change(1, 1, 1, 0.0, 1e-9)
    for name, window in steps.items():
        assert window.profile == name


def test_no_profile_ever_takes_a_row_of_the_holdout_and_rows_are_in_order():
    judges = {name for each in COHORTS for name in each.customer_id[each.holdout]}
    for name in SINGLE:
        rows = selected(name, change=Change(5, 5, 5, 0.0, 1e-9)).rows
        assert not judges & set(rows.customer_id)
        steps = [int(each.split("/")[0]) for each in rows.customer_id]
        assert steps == sorted(steps)
        assert len(set(rows.customer_id)) == len(rows.customer_id)


def test_since_change_falls_back_on_older_cohorts_and_on_all_there_is():
    soon = selected("since_change", change=Change(5, 5, 5, 0.0, 1e-9)).window
    assert (soon.recent_steps, soon.historical_steps) == ((5, 6), (1, 2, 3, 4))  # 600 rows are asked for
    assert (soon.n_recent, soon.n_historical) == (200, 400)
    none = selected("since_change").window
    assert none.change is None
    assert none == replace(selected("history").window, profile="since_change")


def test_a_decayed_row_counts_one_half_after_a_half_life():
    data = selected("decayed")  # 90 days, or three steps
    emphasis = dict(zip(data.rows.customer_id, data.rows.emphasis, strict=True))
    by_step = {int(name.split("/")[0]): weight for name, weight in emphasis.items()}
    assert by_step[6] == 1
    assert by_step[3] == pytest.approx(0.5)
    assert by_step[0] == pytest.approx(0.25)
    weight = data.rows.emphasis
    assert data.window.effective_rows == pytest.approx(weight.sum() ** 2 / (weight**2).sum())
    assert data.window.effective_rows < 1000


def test_matched_rows_look_like_today():
    old = cohort(0, 2000)
    today = old.sample.take(old.features[:, 0] == old.features[:, 0].max())  # only one kind comes any more
    asked = replace(known(cohorts=[old]), today=lambda: today)
    data = select_rows(load_training("matched"), asked)
    alike = data.rows.features[:, 0] == old.features[:, 0].max()
    assert data.rows.emphasis[alike].mean() > 3 * data.rows.emphasis[~alike].mean()
    none = today.take(np.zeros(len(today.features), dtype=bool))
    nobody = select_rows(load_training("matched"), replace(asked, today=lambda: none))
    assert (nobody.rows.emphasis == 1).all()


def test_a_window_of_days_is_as_many_cohorts_of_any_length():
    weekly = known(step_days=7, cohorts=[cohort(step, 120) for step in range(20)])
    assert len(select_rows(load_training("recent"), weekly).window.recent_steps) == 13
    assert len(select_rows(load_training("newest"), weekly).window.recent_steps) == 4


def test_weights_matter_and_equal_ones_change_nothing():
    data = selected("history")
    plain = boosted(data.rows, CHEAP, SCHEMA, 1)
    n_rows = len(data.rows.label)
    assert boosted(replace(data.rows, emphasis=np.ones(n_rows)), CHEAP, SCHEMA, 1) == plain
    halves = replace(data.rows, emphasis=np.where(np.arange(n_rows) < n_rows // 2, 1e-6, 1.0))
    weighted = Model(boosted(halves, CHEAP, SCHEMA, 1), 0.5, SCHEMA)
    assert not np.allclose(
        weighted.probability(data.rows.features), Model(plain, 0.5, SCHEMA).probability(data.rows.features)
    )
    label, score = np.array([True, False, True, False]), np.array([0.9, 0.8, 0.7, 0.6])
    prices = small().prices
    assert best_threshold(label, score, "f1", prices) == best_threshold(label, score, "f1", prices, np.ones(4)) == 0.7
    assert best_threshold(label, score, "f1", prices, np.array([1, 1, 1e-9, 1.0])) == 0.9


# A life with profiles


@pytest.mark.parametrize("training", SINGLE)
def test_a_life_in_memory_is_its_replay_whatever_it_learns_from(training):
    scenario = small(steps=7, delay_days=30, drift=[DRIFT])
    scenario = scenario.model_copy(update={"training": Training(profile=training)})
    policy = "f1_drop > 0.02 or trained_on(history, age_days > 70)"
    memory = live(scenario, load_policy(policy).build(), profile="none").record
    replayed = Replay(World(scenario, 1, TWIN, kept_steps=None)).record(
        load_policy(policy).build(), load_profile("none"), "tested"
    )
    assert replace(replayed, training="mix_70_30") == memory
    assert replayed.training == training
    assert {job.window.profile for job in memory.retrainings} <= {training, "history"}
    assert memory.retrainings


def test_profiles_meet_in_one_memory_and_stay_apart():
    scenario = small(steps=7, delay_days=30, drift=[DRIFT])
    replay = Replay(World(scenario, 1, TWIN, kept_steps=None))

    def played(name, on):
        return on.record(load_policy("always").build(), load_profile("none"), "x", training=load_training(name))

    shared = {name: played(name, replay) for name in SINGLE}
    for name in SINGLE:
        assert shared[name] == played(name, Replay(World(scenario, 1, TWIN, kept_steps=None)))
        assert {job.window.profile for job in shared[name].retrainings} == {name}
    served = {tuple(row.tally.brier_sum for row in record.steps) for record in shared.values()}
    assert len(served) >= len(SINGLE) - 1  # where no change shows, since_change is history


# How policies name them


def test_a_rule_names_a_profile_for_each_reason():
    policy = load_policy("trained_on(newest, f1_drop > 0.05) or trained_on('own.toml', age_days > 180)")
    rule = policy.build()
    assert trainings_named(rule) == {"newest", "own.toml"}
    assert rule.retrain_when == "trained_on(newest, f1_drop > 0.05) or trained_on('own.toml', age_days > 180)"

    def asked(**values) -> Decision:
        return policy.build().decide(Signals(step=0, day=0, job_open=False, **values))

    assert asked(f1_drop=0.1, age_days=200).training == "newest"
    assert asked(f1_drop=0.0, age_days=200).training == "own.toml"
    assert asked(f1_drop=0.0, age_days=20).training == ""
    assert asked(f1_drop=0.1, age_days=20).clauses.keys() == {"f1_drop > 0.05", "age_days > 180"}


def test_any_policy_takes_a_profile_for_its_retrainings():
    spec = load_policy('every(days=30, training="history")')
    decision = spec.build().decide(Signals(step=1, day=90, job_open=False, age_days=90))
    assert (decision.action, decision.training) == (Action.RETRAIN, "history")
    assert trainings_named(spec.build()) == {"history"}
    assert policies_from_toml(spec.to_toml(), "mine.toml")[spec.name] == spec
    assert spec != load_policy("every(days=30)")
    inner = load_policy('rule(retrain_when="trained_on(newest, age_days > 1)", training="history")').build()
    assert inner.decide(Signals(step=1, day=90, job_open=False, age_days=90)).training == "newest"
    with pytest.raises(InputError, match="training of a policy must be text"):
        PolicySpec("mine", "always", {"training": 3})


@pytest.mark.parametrize(
    "text", ["trained_on(newest)", "trained_on(3, f1_drop > 1)", "trained_on(newest, 3)", "trained_on('', f1 > 1)"]
)
def test_a_clause_that_names_no_profile_is_refused(text):
    with pytest.raises(InputError):
        load_policy(text)


def test_a_policy_that_names_what_is_no_profile_is_refused_before_anything_is_played():
    replay = Replay(World(small(steps=2), 1, TWIN, kept_steps=None))
    policy = load_policy("trained_on(newset, f1_drop > 0.05)").build()
    with pytest.raises(InputError, match=r"newset.*Did you mean 'newest'"):
        replay.play(policy, load_profile("none"))
    book = Trainings.of(load_training("recent"), ["newest"])
    assert book.find("").name == "recent"
    assert book.find("history").name == "history"


# Files


def written(tmp_path, text: str) -> str:
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    return str(tmp_path / "mine.toml")


def test_a_file_of_ones_own_is_a_profile(tmp_path):
    path = written(tmp_path, 'kind = "mix"\nwindow_days = 60\nrecent_share = 0.5\n')
    assert load_training(path) == TrainingProfile(
        name="mine", description="", kind="mix", window_days=60, recent_share=0.5
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "kind must be one of"),
        ('kind = "mux"', "Did you mean 'mix'"),
        ('kind = "mix"\nhalf_life_days = 3', "takes description, kind, window_days, recent_share, least_rows"),
        ('kind = "mix"\nrecent_share = 0', "from 0.01 to 1, got 0"),
        ('kind = "mix"\nwindow_days = true', "got True"),
        ('kind = "decayed"\nhalf_life_days = nan', "got nan"),
        ('kind = "all"\ndescription = 3', "description must be text"),
        ('kind = "tournament"', "a tournament must have 1 to 12 challengers"),
        ('kind = "tournament"\nchallengers = "newest"', "must be a list of profiles"),
        ('kind = "tournament"\nchallengers = ["newest", "newest"]', "profiles of their own"),
        ('kind = "tournament"\nchallengers = ["tournament"]', "no tournaments"),
        ("kind = ", "must be TOML"),
    ],
)
def test_a_file_that_is_no_profile_is_refused_with_a_sentence(tmp_path, text, words):
    with pytest.raises(InputError, match=words.replace("(", r"\(")):
        load_training(written(tmp_path, text))


def test_a_tournament_that_names_itself_and_a_missing_file_are_refused(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(f'kind = "tournament"\nchallengers = ["{path}"]', encoding="utf-8")
    with pytest.raises(InputError, match="a challenger of its own"):
        load_training(str(path))
    with pytest.raises(InputError, match="readable UTF-8 file"):
        load_training(str(tmp_path / "none.toml"))


def test_every_parameter_is_explained_and_every_profile_shows_its_own(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)

    def said(*arguments: str) -> str:
        code, out, _ = call(monkeypatch, capsys, "training", *arguments)
        assert code == 0
        return out

    parameters = {each.name for each in fields(TrainingProfile)} - {"name", "description", "kind"}
    assert parameters == set(MEANINGS) == {name for names in KINDS.values() for name in names}
    for name in training_profiles():
        told = json.loads(said(name, "--json"))
        assert [row["parameter"] for row in told["parameters"]] == list(KINDS[told["kind"]])
        assert load_training(name).description in " ".join(said(name).split())
    everything = said()
    assert all(name in everything for name in training_profiles())
    assert "Did you mean 'newest'" in refused(monkeypatch, capsys, "training", "newset")
