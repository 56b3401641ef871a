"""The registry on a real MLflow: runs, versions and aliases as an MLflow user expects them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from mlflow.entities import LoggedModel, LoggedModelStatus
from mlflow.entities.model_registry import ModelVersion

from scenarios.schema import Recipe
from sim.mlops.models.model import Model
from sim.mlops.records.jobs import Alias, Job
from sim.mlops.records.registry import Predictions
from sim.mlops.stores.ledger import Ledger, Registered
from sim.mlops.stores.leftovers import clear_away, left_over_model, left_over_version
from sim.mlops.stores.mlflow_data import DataSets
from sim.mlops.stores.mlflow_files import digest, fetched, load, load_scorer, readable, written
from sim.mlops.stores.mlflow_life import Life, LifeInMlflow, MlflowPlace, check_model_name
from sim.mlops.stores.mlflow_setting import quieten, told_as_input
from sim.mlops.stores.mlflow_words import VERSION_TAG, describe_job, params, run_tags
from sim.mlops.stores.patience import patient, patiently
from sim.mlops.stores.sqlite_store import make_store
from sim.mlops.stores.standing import check_alias_is_free, check_champion, check_stands, stands
from sim.mlops.stores.telling import Telling
from sim.mlops.stores.tenancy import JOB_TAG, LIFE_TAG
from sim.world.schema.columns import Matrix, Schema, row_blocks


class MlflowRegistry:
    """The versions of one life of a model, in an MLflow registry that it may share with others.

    A version is known by the ledger: its number in this life, from 1, MLflow's own number, its run, its logged model
    and the digest of its files. What others do to versions of this life is noticed where it matters, and nothing that
    MLflow holds is believed without the ledger. Each job is a child run of the life's run.

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
        self._schema = schema
        self._models: dict[int, Model] = {}
        self._scorer: Any = None
        self._champion: int | None = None
        with told_as_input(place.tracking_uri):
            make_store(place.tracking_uri, is_own=place.is_own)
        with told_as_input(place.registry_uri):
            make_store(place.registry_uri, is_own=place.is_own)
        with told_as_input(place.tracking_uri):
            self._life = LifeInMlflow(place, life, self.ledger)
            patiently(self._life.open, lambda: None)
        self._client = self._life.client
        self._data = DataSets(life.data, schema)
        self._telling = Telling(self._life, self.ledger, self._data)

    def reread(self) -> None:
        """Look up the runs of this life that the store holds."""
        self._life.reread()

    @patient
    def register(self, job: Job, model: Model, recipe: Recipe) -> int:
        """Log a job's model in a run of its own and register it; a job that is known already keeps its version."""
        known = self.ledger.of_job(job.name)
        if known is not None:
            return known.version
        is_new = job.name not in self._life.runs
        run_id = self._life.open_run(job.name, self.run_id, run_tags(job))
        self._client.log_batch(run_id, params=params(job, recipe))
        logged = (None if is_new else left_over_model(self._life, run_id)) or self._client.create_logged_model(
            self.experiment_id,
            job.name,
            run_id,
            tags={LIFE_TAG: self._life.life.name, JOB_TAG: job.name},
            params={p.key: p.value for p in params(job, recipe)},
        )
        with written(model, logged) as folder:
            self._client.log_model_artifacts(logged.model_id, str(folder))
            files = digest(folder)
        self._client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
        self._client.log_inputs(run_id, [self._data.training(job)])
        self._life.link_models(run_id, [logged.model_id], job.requested_step, is_new=is_new)
        version = None if is_new else left_over_version(self._life, self.ledger, run_id)
        version = version or self._create_version(job, logged, run_id)
        self._client.set_tag(run_id, VERSION_TAG, f"models:/{self.model_name}/{version.version}")
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
        registered = self.ledger[version]
        check_stands(self._client, self.model_name, registered)
        check_alias_is_free(self._client, self.model_name, alias, self.ledger)
        self._client.set_registered_model_alias(self.model_name, str(alias), registered.number)
        if alias is Alias.CHAMPION:
            self._scorer, self._champion = None, version

    @patient
    def holds(self, version: int) -> bool:
        """Tell whether a version is still in the registry as it was registered."""
        return stands(self._client, self.model_name, self.ledger[version])

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
        if self._champion is None:
            msg = "an alias must have been moved to a champion before it scores"
            raise ValueError(msg)
        champion = self.ledger[self._champion]
        check_champion(self._client, self.model_name, champion)
        if self._scorer is None:
            with fetched(champion) as folder:
                self._scorer = load_scorer(folder)
        probability, prediction = np.empty(len(features)), np.empty(len(features), dtype=np.bool_)
        for rows in row_blocks(len(features)):  # a frame of texts takes many times the memory of the rows
            answers = self._scorer.predict(readable(self._schema, features[rows]))
            probability[rows] = answers["probability"].to_numpy()
            prediction[rows] = answers["prediction"].to_numpy() == 1
        return Predictions(probability, prediction)

    def describe(self, job: Job) -> None:
        """Have it told on a version how its job ended: status, gate results and description."""
        self._telling.describe(job)

    def log_latency(self, version: int, step: int, latency_ms: float) -> None:
        """Have the milliseconds of a single row told, measured at a gate meeting, on the run of a version."""
        self._telling.log_latency(version, step, latency_ms)

    @patient
    def tell(self) -> None:
        """Tell what was kept back; what is told twice is there once, and what is gone from the store stays untold."""
        self._telling.tell()

    @property
    def model_name(self) -> str:
        """The name of the registered model."""
        return self._life.place.model_name

    @property
    def experiment_id(self) -> str:
        """The experiment of the life's runs."""
        return self._life.experiment_id

    @property
    def run_id(self) -> str:
        """The life's own run."""
        return self._life.run_id

    def address(self, version: int) -> tuple[str, str]:
        """Return (MLflow version number, run id) of a version."""
        return self.ledger[version].number, self.ledger[version].run_id

    def addresses(self) -> dict[str, dict[str, str]]:
        """Return MLflow's version number and run id of each job."""
        return {model.job: {"version": model.number, "run_id": model.run_id} for model in self.ledger}

    @patient
    def log_metrics(self, metrics: Sequence[tuple[str, float, int]]) -> None:
        """Log (name, value, step) triples to the life's run; what is logged again is there once."""
        self._life.log_metrics(metrics)

    @patient
    def conclude(self, steps: Sequence[int], customers: int) -> None:
        """Say on the life's run which customers it scored in which steps, and which models came of it."""
        with self._life.unless_gone(self.run_id):
            self._client.log_inputs(self.run_id, [self._data.scored(steps, customers)])
            self._life.link_models(self.run_id, [each.model_id for each in self.ledger], 0)

    @patient
    def close(self, status: str = "FINISHED") -> None:
        """Mark the life's run as finished, or as another status of MLflow; clear away what is left over."""
        if not self._life.is_sure and status == "FINISHED":
            clear_away(self._life, self.ledger)
        self._client.set_terminated(self.run_id, status)

    def _create_version(self, job: Job, logged: LoggedModel, run_id: str) -> ModelVersion:
        return self._client.create_model_version(
            self.model_name,
            source=f"models:/{logged.model_id}",
            run_id=run_id,
            tags={
                LIFE_TAG: self._life.life.name,
                JOB_TAG: job.name,
                "status": str(job.status),
                "reason": job.reason,
            },
            description=describe_job(job),
            model_id=logged.model_id,
        )


__all__ = ["Life", "MlflowPlace", "MlflowRegistry", "check_model_name"]
