"""Telling: how jobs ended and what was measured, said in MLflow for whoever looks there; no run needs any of it."""

from collections.abc import Callable

from mlflow.entities import Dataset, Metric, RunTag

from sim.mlops.records.jobs import Challenger, Job
from sim.mlops.stores.ledger import Ledger, Registered
from sim.mlops.stores.mlflow_data import DataSets
from sim.mlops.stores.mlflow_life import LifeInMlflow
from sim.mlops.stores.mlflow_words import (
    NOTE_TAG,
    challenger_tags,
    describe_job,
    gate_metrics,
    verdict_tags,
    window_params,
)
from sim.mlops.stores.standing import stands


class Telling:
    """What is only told, kept back until `tell`: a step that is repeated measures again, and must not tell twice."""

    def __init__(self, life: LifeInMlflow, ledger: Ledger, data: DataSets) -> None:
        self._life = life
        self._data = data
        self._ledger = ledger
        self._untold: list[Callable[[], None]] = []

    def describe(self, job: Job) -> None:
        """Have it told on a job's version and runs how the job ended: status, gate results and description."""
        self._untold.append(lambda: self._describe(job))

    def log_latency(self, version: int, step: int, latency_ms: float) -> None:
        """Have the milliseconds of a single row told on the run of a version."""
        metric = Metric("latency_ms", latency_ms, self._life.started, step)
        self._untold.append(lambda: self._life.log_batch(self._ledger[version].run_id, [metric], []))

    def tell(self) -> None:
        """Tell what was kept back; what is told twice is there once, and what is gone from the store stays untold."""
        for told in self._untold:
            told()
        self._untold = []

    def _describe(self, job: Job) -> None:
        registered, tags, life = self._ledger[job.version], verdict_tags(job), self._life
        if not tags:
            return
        told = [RunTag(key, value) for key, value in {**tags, NOTE_TAG: describe_job(job)}.items()]
        met = self._data.gate(job)
        life.log_batch(registered.run_id, [] if met is None else self._metrics(job, registered, met.dataset), told)
        if met is not None:
            with life.unless_gone(registered.run_id):
                life.client.log_inputs(registered.run_id, [met])
        for challenger in job.challengers:
            self._describe_challenger(job, challenger)
        name = life.place.model_name
        if not stands(life.client, name, registered):
            return
        for key, value in tags.items():
            life.client.set_model_version_tag(name, registered.number, key, value)
        life.client.update_model_version(name, registered.number, describe_job(job))

    def _metrics(self, job: Job, registered: Registered, data: Dataset) -> list[Metric]:
        """Return what a job's model reached at its gates, on its run and on its logged model, and on which rows."""
        step = job.meeting.step if job.meeting else 0
        return [
            Metric(
                *(name, value, self._life.started, step),
                model_id=registered.model_id,
                dataset_name=data.name,
                dataset_digest=data.digest,
                run_id=registered.run_id,
            )
            for name, value in gate_metrics(job).items()
        ]

    def _describe_challenger(self, job: Job, challenger: Challenger) -> None:
        """Tell of a tournament's challenger in a run below that of its job, and why it was not promoted."""
        life = self._life
        name, parent = f"{job.name}/{challenger.profile}", self._ledger[job.version].run_id
        run_id = life.open_run(name, parent, challenger_tags(job, challenger))
        loss = challenger.log_loss
        metrics = [] if loss is None else [Metric("log_loss", loss, life.started, job.requested_step)]
        with life.unless_gone(run_id):
            life.client.log_batch(run_id, metrics, window_params(challenger.window))
            life.client.set_terminated(run_id)
