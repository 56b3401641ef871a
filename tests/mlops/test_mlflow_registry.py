"""The registry on a real MLflow: SQLite-backed here, over HTTP in test_live."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread

import duckdb
import mlflow
import numpy as np
import pytest
from lives import CHEAP, live, script, small
from mlflow import MlflowClient

from policies.decision import Cause
from sim.errors import InputError
from sim.mlops.gates.checks import apply_gates
from sim.mlops.gates.evidence import Evidence
from sim.mlops.gates.profiles import load_profile
from sim.mlops.models.model import Model
from sim.mlops.models.training import TrainingWindow
from sim.mlops.records.jobs import Alias, Job, Status, Validation
from sim.mlops.statistics.metrics import confusion
from sim.mlops.stores.ledger import Ledger
from sim.mlops.stores.mlflow_registry import Life, MlflowPlace, MlflowRegistry
from sim.world.schema.columns import UNSEEN, Matrix

NAMES = ("churn", "catalog.schema.model")


@pytest.fixture(scope="session")
def trained() -> tuple[list[Model], Matrix]:
    """Three models, and features with missing values and unseen categories."""
    life = live(small(steps=4, delay_days=30), script("krr"), profile="none")
    features = life.world.batch(3).features.copy()
    features[::7, 4] = np.nan
    features[::5, 0] = UNSEEN
    features[::11, 2] = np.nan
    return [life.registry.model(version) for version in (1, 2, 3)], features


@pytest.fixture(scope="session")
def store(tmp_path_factory) -> str:
    """The URI of a SQLite store; making one takes seconds, so the tests share it."""
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"


def open_registry(
    store: str, life: str, name: str, tags: dict[str, str] | None = None, ledger: Ledger | None = None
) -> MlflowRegistry:
    artifacts = Path(store.removeprefix("sqlite:///")).with_name("artifacts").as_uri()
    place = MlflowPlace(store, store, name, "retrainlab/test", artifacts)
    return MlflowRegistry(place, Life(life, f"life {life}", tags or {"seed": "1"}), SCHEMA, ledger)


def job_of(name: str, version: int = 0) -> Job:
    window = TrainingWindow((1, 2, 3), (-2, -1, 0), 70, 30)
    return Job(name, 6, 180, Cause.ALARM, "f1_drop > 0.05", window, version)


def registered(registry: MlflowRegistry, name: str, model: Model) -> Job:
    job = job_of(name)
    return replace(job, version=registry.register(job, model, CHEAP))


def rejected(job: Job) -> Job:
    label = np.arange(40) % 2 == 0
    probability = np.linspace(0.01, 0.99, 40)
    verdict = apply_gates(Evidence(label, probability, 0.5, None, None, {}), load_profile("telco_churn"))
    meeting = Validation(7, 210, (2, 3, 4), verdict, confusion(label, probability >= 0.5), None)
    return replace(job, meeting=meeting, status=Status.REJECTED, ended_step=7, ended_day=210)


SCHEMA = live(small(steps=1), script("k")).world.schema


def test_versions_are_compared_by_the_metrics_of_their_logged_models(store, trained):
    models, _ = trained
    registry = open_registry(store, "compared", "compared")
    jobs = [rejected(registered(registry, name, model)) for name, model in zip(("one", "two"), models, strict=False)]
    for job in (*jobs, jobs[0]):  # what is told twice is there once
        registry.describe(job)
        registry.tell()
    registry.conclude([0, 1], 300)
    registry.conclude([0, 1], 300)
    client = MlflowClient(store, store)
    for place, job in enumerate(jobs, start=1):
        model = client.get_logged_model(registry.ledger[place].model_id)
        assert model.name == job.name
        found = {metric.key: metric for metric in model.metrics}
        assert len(found) == len(model.metrics)
        assert {"f1", "f1_low", "f1_high", "precision", "recall", "gate_accuracy"} <= set(found)
        assert found["f1"].value == job.meeting.challenger.f1
        assert found["f1_low"].value < found["f1"].value < found["f1_high"].value
        assert found["f1"].dataset_name == "customers (gate)"
        run = client.get_run(registry.address(place)[1])
        data = {each.dataset.name: each for each in run.inputs.dataset_inputs}
        assert set(data) == {"customers (training)", "customers (gate)"}
        training = {tag.key: tag.value for tag in data["customers (training)"].tags}
        assert (training["rows"], training["recent_steps"]) == ("100", "1 to 3")
        assert data["customers (gate)"].dataset.digest == found["f1"].dataset_digest
        assert json.loads(data["customers (gate)"].dataset.profile)["num_rows"] == 40
        assert [each.model_id for each in run.outputs.model_outputs] == [model.model_id]
    life = client.get_run(registry.run_id)
    (scored,) = life.inputs.dataset_inputs
    assert {tag.key: tag.value for tag in scored.tags}["rows"] == "300"
    assert len(life.outputs.model_outputs) == 2


def test_a_model_says_what_it_takes_and_shows_an_example(store, trained):
    models, _ = trained
    registry = open_registry(store, "example", "example")
    registry.move(Alias.CHAMPION, registered(registry, "first", models[0]).version)
    mlflow.set_tracking_uri(store)
    mlflow.set_registry_uri(store)
    before = list(sys.path)
    scorer = mlflow.pyfunc.load_model("models:/example@Champion")
    sys.path[:] = before
    types = {each.name: str(each.type) for each in scorer.metadata.get_input_schema().inputs}
    assert types["tenure"] == "DataType.double"
    assert types["Contract"] == "DataType.string"
    example = scorer.input_example
    assert len(scorer.predict(example)) == len(example) == 2
    assert 0 <= example["tenure"].min() < example["tenure"].max() <= 72
    required = mlflow.pyfunc.get_model_dependencies("models:/example@Champion")
    assert "retrainlab" not in Path(required).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_a_job_that_is_registered_again_keeps_its_version_and_model(store, trained, name):
    models, features = trained
    registry = open_registry(store, f"again-{name}", name)
    first, second = (registry.register(job_of(job), model, CHEAP) for job, model in zip("ab", models, strict=False))
    assert (first, second) == (1, 2)
    reopened = open_registry(store, f"again-{name}", name, ledger=registry.ledger)
    assert reopened.run_id == registry.run_id
    assert reopened.register(job_of("a"), models[2], CHEAP) == 1
    assert reopened.addresses() == registry.addresses()
    np.testing.assert_array_equal(reopened.model(1).probability(features), models[0].probability(features))
    assert reopened.recipe(2) == CHEAP


@pytest.mark.parametrize("name", NAMES)
def test_what_scores_is_what_the_alias_points_to_bit_for_bit(store, trained, name):
    models, features = trained
    registry = open_registry(store, f"scores-{name}", name)
    jobs = [registered(registry, f"job-{number}", model) for number, model in enumerate(models)]
    for job, model in [*zip(jobs, models, strict=True), (jobs[0], models[0])]:
        registry.move(Alias.CHAMPION, job.version)
        scores = registry.score(features)
        np.testing.assert_array_equal(scores.probability, model.probability(features))
        np.testing.assert_array_equal(scores.prediction, model.decide(model.probability(features)))


def test_another_client_sees_a_champion_at_every_moment(store, trained):
    models, _ = trained
    registry = open_registry(store, "watched", "watched")
    jobs = [registered(registry, f"job-{number}", model) for number, model in enumerate(models)]
    registry.move(Alias.CHAMPION, 1)
    seen: list[str] = []
    failures: list[Exception] = []
    stop = Event()

    def watch() -> None:
        client = MlflowClient(store, store)
        while not stop.is_set():
            try:
                seen.append(str(client.get_model_version_by_alias("watched", "Champion").version))
            except Exception as error:  # noqa: BLE001 - whatever it is, it is what the test is about
                failures.append(error)

    watcher = Thread(target=watch)
    watcher.start()
    for number in range(30):
        version = jobs[number % 3].version
        registry.move(Alias.PREVIOUS_CHAMPION, jobs[(number - 1) % 3].version)
        registry.move(Alias.CHAMPION, version)
    stop.set()
    watcher.join(timeout=30)
    assert not failures
    assert set(seen) == {"1", "2", "3"}


def test_two_lives_share_a_name_one_after_the_other(store, trained):
    models, features = trained
    one, two = (open_registry(store, f"shared-{number}", "shared") for number in (1, 2))
    assert registered(one, "first", models[0]).version == 1
    assert registered(two, "first", models[1]).version == 1
    assert (one.address(1)[0], two.address(1)[0]) == ("1", "2")
    assert one.register(job_of("later"), models[2], CHEAP) == 2
    two.move(Alias.CHAMPION, 1)
    np.testing.assert_array_equal(two.score(features).probability, models[1].probability(features))


def test_an_alias_that_somebody_else_moved_is_noticed(store, trained):
    models, features = trained
    one, two = (open_registry(store, f"contested-{number}", "contested") for number in (1, 2))
    for registry, model in ((one, models[0]), (two, models[1])):
        registry.move(Alias.CHAMPION, registered(registry, "first", model).version)
    with pytest.raises(InputError, match=r"belongs to one run at a time.*--model-name"):
        one.score(features)
    one.move(Alias.CHAMPION, 1)
    np.testing.assert_array_equal(one.score(features).probability, models[0].probability(features))


def test_plain_mlflow_scores_readable_values_of_the_types_of_the_signature(store, trained):
    models, features = trained
    registry = open_registry(store, "plain", "plain")
    registry.move(Alias.CHAMPION, registered(registry, "first", models[0]).version)
    mlflow.set_tracking_uri(store)
    mlflow.set_registry_uri(store)
    scorer = mlflow.pyfunc.load_model("models:/plain@Champion")
    whole = features[(features != UNSEEN).all(axis=1) & ~np.isnan(features).any(axis=1)]
    frame = SCHEMA.decode(whole)
    words = {SCHEMA.names[at]: "str" for at in SCHEMA.category_positions}
    for number in (frame, frame.astype({"tenure": "int32"})):
        answers = scorer.predict(number.astype(words))
        np.testing.assert_array_equal(answers["probability"], models[0].probability(whole))
    with pytest.raises(mlflow.MlflowException, match="Can not safely convert"):
        scorer.predict(frame.astype({**words, "TotalCharges": "str"}))


def test_a_batch_of_the_inference_log_is_scored_as_duckdb_gives_it(store, trained, tmp_path):
    """The recipe of docs/files.md: categories come as those of pandas, and the columns in any company and order."""
    models, features = trained
    registry = open_registry(store, "recipe", "recipe")
    registry.move(Alias.CHAMPION, registered(registry, "first", models[0]).version)
    mlflow.set_tracking_uri(store)
    mlflow.set_registry_uri(store)
    whole = features[(features != UNSEEN).all(axis=1)]
    words = SCHEMA.decode(whole).assign(customer_id=range(len(whole)))
    columns = ", ".join(
        f'"{column.name}"::ENUM({", ".join(repr(word) for word in column.categories)}) AS "{column.name}"'
        if column.is_category
        else f'"{column.name}"'
        for column in reversed(SCHEMA.columns)
    )
    with duckdb.connect(str(tmp_path / "loop.duckdb")) as log:
        log.register("words", words)
        log.execute(f"CREATE TABLE inference_log AS SELECT customer_id, {columns} FROM words ORDER BY customer_id")
        batch = log.execute("SELECT * FROM inference_log ORDER BY customer_id").df()
    assert batch["Contract"].dtype == "category"
    batch = batch.astype(dict.fromkeys(batch.select_dtypes("category"), object))
    answers = mlflow.pyfunc.load_model("models:/recipe@Champion").predict(batch)
    np.testing.assert_array_equal(answers["probability"], models[0].probability(whole))


def test_runs_and_versions_say_where_a_model_comes_from(store, trained):
    models, _ = trained
    registry = open_registry(store, "told", "told", {"seed": "7", "policy": "f1_drop > 0.05"})
    job = registered(registry, "retrain-006", models[0])
    registry.describe(rejected(job))
    registry.tell()
    registry.log_metrics([("f1", 0.5, 0), ("f1", 0.6, 1)])
    registry.log_metrics([("f1", 0.5, 0), ("f1", 0.6, 1)])  # as a resumed run would
    registry.close()
    client = MlflowClient(store, store)
    life = client.get_run(registry.run_id)
    assert (life.info.run_name, life.info.status) == ("life told", "FINISHED")
    assert life.data.params == {"seed": "7", "policy": "f1_drop > 0.05"}
    assert [(m.step, m.value) for m in client.get_metric_history(registry.run_id, "f1")] == [(0, 0.5), (1, 0.6)]
    number, run_id = registry.address(1)
    run = client.get_run(run_id)
    assert (run.info.run_name, run.info.status) == ("retrain-006", "FINISHED")
    assert run.data.tags["mlflow.parentRunId"] == registry.run_id
    assert run.data.tags["reason"] == "f1_drop > 0.05"
    assert run.data.params["recent_steps"] == "1 to 3"
    assert run.data.params["num_leaves"] == str(CHEAP.num_leaves)
    assert "gate_accuracy" in run.data.metrics
    assert run.data.tags["retrainlab.version"] == f"models:/told/{number}"
    assert run.data.tags["mlflow.user"]
    assert run.data.tags["mlflow.source.name"] == "retrainlab"
    version = client.get_model_version("told", number)
    assert version.run_id == run_id
    assert version.tags["status"] == "rejected"
    assert version.tags["failed_gates"]
    assert version.description == run.data.tags["mlflow.note.content"]
    assert "Trained on 70 recent rows of steps 1 to 3 and 30 historical rows" in version.description
    experiment = client.get_experiment(registry.experiment_id)
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"


@pytest.mark.parametrize("name", ["", " ", "a/b", "a:b", "o'brien", 'a"b'])
def test_a_name_that_mlflow_cannot_register_is_refused(store, name):
    with pytest.raises(InputError, match="a model name must be"):
        open_registry(store, "badly-named", name)


@pytest.mark.parametrize("uri", ["foo://somewhere", "sqlite:////proc/nowhere/mlflow.db"])
def test_a_store_that_does_not_answer_is_named(uri):
    with pytest.raises(InputError, match=f"the MLflow store {uri} must answer"):
        MlflowRegistry(MlflowPlace(uri, uri, "churn", "retrainlab/test"), Life("lost", "lost", {}), SCHEMA)


def test_a_version_says_when_there_was_not_enough_evidence(store, trained):
    models, _ = trained
    registry = open_registry(store, "open", "open")
    label = np.arange(40) % 2 == 0
    case = Evidence(label, np.linspace(0.01, 0.99, 40), 0.5, np.linspace(0.02, 0.98, 40), 0.5)
    profile = replace(load_profile("none"), enforced=("non_inferiority",), least_churners=30)
    meeting = Validation(7, 210, (2, 3, 4), apply_gates(case, profile), confusion(label, label), None)
    job = replace(registered(registry, "a", models[0]), meeting=meeting, status=Status.REJECTED)
    registry.describe(job)
    registry.tell()
    version = MlflowClient(store, store).get_model_version("open", registry.address(1)[0])
    assert (version.tags["status"], version.tags["verdict"]) == ("rejected", "not enough evidence")
    assert "showed not enough evidence for non_inferiority; rejected" in version.description
