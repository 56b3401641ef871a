"""The live run: equal to the life in memory, to itself in another process, and to itself after being killed."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import duckdb
import mlflow
import numpy as np
import pytest
from doomed import Point, kill_at
from lives import CHEAP, live, script, small, toy_population
from mlflow import MlflowClient
from runs import CONCEPT, KILLED, Server, assert_whole, settings_of, stored_parts

from policies.catalogue import load_policy
from scenarios.files import to_toml
from scenarios.injectors import CategoryDrift, DroppedFault, LateFault, NullFault
from scenarios.schema import Jobs, Labels, Offers
from sim.errors import InputError
from sim.mlops.gates.profiles import load_profile
from sim.mlops.live.journal import DuckDBJournal
from sim.mlops.live.run import Listener, check_settings, run_live
from sim.mlops.loop.life import begin, play
from sim.mlops.records.jobs import FIRST_JOB, Alias
from sim.mlops.records.record import Record
from sim.study.run_folder import play_live, read_record, to_json

CONTRACTS = CategoryDrift(kind="category", onset_step=1, column="Contract", to="Month-to-month", share=0.9)
DRIFTING = small(steps=8, drift=[CONCEPT, CONTRACTS])
FAULTY = small(
    steps=8,
    drift=[
        NullFault(kind="nulls", columns=("tenure", "Contract"), share=0.5, onset_step=1),
        DroppedFault(kind="dropped", onset_step=3, profile="blip"),
        LateFault(kind="late", share=0.4, onset_step=4),
    ],
    offers=Offers(seen_in_labels=True, capacity=0.3, held_out_share=0.2, learn_from="weighted"),
).model_copy(update={"labels": Labels(delay="long_tailed", delay_days=45, horizon_days=60, correction_share=0.3)})
LIVES = {
    "drift": (DRIFTING, "proposal", 1, "none"),
    "gates": (DRIFTING, "always", 2, "telco_churn"),
    "none": (small(steps=5), "f1_drop > 0.05", 3, "telco_churn"),
    "contaminated": (small(offers=Offers(seen_in_labels=True, capacity=0.5)), "every(days=60)", 4, "none"),
    "slow jobs": (small(jobs=Jobs(train_days=45, approval_days=20)), "always", 5, "none"),
    "faults": (FAULTY, "every(days=60)", 7, "none"),
    "best so far": (DRIFTING, "always", 7, "do_no_harm"),
    "labels at once": (small(steps=5, delay_days=0, step_days=7), "age_days > 10", 6, "none"),
    "a detector": (DRIFTING, "hddm_a", 2, "none"),
}


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Work in a folder of its own: MLflow puts the artifacts of a store that is given into ./mlruns."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(("scenario", "policy", "seed", "gates"), LIVES.values(), ids=LIVES)
def test_a_live_run_is_the_life_in_memory(tmp_path, store, scenario, policy, seed, gates):
    settings = settings_of(
        tmp_path / "run", scenario, policy, seed, gates, tracking_uri=store, model_name=tmp_path.name
    )
    record = play_live(settings, resume=False)
    memory = live(scenario, load_policy(policy).build(), seed, profile=gates)
    assert record.first == memory.state.first
    for found_row, wanted in zip(record.steps, memory.rows, strict=True):
        assert found_row == wanted
    assert read_record(settings.folder) == record
    assert play_live(settings, resume=True) == record


def test_a_rollback_is_the_same_on_mlflow(tmp_path, store):
    scenario, text = small(steps=8, delay_days=30), "kkrkbkrk"
    memory = live(scenario, script(text), profile="none")
    with stored_parts(tmp_path, store, scenario, "rolled.back.model") as (parts, connection):
        policy = script(text)
        policy.deployed(FIRST_JOB)
        state = begin(parts, lambda _: scenario.recipe)
        assert tuple(play(parts, policy, state)) == memory.rows
        assert any(row.alias_changes and row.job_ended is None for row in memory.rows), (
            "there must have been a rollback"
        )
        client = MlflowClient(store, store)
        for alias in (Alias.CHAMPION, Alias.PREVIOUS_CHAMPION):
            version = client.get_model_version_by_alias("rolled.back.model", alias)
            assert version.tags["retrainlab.job"] == memory.registry._versions[memory.registry.aliases[alias] - 1][0]
        checkpoint = DuckDBJournal(connection, parts.registry).checkpoint()
        assert checkpoint is not None
        assert (checkpoint.state, checkpoint.rows) == (state, memory.rows)


def test_the_log_of_a_run_is_whole(tmp_path, store):
    settings = settings_of(tmp_path / "run", DRIFTING, "always", tracking_uri=store, model_name="whole")
    record = run_live(settings, resume=False)
    assert_whole(settings.folder, record)


THRICE = [
    Point("registry", "register", "after", 1),  # the first model is registered, and the log is still empty
    Point("registry", "move", "after", 5),  # a model is Previous_Champion, and no champion has followed
    Point("journal", "commit", "before", 2),  # a whole step is done but for its commit
]
MORE = [
    Point("log", "append", "after", 4),
    Point("registry", "_create_version", "after", 1),
    Point("registry", "describe", "after", 1),
    Point("log", "backfill", "after", 2),
    Point("registry", "register", "before", 1),
    Point("journal", "commit", "after", 1),
    Point("registry", "close", "after", 1),
]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Record:
    folder = tmp_path_factory.mktemp("undisturbed")
    return play_live(settings_of(folder / "run", KILLED, "always", trials=2), resume=False)


@pytest.mark.slow
@pytest.mark.parametrize("points", [THRICE, MORE], ids=["thrice", "seven times"])
def test_a_run_that_is_killed_ends_like_one_that_is_not(tmp_path, undisturbed, points):
    folder, scenario = tmp_path / "run", tmp_path / "killed.toml"
    scenario.write_text(to_toml(KILLED), encoding="utf-8")
    for number, point in enumerate(points):
        kill_at(folder, scenario, point, trials=2, resume=number > 0)
    settings = settings_of(folder, KILLED, "always", trials=2)
    record = play_live(settings, resume=True)
    assert record == undisturbed
    assert read_record(folder) == undisturbed
    assert_whole(folder, record)
    uri = f"sqlite:///{folder}/mlflow.db"
    client = MlflowClient(uri, uri)
    versions = client.search_model_versions("name = 'retrainlab-small'")
    assert sorted(v.tags["retrainlab.job"] for v in versions) == sorted(job.name for job in record.jobs)
    runs = client.search_runs([client.get_experiment_by_name("retrainlab/small").experiment_id])
    assert len(runs) == 1 + len(record.jobs)
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert (
        client.get_model_version_by_alias("retrainlab-small", "Champion").tags["retrainlab.job"]
        == record.steps[-1].champion
    )


@pytest.mark.slow
def test_a_resumed_policy_is_shown_the_rows_that_the_record_leaves_out(tmp_path, store):
    settings = settings_of(tmp_path / "run", DRIFTING, "hddm_a", 2, tracking_uri=store, model_name=tmp_path.name)

    def stop(row):
        if row.step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_live(settings, resume=False, listener=Listener(step=stop))
    record = run_live(settings, resume=True)
    assert record.steps == live(DRIFTING, load_policy("hddm_a").build(), 2, profile="none").rows
    assert [row.step for row in record.steps if row.job_opened] == [4], "it must have needed rows from before"
    assert all(row.signals.errors is None for row in record.steps)


_MOODY = """
from pathlib import Path

from policies.decision import Action, Decision

class Moody:
    def decide(self, signals):
        mood = (Path(__file__).parent / "mood.txt").read_text()
        return Decision(Action.KEEP, "quiet", evidence={"mood": float(mood)})

    def deployed(self, version):
        pass
"""


def test_a_resumed_policy_that_decides_otherwise_is_told_in_one_sentence(tmp_path):
    (tmp_path / "own.py").write_text(_MOODY, encoding="utf-8")
    (tmp_path / "mood.txt").write_text("1", encoding="utf-8")
    settings = settings_of(tmp_path / "run", small(steps=3), f"{tmp_path / 'own.py'}:Moody")

    def stop(row):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_live(settings, resume=False, listener=Listener(step=stop))
    (tmp_path / "mood.txt").write_text("2", encoding="utf-8")
    with pytest.raises(InputError, match="must decide the same on the same signals, but did not at step 0") as told:
        run_live(settings, resume=True)
    assert "\n" not in str(told.value)


@pytest.mark.slow
def test_a_run_belongs_to_one_process_at_a_time(tmp_path):
    settings = settings_of(tmp_path / "run", small(steps=2), "never")
    with pytest.raises(InputError, match="leave --resume out"):
        play_live(settings, resume=True)
    run_live(settings, resume=False)
    path = str(tmp_path / "run" / "loop.duckdb")
    code = f"import duckdb, time; c = duckdb.connect({path!r}); print('open', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(InputError, match=r"one run at a time.*wait") as refused:
            play_live(settings, resume=True)
        holder.kill()
    assert "\n" not in str(refused.value)


def test_a_folder_that_is_not_free_is_refused_and_stays_as_it_was(tmp_path):
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="is not empty; use --resume or another --out"):
        play_live(settings_of(tmp_path, small(steps=1), "never"), resume=False)
    with pytest.raises(InputError, match="is not empty"):
        play_live(settings_of(tmp_path / "notes.txt", small(steps=1), "never"), resume=False)
    assert [item.name for item in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("name", ["scenario.toml", "policy.toml"])
def test_a_folder_that_holds_only_the_words_of_a_user_is_not_free(tmp_path, name):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / name).write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="is not empty; use --resume or another --out"):
        run_live(settings_of(folder, small(steps=1), "never"), resume=False)
    assert [item.name for item in folder.iterdir()] == [name]
    assert (folder / name).read_text(encoding="utf-8") == "mine"


def refused_by_its_store(folder: Path, listener: Listener | None = None) -> None:
    settings = settings_of(folder, small(steps=1), "never", tracking_uri="sqlite:////dev/null/mlflow.db")
    with pytest.raises(InputError, match="MLflow store"):
        run_live(settings, resume=False, listener=listener)


def test_a_run_that_cannot_open_its_store_takes_no_folder_of_others_along(tmp_path):
    runs = tmp_path / "runs"
    refused_by_its_store(runs / "mine", Listener(phase=lambda _: (runs / "other").mkdir()))
    assert [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*"))] == ["runs", "runs/other"]


def test_a_run_that_cannot_open_its_store_leaves_nothing_but_what_was_there(tmp_path):
    refused_by_its_store(tmp_path / "new" / "run")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "empty").mkdir()
    refused_by_its_store(tmp_path / "empty")
    assert list(tmp_path.rglob("*")) == [tmp_path / "empty"]


def test_what_a_process_killed_while_claiming_left_is_no_run(tmp_path, store):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "settings.json.part").write_text("{", encoding="utf-8")
    (folder / "scenario.toml").write_text("", encoding="utf-8")
    settings = settings_of(folder, small(steps=1), "never", tracking_uri=store, model_name="claimed")
    with pytest.raises(InputError, match="leave --resume out"):
        play_live(settings, resume=True)
    assert len(play_live(settings, resume=False).steps) == 1


def test_a_run_is_resumed_with_its_own_settings_only(tmp_path, store):
    settings = settings_of(tmp_path / "run", small(steps=2), "never", tracking_uri=store, model_name="settings")
    play_live(settings, resume=False)
    strict = replace(settings.profile, accuracy=0.99)
    for other, named in (
        (replace(settings, seed=9), "seed"),
        (replace(settings, profile=strict), "gates"),
        (replace(settings, policy=load_policy("always"), scenario=small(steps=3)), "scenario, policy"),
    ):
        with pytest.raises(InputError, match=f"got others for {named};"):
            play_live(other, resume=True)
    (settings.folder / "settings.json").write_text("[]", encoding="utf-8")
    with pytest.raises(InputError, match="cannot be read"):
        check_settings(settings)


@pytest.mark.parametrize(("customers", "rule"), [(1, "half"), (3, "half"), (8, "f1")])
def test_a_world_too_small_to_train_in_is_refused_before_anything_is_written(tmp_path, customers, rule):
    recipe = CHEAP.model_copy(update={"threshold_rule": rule})
    scenario = small(steps=4, customers=customers, recipe=recipe)
    with pytest.raises(InputError, match=f"a world must have .*time.customers = {customers} .*raise them"):
        run_live(settings_of(tmp_path / "run", scenario, "always"), resume=False)
    assert list(tmp_path.iterdir()) == []


def test_a_live_run_on_a_table_that_begins_again_shows_what_the_life_in_memory_shows(tmp_path, store):
    """Its months share customers, which the tests of the monitor recognise in DuckDB as in memory."""
    scenario, population, rule = small(steps=7), toy_population(600), "psi_p < 1e-6 or drift_p < 1e-6"
    settings = settings_of(tmp_path / "run", scenario, rule, 1, "none", tracking_uri=store, model_name="again")
    record = run_live(replace(settings, population=population), resume=False)
    memory = live(scenario, load_policy(rule).build(), 1, population, "none")
    assert [row.signals for row in record.steps] == [row.signals for row in memory.rows]
    assert len({row.signals.psi_p for row in record.steps}) > 1


def test_a_resumed_run_cannot_mix_data(tmp_path, store):
    scenario = small(steps=2, customers=60)
    settings = settings_of(tmp_path / "run", scenario, "never", tracking_uri=store, model_name="data")
    settings = replace(settings, population=toy_population(400))
    record = run_live(settings, resume=False)
    assert record.measured["data_version"] == {"population": settings.population.version}
    with pytest.raises(InputError, match="got others for data_version;"):
        run_live(replace(settings, population=toy_population(400, seed=6)), resume=True)


@pytest.mark.parametrize("is_enforced", [False, True])
def test_the_latency_of_every_gate_meeting_is_noted_and_decides_only_where_enforced(tmp_path, store, is_enforced):
    profile = replace(load_profile("none"), latency_ms=1e6, enforced=("latency_ms",) if is_enforced else ())
    scenario = small(steps=6, jobs=Jobs(approval_days=30))
    settings = settings_of(
        tmp_path / "run", scenario, "always", tracking_uri=store, model_name=f"latency{is_enforced}"
    )
    record = run_live(replace(settings, profile=profile), resume=False)
    met = [job for job in record.jobs if job.meeting]
    noted = record.measured["latency_ms"]
    assert len(met) > 1
    assert noted.keys() >= {job.name for job in met}
    with duckdb.connect(str(settings.folder / "loop.duckdb"), read_only=True) as connection:
        query = "SELECT job, latency_ms FROM model_versions WHERE latency_ms IS NOT NULL"
        assert dict(connection.execute(query).fetchall()) == noted
    client = MlflowClient(store, store)
    for job in met:
        run = client.get_run(record.measured["mlflow_versions"][job.name]["run_id"])
        assert run.data.metrics["latency_ms"] == noted[job.name] > 0
        values = {result.name: result.value for result in job.meeting.verdict.results}
        assert values["latency_ms"] == (noted[job.name] if is_enforced else None)


@pytest.mark.parametrize(("objective", "name"), [("f1", "search_one_minus_f1"), ("log_loss", "search_log_loss")])
def test_a_search_logs_its_loss_by_its_objective(tmp_path, store, objective, name):
    scenario = small(steps=1, recipe=CHEAP.model_copy(update={"search_objective": objective}))
    settings = settings_of(
        tmp_path / "run", scenario, "never", trials=1, tracking_uri=store, model_name=f"search-{objective}"
    )
    record = run_live(settings, resume=False)
    metrics = MlflowClient(store, store).get_run(record.measured["mlflow_run_id"]).data.metrics
    assert {metric for metric in metrics if metric.startswith("search")} == {name}


def test_a_damaged_record_is_named(tmp_path):
    (tmp_path / "record.json").write_text('{"summary": {}, "steps": 1}', encoding="utf-8")
    with pytest.raises(InputError, match="must hold the record of a run"):
        read_record(tmp_path)


@pytest.fixture
def server(tmp_path):
    """The address of a real MLflow server."""
    server = Server(tmp_path / "server")
    server.start()
    yield server.address
    server.stop()


@pytest.mark.slow
def test_a_run_on_a_server_is_the_life_in_memory(tmp_path, server):
    (tmp_path / "small.toml").write_text(to_toml(DRIFTING), encoding="utf-8")
    options = ["--policy", "always", "--gates", "none", "--population", "twin", "--trials", "0", "--json"]
    command = [
        sys.executable,
        "-m",
        "sim.cli",
        "run",
        "small.toml",
        *options,
        "--tracking-uri",
        server,
        "--out",
        "run",
    ]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr[-2000:]
    told = json.loads(ended.stdout)
    memory = live(DRIFTING, load_policy("always").build(), profile="none")
    assert told["steps"] == to_json(memory.record)["steps"]
    assert not (tmp_path / "run" / "mlflow.db").exists()
    client = MlflowClient(server, server)
    newest = client.get_model_version_by_alias("retrainlab-small", "Champion")
    assert newest.tags["retrainlab.job"] == memory.rows[-1].champion
    mlflow.set_tracking_uri(server)
    mlflow.set_registry_uri(server)
    batch = memory.world.batch(memory.rows[-1].step)
    scorer = mlflow.pyfunc.load_model("models:/retrainlab-small@Champion")
    frame = memory.world.schema.decode(batch.features)
    frame = frame.astype({memory.world.schema.names[at]: "str" for at in memory.world.schema.category_positions})
    champion = memory.registry.model(memory.rows[-1].version)
    np.testing.assert_array_equal(scorer.predict(frame)["probability"], champion.probability(batch.features))


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["f1_drop > 0.05", "proposal"])
def test_the_same_command_in_another_process_gives_the_same_record(tmp_path, telco, policy):
    shortened = (Path(__file__).parents[2] / "scenarios/catalogue/competitor-1.toml").read_text(encoding="utf-8")
    shortened = shortened.replace("onset_step = 12", "onset_step = 3") + "\n[time]\nsteps = 9\ncustomers = 700\n"
    (tmp_path / "shortened.toml").write_text(shortened, encoding="utf-8")
    told = []
    for out in ("one", "two"):
        command = [sys.executable, "-m", "sim.cli", "run", "shortened.toml", "--policy", policy, "--seed", "1"]
        command += ["--trials", "3", "--json", "--out", out]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False, cwd=tmp_path)
        assert ended.returncode == 0, ended.stderr[-2000:]
        told.append(json.loads(ended.stdout))
        assert told[-1].pop("folder") == out
        assert told[-1].pop("measured")["mlflow_run_id"]
    assert told[0] == told[1]
    assert any(step["decision"]["action"] == "retrain" for step in told[0]["steps"])
