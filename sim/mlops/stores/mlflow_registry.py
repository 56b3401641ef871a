"""The registry on a real MLflow: runs, versions and aliases as an MLflow user expects them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from mlflow.entities import LoggedModel, LoggedModelStatus, Metric, Param, Run, RunTag
from mlflow.entities.model_registry import ModelVersion

from scenarios.schema import Recipe
from sim.errors import InputError
from sim.mlops.models.model import Model
from sim.mlops.records.jobs import Alias, Challenger, Job
from sim.mlops.records.registry import Predictions
from sim.mlops.stores.ledger import Ledger, Place, Registered
from sim.mlops.stores.mlflow_files import digest, fetched, load, load_scorer, readable, written
from sim.mlops.stores.mlflow_setting import (
    MlflowClient,
    MlflowException,
    is_gone,
    mlflow,
    pages,
    quiet_client,
    quieten,
    told_as_input,
)
from sim.mlops.stores.mlflow_words import (
    NOTE_TAG,
    challenger_tags,
    describe_job,
    gate_metrics,
    params,
    run_tags,
    verdict_tags,
    window_params,
)
from sim.mlops.stores.patience import patient, patiently
from sim.mlops.stores.sqlite_store import make_store
from sim.mlops.stores.tenancy import (
    JOB_TAG,
    LIFE_TAG,
    check_experiment_is_ours,
    check_model_is_ours,
    registered_model,
    strangers_alias,
    versions,
)
from sim.world.schema.columns import Matrix, Schema

_METRICS_PER_CALL = 1000
_RUN_NAME_LETTERS = 250  # what MLflow's own table of runs has room for
_SOURCE_TAGS = {"mlflow.source.name": "retrainlab", "mlflow.source.type": "LOCAL"}
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
    """Whose runs and versions they are: a name that no other life has, kept over a resume; a title; and tags."""

    name: str
    title: str
    tags: Mapping[str, str]


class MlflowRegistry:
    """The versions of one life of a model, in an MLflow registry that it may share with others.

    A version is known by the ledger: its number in this life, from 1, MLflow's own number, its run, its logged model
    and the digest of its files. What others do to versions of this life is noticed where it matters, and nothing that
    MLflow holds is believed without the ledger. Each job is a child run of the life's run; runs carry the life and
    the job as tags, so that a repeated step finds what it made instead of making it twice.

    What is only told (how a job ended, what was measured) waits until `tell`, which comes after the step is
    committed: a step that is repeated measures again.

    Parameters
    ----------
    place
        The stores and names.
    life
        Whose runs and versions they are.
    schema
        The features of the model.
    ledger
        What the life has registered so far; what is registered is added to it.

    Raises
    ------
    InputError
        If the name cannot be that of a registered model; if the store does not answer; if the registered model or
        the experiment is somebody else's. Nothing is written then.
    """

    def __init__(self, place: MlflowPlace, life: Life, schema: Schema, ledger: Ledger | None = None) -> None:
        quieten()
        check_model_name(place.model_name)
        self.ledger = Ledger() if ledger is None else ledger
        self._place = place
        self._life = life
        self._schema = schema
        self._models: dict[int, Model] = {}
        self._scorer: Any = None
        self._champion: int | None = None
        self._untold: list[Callable[[], None]] = []
        self._is_sure = self.ledger.place is None  # that nothing in the store is left over from a broken attempt
        with told_as_input(place.tracking_uri):
            make_store(place.tracking_uri, is_own=place.is_own)
        with told_as_input(place.registry_uri):
            make_store(place.registry_uri, is_own=place.is_own)
        with told_as_input(place.tracking_uri):
            patiently(self._open, lambda: None)

    def reread(self) -> None:
        """Look up the runs of this life that the store holds."""
        self._is_sure = False
        self._runs = {run.data.tags.get(JOB_TAG, ""): str(run.info.run_id) for run in self._known_runs()}

    @patient
    def register(self, job: Job, model: Model, recipe: Recipe) -> int:
        """Log a job's model in a run of its own and register it; a job that is known already keeps its version."""
        known = self.ledger.of_job(job.name)
        if known is not None:
            return known.version
        is_new = job.name not in self._runs
        if is_new:
            tags = {"mlflow.parentRunId": self.run_id, **_SOURCE_TAGS}
            self._runs[job.name] = self._open_run(job.name, job.name, tags)
        run_id = self._runs[job.name]
        self._client.log_batch(run_id, params=params(job, recipe), tags=run_tags(job))
        logged = (None if is_new else self._logged_model(run_id)) or self._client.create_logged_model(
            self.experiment_id, "model", run_id, params={p.key: p.value for p in params(job, recipe)}
        )
        with written(model, logged) as folder:
            self._client.log_model_artifacts(logged.model_id, str(folder))
            files = digest(folder)
        self._client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
        version = (None if is_new else self._version_of(run_id)) or self._create_version(job, logged, run_id)
        self._client.set_terminated(run_id)
        self.ledger.add(
            Registered(
                version=len(self.ledger) + 1,
                job=job.name,
                number=str(version.version),
                run_id=run_id,
                model_id=str(logged.model_id),
                digest=files,
                recipe=recipe,
            )
        )
        self._models[len(self.ledger)] = model
        return len(self.ledger)

    @patient
    def model(self, version: int) -> Model:
        """Return the model of a version, from the logged files if it was not made in this process.

        Raises
        ------
        WorkError
            If the files are others than those that were registered.
        """
        if version not in self._models:
            with fetched(self.ledger[version]) as folder:
                self._models[version] = load(folder)
        return self._models[version]

    def recipe(self, version: int) -> Recipe:
        """Return the recipe of a version."""
        return self.ledger[version].recipe

    @patient
    def move(self, alias: Alias, version: int) -> None:
        """Let an alias point to a version; it is moved in one step, so it always points to one.

        Raises
        ------
        InputError
            If the version is gone or another, or the alias points to a version of somebody else.
        """
        self._check_stands(version)
        self._check_alias_is_free(alias)
        number = self.ledger[version].number
        self._client.set_registered_model_alias(self.model_name, str(alias), number)
        if alias is Alias.CHAMPION:
            self._scorer, self._champion = None, version

    @patient
    def holds(self, version: int) -> bool:
        """Tell whether a version is still in the registry as it was registered."""
        return self._stands(version)

    @patient
    def score(self, features: Matrix) -> Predictions:
        """Answer a batch with the model that `models:/<name>@Champion` stands for.

        Raises
        ------
        InputError
            If somebody else moved the alias.
        WorkError
            If the model's files are others than those that were registered: nothing of them is loaded.
        """
        champion = self._checked_champion()
        if self._scorer is None:
            with fetched(champion) as folder:
                self._scorer = load_scorer(folder)
        answers = self._scorer.predict(readable(self._schema, features))
        return Predictions(answers["probability"].to_numpy(), answers["prediction"].to_numpy() == 1)

    def describe(self, job: Job) -> None:
        """Have it told on a version how its job ended: status, gate results and description."""
        self._untold.append(lambda: self._describe(job))

    def log_latency(self, version: int, step: int, latency_ms: float) -> None:
        """Have the milliseconds of a single row told, measured at a gate meeting, on the run of a version."""
        metric = Metric("latency_ms", latency_ms, self._started, step)
        self._untold.append(lambda: self._log_batch(self.ledger[version].run_id, [metric], []))

    @patient
    def tell(self) -> None:
        """Tell what was kept back; what is told twice is there once, and what is gone from the store stays untold."""
        for told in self._untold:
            told()
        self._untold = []

    @property
    def model_name(self) -> str:
        """The name of the registered model."""
        return self._place.model_name

    def address(self, version: int) -> tuple[str, str]:
        """Return (MLflow version number, run id) of a version."""
        return self.ledger[version].number, self.ledger[version].run_id

    def addresses(self) -> dict[str, dict[str, str]]:
        """Return MLflow's version number and run id of each job."""
        return {model.job: {"version": model.number, "run_id": model.run_id} for model in self.ledger}

    @patient
    def log_metrics(self, metrics: Sequence[tuple[str, float, int]]) -> None:
        """Log (name, value, step) triples to the life's run, in as few calls as MLflow allows.

        All bear the time at which the run began, so that what a resumed life logs again is not there twice.
        """
        entities = [Metric(name, value, self._started, step) for name, value, step in metrics]
        for start in range(0, len(entities), _METRICS_PER_CALL):
            self._client.log_batch(self.run_id, metrics=entities[start : start + _METRICS_PER_CALL])

    @patient
    def close(self, status: str = "FINISHED") -> None:
        """Mark the life's run as finished, or as another status of MLflow; clear away what is left over."""
        if not self._is_sure and status == "FINISHED":
            self._sweep()
        self._client.set_terminated(self.run_id, status)

    # Opening

    def _open(self) -> None:
        place = self._place
        mlflow.set_tracking_uri(place.tracking_uri)
        mlflow.set_registry_uri(place.registry_uri)
        self._client = quiet_client(place.tracking_uri, place.registry_uri)
        if self.ledger.place is None:
            check_experiment_is_ours(self._client, place.experiment)
            check_model_is_ours(self._client, place.model_name)
            self.experiment_id = self._open_experiment()
        else:
            self.experiment_id = self.ledger.place.experiment_id
        self._open_model()
        self._runs = {run.data.tags.get(JOB_TAG, ""): str(run.info.run_id) for run in self._known_runs()}
        self._is_sure = self._is_sure and not self._runs
        self.run_id = self._open_life()
        self._client.log_batch(self.run_id, params=[Param(key, value) for key, value in self._life.tags.items()])
        self._client.update_run(self.run_id, status="RUNNING")
        self._started = int(self._client.get_run(self.run_id).info.start_time)
        self.ledger.place = Place(self.experiment_id, self.run_id)

    def _open_experiment(self) -> str:
        found = self._client.get_experiment_by_name(self._place.experiment)
        if found is not None:
            return str(found.experiment_id)
        location = self._place.artifact_location
        return str(self._client.create_experiment(self._place.experiment, location, _EXPERIMENT_TAGS))

    def _open_model(self) -> None:
        """Make the registered model if it is new; one that versions of this life were in must be there."""
        if registered_model(self._client, self.model_name) is not None:
            return
        if len(self.ledger):
            msg = (
                f"a resumed run needs its registered model, but {self.model_name!r} is gone from the registry, "
                f"deleted or renamed; put it back, or start again with another --out."
            )
            raise InputError(msg)
        self._client.create_registered_model(self.model_name, description="Churn models of retrainlab runs.")

    def _open_life(self) -> str:
        if self.ledger.place is not None:
            return self.ledger.place.run_id
        tags = {**self._life.tags, **_SOURCE_TAGS}
        return self._runs.get("") or self._open_run("", self._life.title, tags)

    def _open_run(self, job: str, name: str, tags: Mapping[str, str]) -> str:
        tags = {**tags, LIFE_TAG: self._life.name, JOB_TAG: job}
        run = self._client.create_run(self.experiment_id, run_name=name[:_RUN_NAME_LETTERS], tags=tags)
        return str(run.info.run_id)

    # What a broken attempt has left

    def _known_runs(self) -> list[Run]:
        """Return the runs of this life that are there; of several of one job the oldest comes last."""
        query = f"tags.`{LIFE_TAG}` = '{self._life.name}'"
        found = pages(lambda token: self._client.search_runs([self.experiment_id], query, page_token=token))
        return sorted(found, key=lambda run: (run.info.start_time, run.info.run_id), reverse=True)

    def _logged_models(self, run_id: str) -> list[LoggedModel]:
        """Return the logged models of a run, the finished first, then the oldest."""
        query = f"source_run_id = '{run_id}'"
        found = pages(lambda token: self._client.search_logged_models([self.experiment_id], query, page_token=token))
        return sorted(found, key=lambda m: (m.status != LoggedModelStatus.READY, m.creation_timestamp, m.model_id))

    def _logged_model(self, run_id: str) -> LoggedModel | None:
        return next(iter(self._logged_models(run_id)), None)

    def _version_of(self, run_id: str) -> ModelVersion | None:
        """Return the version that a broken attempt made of a run's model."""
        logged = self._logged_model(run_id)
        known = {model.number for model in self.ledger}
        for version in versions(self._client, self.model_name):
            is_this = version.run_id == run_id and _model_id(version) == (logged and logged.model_id)
            if is_this and version.tags.get(LIFE_TAG) == self._life.name and str(version.version) not in known:
                return version
        return None

    def _create_version(self, job: Job, logged: LoggedModel, run_id: str) -> ModelVersion:
        return self._client.create_model_version(
            self.model_name,
            source=f"models:/{logged.model_id}",
            run_id=run_id,
            tags={LIFE_TAG: self._life.name, JOB_TAG: job.name, "status": str(job.status), "reason": job.reason},
            description=describe_job(job),
            model_id=logged.model_id,
        )

    def _sweep(self) -> None:
        """Delete what broken attempts of this life made twice: runs, logged models and versions of no job."""
        found = {run.data.tags.get(JOB_TAG, ""): str(run.info.run_id) for run in self._known_runs()}
        challengers = {run_id for name, run_id in found.items() if self.ledger.of_job(name.partition("/")[0])}
        kept = {self.run_id, *(model.run_id for model in self.ledger), *challengers}
        own = {str(run.info.run_id) for run in self._known_runs()} | kept
        numbers = {model.number for model in self.ledger}
        model = registered_model(self._client, self.model_name)
        pointed_at = {str(number) for number in model.aliases.values()} if model else set()
        for version in versions(self._client, self.model_name):
            is_own = version.tags.get(LIFE_TAG) == self._life.name and version.run_id in own
            if is_own and str(version.version) not in numbers | pointed_at:
                self._client.delete_model_version(self.model_name, str(version.version))
        model_ids = {model.model_id for model in self.ledger}
        for logged in (logged for run_id in own for logged in self._logged_models(run_id)):
            if logged.model_id not in model_ids:
                self._client.delete_logged_model(logged.model_id)
        for run_id in own - kept:
            self._client.delete_run(run_id)

    # What others may have changed

    def _stands(self, version: int) -> bool:
        registered = self.ledger[version]
        try:
            found = self._client.get_model_version(self.model_name, registered.number)
        except MlflowException as error:
            if is_gone(error):
                return False
            raise
        return found.run_id == registered.run_id and _model_id(found) == registered.model_id

    def _check_stands(self, version: int) -> None:
        if not self._stands(version):
            registered = self.ledger[version]
            msg = (
                f"a run needs its models, but version {registered.number} of {self.model_name!r} ({registered.job}) "
                f"was deleted or replaced in the registry; put it back, or start again with another --out."
            )
            raise InputError(msg)

    def _check_alias_is_free(self, alias: Alias) -> None:
        """Raise `InputError` if an alias points to a version that no run of retrainlab made."""
        model = registered_model(self._client, self.model_name)
        number = str(model.aliases.get(str(alias), "")) if model else ""
        if not number or number in {known.number for known in self.ledger}:
            return
        if LIFE_TAG not in self._client.get_model_version(self.model_name, number).tags:
            raise strangers_alias(self.model_name, alias, number)

    def _checked_champion(self) -> Registered:
        """Return the champion, to which the alias must point: the model of a stranger may run any code."""
        if self._champion is None:
            msg = "an alias must have been moved to a champion before it scores"
            raise ValueError(msg)
        registered = self.ledger[self._champion]
        found = self._client.get_model_version_by_alias(self.model_name, str(Alias.CHAMPION))
        if (str(found.version), found.run_id, _model_id(found)) != (
            registered.number,
            registered.run_id,
            registered.model_id,
        ):
            msg = (
                f"a registered model belongs to one run at a time, but somebody else moved the alias "
                f"{Alias.CHAMPION} of {self.model_name!r}; go on with --resume once they are done, or start again "
                f"with another --model-name."
            )
            raise InputError(msg)
        return registered

    # Telling

    def _describe(self, job: Job) -> None:
        registered, tags = self.ledger[job.version], verdict_tags(job)
        if not tags:
            return
        told = [RunTag(key, value) for key, value in {**tags, NOTE_TAG: describe_job(job)}.items()]
        self._log_batch(registered.run_id, gate_metrics(job, self._started), told)
        for challenger in job.challengers:
            self._describe_challenger(job, challenger)
        if not self._stands(job.version):
            return
        for key, value in tags.items():
            self._client.set_model_version_tag(self.model_name, registered.number, key, value)
        self._client.update_model_version(self.model_name, registered.number, describe_job(job))

    def _describe_challenger(self, job: Job, challenger: Challenger) -> None:
        """Tell of a tournament's challenger in a run below that of its job, and why it was not promoted."""
        name = f"{job.name}/{challenger.profile}"
        if name not in self._runs:
            tags = {"mlflow.parentRunId": self.ledger[job.version].run_id, **_SOURCE_TAGS}
            self._runs[name] = self._open_run(name, name, tags)
        loss, run_id = challenger.log_loss, self._runs[name]
        metrics = [] if loss is None else [Metric("log_loss", loss, self._started, job.requested_step)]
        with self._unless_gone(run_id):
            told = challenger_tags(job, challenger)
            self._client.log_batch(run_id, metrics, window_params(challenger.window), told)
            self._client.set_terminated(run_id)

    def _log_batch(self, run_id: str, metrics: Sequence[Metric], tags: Sequence[RunTag]) -> None:
        with self._unless_gone(run_id):
            self._client.log_batch(run_id, metrics=metrics, tags=tags)

    @contextmanager
    def _unless_gone(self, run_id: str) -> Iterator[None]:
        """Let pass that a run was deleted: what is only told is needed by nobody then."""
        try:
            yield
        except MlflowException as error:
            if not is_gone(error) and self._client.get_run(run_id).info.lifecycle_stage == "active":
                raise


def _model_id(version: ModelVersion) -> str:
    """Return the logged model that a version was made of."""
    return str(version.model_id or "") or str(version.source or "").removeprefix("models:/")


def check_model_name(name: str) -> None:
    """Raise `InputError` unless MLflow can register a model under this name."""
    if not name.strip() or any(letter in name for letter in "/:'\""):
        msg = f"a model name must be text without / : and quotation marks, got {name!r}; give another --model-name."
        raise InputError(msg)


__all__ = ["Life", "MlflowClient", "MlflowPlace", "MlflowRegistry", "check_model_name"]
