"""The registry on a real MLflow: runs, versions and aliases as an MLflow user expects them."""

import logging
import os
import re
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

# A laboratory that promises to stay on this machine must not report its use; a server that is gone must be noticed
# within seconds; standard output belongs to the result. MLflow reads these when it is imported.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")

import mlflow
import numpy as np
import pandas as pd

with warnings.catch_warnings():
    # MLflow warns of a type hint of its own when this part of it is imported.
    warnings.filterwarnings("ignore", message=".*Any type hint", category=UserWarning)
    import mlflow.pyfunc
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode
from mlflow.types import ColSpec, TensorSpec
from mlflow.types import Schema as MlflowSchema
from mlflow.types.schema import AnyType
from sqlalchemy.exc import SQLAlchemyError  # MLflow lets the errors of its database through

from policies.decision import Action
from scenarios.schema import Recipe
from sim.errors import InputError
from sim.mlops.gates.checks import Outcome
from sim.mlops.models.model import Model
from sim.mlops.models.training import TrainingWindow
from sim.mlops.records.jobs import Alias, Job, Status
from sim.mlops.records.registry import Predictions
from sim.mlops.stores.patience import patient
from sim.world.schema.columns import UNSEEN, Column, Matrix, Schema

STORE_ERRORS = (MlflowException, SQLAlchemyError, OSError)
"""What a store raises that does not answer, or refuses."""

LIFE_TAG = "retrainlab.life"
JOB_TAG = "retrainlab.job"
_MODEL_FOLDER = "churn_model"
_METRICS_PER_CALL = 1000
_RUN_NAME_LETTERS = 250  # what MLflow's own table of runs has room for
_REQUIREMENTS = [f"{name}=={version_of(name)}" for name in ("lightgbm", "numpy", "pandas", "retrainlab")]
_MADE = {Action.RETRAIN: "Trained on", Action.RECALIBRATE: "The champion's trees, calibrated anew on"}
_NOTE_TAG = "mlflow.note.content"  # what the MLflow UI shows as a run's description
_SOURCE_TAGS = {"mlflow.source.name": "retrainlab", "mlflow.source.type": "LOCAL"}
_EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}  # opens on the runs, not on GenAI traces


@dataclass(frozen=True, slots=True)
class MlflowPlace:
    """Where runs and versions go; the artifact location is the store's own unless given."""

    tracking_uri: str
    registry_uri: str
    model_name: str
    experiment: str
    artifact_location: str | None = None


class MlflowRegistry:
    """The versions of one life of a model, in an MLflow registry that it may share with others.

    A version is known by the order of registering in this life, from 1; MLflow's own number may be another. Each job
    is a child run of the life's run. Runs and versions carry the life and the job as tags, so that a repeated step
    finds what it made instead of making it twice.

    Parameters
    ----------
    place
        The stores and names.
    life
        A name that no other life has, kept over a resume.
    title
        The name of the life's run.
    tags
        What that run is tagged with.
    schema
        The features of the model.

    Raises
    ------
    InputError
        If the name cannot be that of a registered model, or the store does not answer.
    """

    def __init__(self, place: MlflowPlace, life: str, title: str, tags: Mapping[str, str], schema: Schema) -> None:
        _quieten()
        check_model_name(place.model_name)
        mlflow.set_tracking_uri(place.tracking_uri)
        mlflow.set_registry_uri(place.registry_uri)
        self._place = place
        self._life = life
        self._schema = schema
        self._models: dict[int, Model] = {}
        self._scorer: Any = None
        try:
            self._client = MlflowClient(place.tracking_uri, place.registry_uri)
            self.experiment_id = self._open_experiment()
            self._runs = self._known_runs()
            self.run_id = self._runs.get("") or self._open_run("", title, {**tags, **_SOURCE_TAGS})
            self._client.log_batch(self.run_id, params=[Param(key, value) for key, value in tags.items()])
            self._client.update_run(self.run_id, status="RUNNING")
            self._started = int(self._client.get_run(self.run_id).info.start_time)
            self._versions = self._known_versions()
        except STORE_ERRORS as error:
            msg = f"the MLflow store {place.tracking_uri} must answer, but says: {gist(error)}; check the URI."
            raise InputError(msg) from error

    def reread(self) -> None:
        """Look up the runs and versions that the store holds."""
        self._runs = self._known_runs()
        self._versions = self._known_versions()

    @patient
    def register(self, job: Job, model: Model, recipe: Recipe) -> int:
        """Log a job's model in a run of its own and register it; a job that is known already keeps its version."""
        for ordinal, known in enumerate(self._versions, start=1):
            if known.tags[JOB_TAG] == job.name:
                return ordinal
        tags = {"mlflow.parentRunId": self.run_id, **_SOURCE_TAGS}
        run_id = self._runs.get(job.name) or self._open_run(job.name, job.name, tags)
        self._client.log_batch(run_id, params=_params(job, recipe), tags=_run_tags(job))
        model_id = self._log_model(run_id, model)
        version = self._client.create_model_version(
            self._place.model_name,
            source=f"models:/{model_id}",
            run_id=run_id,
            tags={LIFE_TAG: self._life, JOB_TAG: job.name, "status": str(job.status), "reason": job.reason},
            description=describe_job(job),
            model_id=model_id,
        )
        self._versions.append(version)
        self._models[len(self._versions)] = model
        return len(self._versions)

    @patient
    def model(self, version: int) -> Model:
        """Return the model of a version, from the registry's artifacts if it was not made in this process."""
        if version not in self._models:
            uri = f"models:/{self._place.model_name}/{self._versions[version - 1].version}"
            folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri))
            self._models[version] = Model.load(folder / "data" / _MODEL_FOLDER)
        return self._models[version]

    @patient
    def recipe(self, version: int) -> Recipe:
        """Return the recipe of a version, read from the parameters of its run."""
        params = self._client.get_run(self._versions[version - 1].run_id or "").data.params
        fields = {name: _parsed(params[name]) for name in Recipe.model_fields}
        return Recipe.model_validate(fields)

    @patient
    def move(self, alias: Alias, version: int) -> None:
        """Let an alias point to a version; it is moved in one step, so it always points to one."""
        number = self._versions[version - 1].version
        self._client.set_registered_model_alias(self._place.model_name, str(alias), str(number))
        if alias is Alias.CHAMPION:
            self._scorer = None

    @patient
    def score(self, features: Matrix) -> Predictions:
        """Answer a batch with the model that `models:/<name>@Champion` stands for.

        Raises
        ------
        InputError
            If somebody else moved the alias to a model that is not of this life.
        """
        if self._scorer is None:
            self._scorer = self._load_champion()
        answers = self._scorer.predict(readable(self._schema, features))
        return Predictions(answers["probability"].to_numpy(), answers["prediction"].to_numpy() == 1)

    @patient
    def describe(self, job: Job) -> None:
        """Note on a version how its job ended: status, gate results and description."""
        if job.meeting is None:
            return
        name = self._place.model_name
        number, run_id = self.address(job.version)
        tags = {"status": str(job.status), "verdict": str(job.meeting.verdict.outcome)}
        if job.meeting.verdict.failed:
            tags["failed_gates"] = ", ".join(job.meeting.verdict.failed)
        self._client.log_batch(
            run_id,
            metrics=[
                Metric(f"gate_{result.name}", result.value, self._started, job.meeting.step)
                for result in job.meeting.verdict.results
                if result.value is not None
            ],
            tags=[RunTag(key, value) for key, value in {**tags, _NOTE_TAG: describe_job(job)}.items()],
        )
        for key, value in tags.items():
            self._client.set_model_version_tag(name, number, key, value)
        self._client.update_model_version(name, number, describe_job(job))

    @property
    def model_name(self) -> str:
        """The name of the registered model."""
        return self._place.model_name

    def address(self, version: int) -> tuple[str, str]:
        """Return (MLflow version number, run id) of a version."""
        found = self._versions[version - 1]
        return str(found.version), found.run_id or ""

    def addresses(self) -> dict[str, dict[str, str]]:
        """Return MLflow's version number and run id of each job."""
        return {v.tags[JOB_TAG]: {"version": str(v.version), "run_id": v.run_id or ""} for v in self._versions}

    @patient
    def log_metrics(self, metrics: Sequence[tuple[str, float, int]]) -> None:
        """Log (name, value, step) triples to the life's run, in as few calls as MLflow allows.

        All bear the time at which the run began, so that what a resumed life logs again is not there twice.
        """
        entities = [Metric(name, value, self._started, step) for name, value, step in metrics]
        for start in range(0, len(entities), _METRICS_PER_CALL):
            self._client.log_batch(self.run_id, metrics=entities[start : start + _METRICS_PER_CALL])

    @patient
    def log_latency(self, version: int, step: int, latency_ms: float) -> None:
        """Log the milliseconds of a single row, measured at a gate meeting, to the run of a version."""
        metric = Metric("latency_ms", latency_ms, self._started, step)
        self._client.log_batch(self.address(version)[1], metrics=[metric])

    def close(self, status: str = "FINISHED") -> None:
        """Mark the life's run as finished, or as another status of MLflow."""
        self._client.set_terminated(self.run_id, status)

    def _open_experiment(self) -> str:
        found = self._client.get_experiment_by_name(self._place.experiment)
        if found is not None:
            return str(found.experiment_id)
        location = self._place.artifact_location
        return self._client.create_experiment(self._place.experiment, location, _EXPERIMENT_TAGS)

    def _known_runs(self) -> dict[str, str]:
        """Return the run of each job of this life that is there already; the life's own run has the job ""."""
        known: dict[str, str] = {}
        token: str | None = ""
        while token is not None:
            query = f"tags.`{LIFE_TAG}` = '{self._life}'"
            page = self._client.search_runs([self.experiment_id], query, page_token=token or None)
            known |= {run.data.tags.get(JOB_TAG, ""): run.info.run_id for run in page}
            token = page.token or None
        return known

    def _open_run(self, job: str, name: str, tags: Mapping[str, str]) -> str:
        run = self._client.create_run(
            self.experiment_id, run_name=name[:_RUN_NAME_LETTERS], tags={**tags, LIFE_TAG: self._life, JOB_TAG: job}
        )
        self._runs[job] = run.info.run_id
        return str(run.info.run_id)

    def _known_versions(self) -> list[ModelVersion]:
        """Return the versions of this life in the order of registering; make the registered model if it is new."""
        name = self._place.model_name
        try:
            self._client.get_registered_model(name)
        except MlflowException as error:
            if error.error_code != ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
                raise
            self._client.create_registered_model(name, description="Churn models of retrainlab runs.")
            return []
        own = [
            v for v in self._client.search_model_versions(f"name = '{name}'") if v.tags.get(LIFE_TAG) == self._life
        ]
        return sorted(own, key=lambda version: int(version.version))

    def _load_champion(self) -> Any:
        """Load the champion by its alias, if this life put it there: the model of a stranger may run any code."""
        name = self._place.model_name
        champion = self._client.get_model_version_by_alias(name, str(Alias.CHAMPION))
        if champion.run_id not in self._runs.values():
            msg = (
                f"a registered model belongs to one run at a time, but somebody else moved the alias "
                f"{Alias.CHAMPION} of {name!r}; go on with --resume once they are done, or start again with another "
                f"--model-name."
            )
            raise InputError(msg)
        return mlflow.pyfunc.load_model(f"models:/{name}/{champion.version}")

    def _log_model(self, run_id: str, model: Model) -> str:
        """Log the model to a run, with its requirements given; inferring them takes seconds a model."""
        with tempfile.TemporaryDirectory() as folder, mlflow.start_run(run_id=run_id), warnings.catch_warnings():
            # The signature is given, so an input example, which MLflow asks for, would say nothing new.
            warnings.filterwarnings("ignore", message=".*input example was not provided", category=UserWarning)
            path = Path(folder) / _MODEL_FOLDER
            model.save(path)
            info = mlflow.pyfunc.log_model(
                name="model",
                loader_module=Model.__module__,
                data_path=str(path),
                pip_requirements=_REQUIREMENTS,
                signature=_signature(self._schema),
            )
        return str(info.model_id)


def check_model_name(name: str) -> None:
    """Raise `InputError` unless MLflow can register a model under this name."""
    if not name.strip() or any(letter in name for letter in "/:'\""):
        msg = f"a model name must be text without / : and quotation marks, got {name!r}; give another --model-name."
        raise InputError(msg)


def quiet_client(tracking_uri: str) -> MlflowClient:
    """Return a client of an MLflow store that says nothing but warnings."""
    _quieten()
    return MlflowClient(tracking_uri, tracking_uri)


def _quieten() -> None:
    """Let MLflow say nothing but warnings, and not print the traceback of an error that it raises anyway."""
    for name in ("alembic", "mlflow"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)


def readable(schema: Schema, features: Matrix) -> Any:
    """Return the frame that a model is asked with: numbers as they are, categories as text."""
    columns = {column.name: _readable(column, features[:, at]) for at, column in enumerate(schema.columns)}
    return pd.DataFrame(columns)


def _readable(column: Column, values: Matrix) -> Any:
    if not column.is_category:
        return values
    words = np.array([*column.categories, "unseen", None], dtype=object)
    codes = np.where(values == UNSEEN, len(column.categories), np.nan_to_num(values, nan=-1)).astype(np.int64)
    return pd.Series(words[codes], dtype=object)


def describe_job(job: Job) -> str:
    """Say in words where a model comes from and how it did at its gates."""
    window = job.window
    lines = [
        f"Asked for on day {job.requested_day} (step {job.requested_step}): {job.reason}.",
        f"{_MADE[job.action]} {window.n_recent} recent rows of steps {_span(window.recent_steps)} and "
        f"{window.n_historical} historical rows{_why(window)}.",
    ]
    if job.meeting is not None:
        failed = ", ".join(job.meeting.verdict.failed)
        met = {
            Outcome.PASSED: "passed all gates",
            Outcome.FAILED: f"failed {failed}",
            Outcome.NOT_ENOUGH_EVIDENCE: f"showed not enough evidence for {failed}",
        }[job.meeting.verdict.outcome]
        lines.append(f"Met its gates on day {job.meeting.day}: {met}; {job.status}.")
    return " ".join(lines)


def _why(window: TrainingWindow) -> str:
    """Say which training profile chose the rows, and what it saw."""
    if not window.profile:
        return ""
    change = window.change
    seen = f": a change at step {change.step} ({change.low_step} to {change.high_step})" if change else ""
    return f", by the training profile {window.profile}{seen}"


def _span(steps: Sequence[int]) -> str:
    return f"{steps[0]} to {steps[-1]}" if steps else "none"


def _params(job: Job, recipe: Recipe) -> list[Param]:
    window = job.window
    told = {
        **recipe.model_dump(),
        "recent_steps": _span(window.recent_steps),
        "historical_steps": _span(window.historical_steps),
        "recent_rows": window.n_recent,
        "historical_rows": window.n_historical,
        "training": window.profile,
    }
    return [Param(key, str(value)) for key, value in told.items()]


def _run_tags(job: Job) -> list[RunTag]:
    tags = {
        "reason": job.reason,
        "cause": str(job.cause),
        "action": str(job.action),
        "requested_day": str(job.requested_day),
        "requested_step": str(job.requested_step),
        "status": str(Status.OPEN),
        _NOTE_TAG: describe_job(job),
    }
    return [RunTag(key, value) for key, value in tags.items()]


def _parsed(text: str) -> int | float | str:
    """Return a parameter as the number it was logged from; Python writes floats so that they read back equal."""
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


def _signature(schema: Schema) -> ModelSignature:
    """Return what goes in and out. Numbers may come as any type: MLflow takes no whole number for a double."""
    anything = AnyType()  # type: ignore[no-untyped-call] # MLflow leaves its constructor untyped
    inputs: list[ColSpec | TensorSpec] = [
        ColSpec("string" if column.is_category else anything, column.name, required=False)
        for column in schema.columns
    ]
    return ModelSignature(
        MlflowSchema(inputs), MlflowSchema([ColSpec("double", "probability"), ColSpec("long", "prediction")])
    )


def gist(error: Exception) -> str:
    """Return the gist of a store's error: what failed, without the chain of causes."""
    return re.split(r" with exception|\. ", str(error).strip().splitlines()[0])[0][:200]
