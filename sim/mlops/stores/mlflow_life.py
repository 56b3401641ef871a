"""A life's own part of an MLflow store: its experiment, its registered model, and its runs, which bear its name."""

import getpass
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

from mlflow.entities import LoggedModel, LoggedModelOutput, LoggedModelStatus, Metric, Param, Run, RunTag

from sim.code_version import git_revision
from sim.errors import InputError
from sim.mlops.stores.ledger import Ledger, Place
from sim.mlops.stores.mlflow_data import NO_ORIGIN, DataOrigin
from sim.mlops.stores.mlflow_setting import MlflowException, is_gone, mlflow, pages, quiet_client
from sim.mlops.stores.tenancy import (
    JOB_TAG,
    LIFE_TAG,
    check_experiment_is_ours,
    check_model_is_ours,
    registered_model,
)

_METRICS_PER_CALL = 1000
_RUN_NAME_LETTERS = 250  # what MLflow's own table of runs has room for
_EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}  # opens on the runs, not on GenAI traces


@dataclass(frozen=True, slots=True)
class MlflowPlace:
    """Where runs and versions go; the artifact location is the store's own unless given.

    `is_own` says that the store was made for this run alone.
    """

    tracking_uri: str
    registry_uri: str
    model_name: str
    experiment: str
    artifact_location: str | None = None
    is_own: bool = False


@dataclass(frozen=True, slots=True)
class Life:
    """Whose runs and versions they are: a name that no other life has, kept over a resume; title; tags; data."""

    name: str
    title: str
    tags: Mapping[str, str]
    data: DataOrigin = NO_ORIGIN


class LifeInMlflow:
    """The runs of one life: one of its own, and one below it for each job and each challenger of a tournament.

    Runs bear the life and the job as tags, so that a repeated step finds what it made instead of making it twice.
    Nothing is asked of MLflow before `open`.

    Attributes
    ----------
    client
        A client of both stores.
    experiment_id, run_id
        The experiment, and the life's own run.
    started
        When the life's own run began, in milliseconds. All that is logged bears this time, so that what a resumed
        life logs again is not there twice.
    runs
        The run of each job, by the job's name.
    is_sure
        Whether nothing in the store can be left over from a broken attempt.
    """

    def __init__(self, place: MlflowPlace, life: Life, ledger: Ledger) -> None:
        self.place = place
        self.life = life
        self.client = quiet_client(place.tracking_uri, place.registry_uri)
        self.is_sure = ledger.place is None
        self.experiment_id = self.run_id = ""
        self.started = 0
        self.runs: dict[str, str] = {}
        self._ledger = ledger

    def open(self) -> None:
        """Find what is there of this life, and make the rest; it may be repeated.

        Raises
        ------
        InputError
            If the registered model or the experiment is somebody else's, or a resumed life's model is gone.
        """
        place, ledger = self.place, self._ledger
        mlflow.set_tracking_uri(place.tracking_uri)
        mlflow.set_registry_uri(place.registry_uri)
        if ledger.place is None:
            check_experiment_is_ours(self.client, place.experiment)
            check_model_is_ours(self.client, place.model_name)
            self.experiment_id = self._open_experiment()
        else:
            self.experiment_id = ledger.place.experiment_id
        self._open_model()
        self.look_up_runs()
        self.is_sure = self.is_sure and not self.runs
        self.run_id = self._open_own_run()
        self.client.log_batch(self.run_id, params=[Param(key, value) for key, value in self.life.tags.items()])
        self.client.update_run(self.run_id, status="RUNNING")
        self.started = int(self.client.get_run(self.run_id).info.start_time)
        ledger.place = Place(self.experiment_id, self.run_id)

    def reread(self) -> None:
        """Look up the runs of this life after an attempt whose answer was lost."""
        self.is_sure = False
        self.look_up_runs()

    def look_up_runs(self) -> None:
        """Look up which run each job has in the store; of several of one job the oldest counts."""
        self.runs = {run.data.tags.get(JOB_TAG, ""): str(run.info.run_id) for run in self.known_runs()}

    def known_runs(self) -> list[Run]:
        """Return the runs of this life that are there; of several of one job the oldest comes last."""
        query = f"tags.`{LIFE_TAG}` = '{self.life.name}'"
        found = pages(lambda token: self.client.search_runs([self.experiment_id], query, page_token=token))
        return sorted(found, key=lambda run: (run.info.start_time, run.info.run_id), reverse=True)

    def open_run(self, job: str, parent: str, tags: Mapping[str, str]) -> str:
        """Return the run of a job, which is made below another run, with its tags, if it is not there yet."""
        if job not in self.runs:
            self.runs[job] = self._create_run(job, job, {**tags, "mlflow.parentRunId": parent, **source_tags()})
        return self.runs[job]

    def logged_models(self, run_id: str) -> list[LoggedModel]:
        """Return the logged models of a run, the finished first, then the oldest."""
        query = f"source_run_id = '{run_id}'"
        found = pages(lambda token: self.client.search_logged_models([self.experiment_id], query, page_token=token))
        return sorted(found, key=lambda m: (m.status != LoggedModelStatus.READY, m.creation_timestamp, m.model_id))

    def log_metrics(self, metrics: Sequence[tuple[str, float, int]]) -> None:
        """Log (name, value, step) triples to the life's own run, in as few calls as MLflow allows."""
        entities = [Metric(name, value, self.started, step) for name, value, step in metrics]
        for start in range(0, len(entities), _METRICS_PER_CALL):
            self.client.log_batch(self.run_id, metrics=entities[start : start + _METRICS_PER_CALL])

    def link_models(self, run_id: str, model_ids: Sequence[str], step: int, *, is_new: bool = False) -> None:
        """Say that models came of a run, each once; `is_new` says that nothing was said of the run before."""
        outputs = None if is_new else self.client.get_run(run_id).outputs
        known = {each.model_id for each in outputs.model_outputs} if outputs else set()
        fresh = [LoggedModelOutput(model_id, step) for model_id in model_ids if model_id not in known]
        if fresh:
            self.client.log_outputs(run_id, fresh)

    def log_batch(self, run_id: str, metrics: Sequence[Metric], tags: Sequence[RunTag]) -> None:
        """Log to a run unless it is gone."""
        with self.unless_gone(run_id):
            self.client.log_batch(run_id, metrics=metrics, tags=tags)

    @contextmanager
    def unless_gone(self, run_id: str) -> Iterator[None]:
        """Let pass that a run was deleted: what is only told is needed by nobody then."""
        try:
            yield
        except MlflowException as error:
            if not is_gone(error) and self.client.get_run(run_id).info.lifecycle_stage == "active":
                raise

    def _open_experiment(self) -> str:
        found = self.client.get_experiment_by_name(self.place.experiment)
        if found is not None:
            return str(found.experiment_id)
        location = self.place.artifact_location
        return str(self.client.create_experiment(self.place.experiment, location, _EXPERIMENT_TAGS))

    def _open_model(self) -> None:
        """Make the registered model if it is new; one that versions of this life were in must be there."""
        name = self.place.model_name
        if registered_model(self.client, name) is not None:
            return
        if len(self._ledger):
            msg = (
                f"a resumed run needs its registered model, but {name!r} is gone from the registry, deleted or "
                f"renamed; put it back, or start again with another --out."
            )
            raise InputError(msg)
        self.client.create_registered_model(name, description="Churn models of retrainlab runs.")

    def _open_own_run(self) -> str:
        if self._ledger.place is not None:
            return self._ledger.place.run_id
        return self.runs.get("") or self._create_run("", self.life.title, {**self.life.tags, **source_tags()})

    def _create_run(self, job: str, name: str, tags: Mapping[str, str]) -> str:
        tags = {**tags, LIFE_TAG: self.life.name, JOB_TAG: job}
        run = self.client.create_run(self.experiment_id, run_name=name[:_RUN_NAME_LETTERS], tags=tags)
        return str(run.info.run_id)


@cache
def source_tags() -> Mapping[str, str]:
    """Return who runs this, and what: the user, and the revision of the code where it is a checkout."""
    try:
        user = getpass.getuser()
    except (ImportError, KeyError, OSError):  # a container may have no name for its user
        user = "unknown"
    revision = git_revision()
    told = {"mlflow.user": user, "mlflow.source.name": "retrainlab", "mlflow.source.type": "LOCAL"}
    return told if revision is None else {**told, "mlflow.source.git.commit": revision}


def check_model_name(name: str) -> None:
    """Raise `InputError` unless MLflow can register a model under this name."""
    if not name.strip() or any(letter in name for letter in "/:'\""):
        msg = f"a model name must be text without / : and quotation marks, got {name!r}; give another --model-name."
        raise InputError(msg)
