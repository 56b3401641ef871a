"""What the loop works with, and what it remembers between two steps."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from policies.signals import Signals
from scenarios.schema import Recipe
from sim.mlops.loop.monitor import Monitor, Observation
from sim.mlops.loop.observer import Observer
from sim.mlops.loop.on_request import Wants
from sim.mlops.loop.tournament import best_of, entered
from sim.mlops.loop.trainer import Trainer
from sim.mlops.loop.validator import Validator
from sim.mlops.models.model import Model
from sim.mlops.models.profiles import TrainingProfile, Trainings, load_training
from sim.mlops.records.business import choose_offers
from sim.mlops.records.jobs import Alias, Deployed, Job, Validation, deployed
from sim.mlops.records.log import InferenceLog
from sim.mlops.records.record import Served, StepRow, Tally, tally
from sim.mlops.records.registry import FIRST_VERSION, Registry
from sim.mlops.records.stopwatch import Stopwatch
from sim.world.label_queue import LabelQueue
from sim.world.schema.columns import Schema
from sim.world.world import World


@dataclass
class State:
    """Where the life of a model stands between two steps; small, and all that a resumed run needs."""

    first: Job
    champion: Deployed
    next_step: int = 0
    previous: Deployed | None = None
    job: Job | None = None
    is_rollback_due: bool = False
    may_roll_back: bool = False
    later_best: Deployed | None = None

    @property
    def best(self) -> Deployed:
        """The best champion so far: the first, until a gate that asks for the best has seen a better one."""
        return self.later_best or deployed(self.first)


class Journal(Protocol):
    """Makes what a step did last, all of it or nothing."""

    def begin(self) -> None:
        """Open a step."""
        ...

    def commit(self, state: State, row: StepRow | None) -> None:
        """Close a step (`row` is `None` for what comes before step 0)."""
        ...

    def note_latency(self, job: Job, step: int, latency_ms: float) -> None:
        """Note the measured milliseconds of a job's gate meeting at a step."""
        ...

    def note_rows(self, step: int, signals: Signals) -> None:
        """Note the single rows among the signals of a step, which the record leaves out."""
        ...

    def with_rows(self, signals: Signals) -> Signals:
        """Return the signals of a past step with the single rows that were noted for it."""
        ...

    def keep_candidates(self, job: str, models: Sequence[Model]) -> None:
        """Keep the models of a tournament until one of them is chosen."""
        ...

    def candidates(self, job: str, schema: Schema) -> list[Model]:
        """Return the models of a tournament that were kept, in the same order."""
        ...

    def drop_candidates(self, job: str) -> None:
        """Forget the models of a tournament, of which one was chosen."""
        ...


class NoJournal:
    """Keeps nothing: a life in memory starts again from the beginning."""

    def begin(self) -> None:
        """Open a step."""

    def commit(self, state: State, row: StepRow | None) -> None:
        """Close a step."""

    def note_latency(self, job: Job, step: int, latency_ms: float) -> None:
        """Forget what was measured."""

    def note_rows(self, step: int, signals: Signals) -> None:
        """Forget what was shown."""

    def with_rows(self, signals: Signals) -> Signals:
        """Return the signals as they are: a life in memory is never resumed."""
        return signals

    def keep_candidates(self, job: str, models: Sequence[Model]) -> None:
        """Keep nothing: the platform has them in memory."""

    def candidates(self, job: str, schema: Schema) -> list[Model]:  # noqa: ARG002  see Journal
        """Have none: a life in memory is never resumed."""
        msg = f"the candidates of {job} must be in memory"
        raise LookupError(msg)

    def drop_candidates(self, job: str) -> None:
        """Have none to drop."""


class Platform(Protocol):
    """What the loop works with. It keeps the books of one life; whoever plays decides when what is called."""

    @property
    def world(self) -> World:
        """The world it lives in."""
        ...

    @property
    def journal(self) -> Journal:
        """What makes a step last."""
        ...

    def serve(self, step: int, champion: Deployed) -> Served:
        """Score the batch of a step with the champion, send the offers out and store both in the log."""
        ...

    def settle(self, served: Served) -> Tally:
        """Let the world settle the outcomes of what was served, send the labels on their way, and count the step."""
        ...

    def receive(self, day: int) -> int:
        """Join the labels that arrive on a day to their predictions; return how many."""
        ...

    def observe(self, step: int, champion: Deployed, *, job_open: bool, wants: Wants) -> Observation:
        """Measure what is visible at a step, and of the signals on request those that are wanted."""
        ...

    def train(self, job: Job, champion: Deployed) -> Job:
        """Train a job's model with the champion's recipe on the rows of its profile, and register it.

        Returns the job with window and version; with its challengers where the profile is a tournament, whose models
        are kept until one of them is chosen.
        """
        ...

    def recalibrate(self, job: Job, champion: Deployed) -> Job:
        """Calibrate the champion's trees anew, register the model, and return the job with window and version."""
        ...

    def quarantine(self, step: int) -> None:
        """Keep the batch of a step out of training, gates, references and baselines for good."""
        ...

    def choose(self, step: int, job: Job) -> Job:
        """Choose the best challenger of a tournament on its share of the gate's rows, and register it."""
        ...

    def validate(self, step: int, job: Job, champion: Deployed, best: Deployed) -> Validation:
        """Have a job's model meet the gates against the champion, and the best one so far where they ask for it."""
        ...

    def move(self, alias: Alias, model: Deployed) -> None:
        """Let an alias point to a model."""
        ...

    def describe(self, job: Job) -> None:
        """Note in the registry how a job ended."""
        ...


@dataclass(frozen=True)
class LocalPlatform:
    """A platform that computes everything itself, on any log and registry.

    Without `trainings` a retraining learns by the scenario's training profile unless its decision names another.
    """

    world: World
    log: InferenceLog
    registry: Registry
    trainer: Trainer
    validator: Validator
    monitor: Monitor
    journal: Journal = field(default_factory=NoJournal)
    label_queue: LabelQueue = field(default_factory=LabelQueue)
    stopwatch: Stopwatch = field(default_factory=Stopwatch)
    trainings: Trainings | None = None
    candidates: dict[str, list[Model]] = field(default_factory=dict)

    def serve(self, step: int, champion: Deployed) -> Served:
        """Score the batch of a step with the model behind the alias `Champion`."""
        batch = self.world.batch(step)
        scores = self.registry.score(batch.features)
        offered = choose_offers(self.world.scenario.offers, scores.probability, batch.held_out)
        served = Served(step, champion.job, champion.version, scores.probability, scores.prediction, offered)
        self.log.append(batch, served)
        return served

    def settle(self, served: Served) -> Tally:
        """Let the world settle the outcomes of what was served."""
        self.label_queue.send(self.world.labels(served.step, served.offered))
        return tally(self.world.batch(served.step), self.world.truth(served.step), served)

    def receive(self, day: int) -> int:
        """Backfill the labels that arrive on a day."""
        return self.log.backfill(self.label_queue.deliver(day), day)

    def observe(self, step: int, champion: Deployed, *, job_open: bool, wants: Wants) -> Observation:
        """Have the monitor look at the log; the journal keeps the single rows that a policy was shown."""
        observer = Observer(self.world, self.log, self.registry, self.monitor, self.trainer.changes)
        seen = observer.observe(step, champion, job_open=job_open, wants=wants)
        if wants:
            self.journal.note_rows(step, seen.signals)
        return seen

    def train(self, job: Job, champion: Deployed) -> Job:
        """Train and register a job's model."""
        recipe, profile = self.registry.recipe(champion.version), self._training(job)
        with self.stopwatch.timing("training"):
            trained = self.trainer.train_each(job.requested_step, recipe, profile.entrants)
        if not profile.challengers:
            return self.register(replace(job, window=trained[0].window), trained[0].model, recipe)
        self.candidates[job.name] = [each.model for each in trained]
        self.journal.keep_candidates(job.name, self.candidates[job.name])
        return entered(job, [each.window for each in trained])

    def choose(self, step: int, job: Job) -> Job:
        """Let the choosing rows choose, and register the model."""
        models = self.candidates.pop(job.name, None) or self.journal.candidates(job.name, self.world.schema)
        with self.stopwatch.timing("validation"):
            losses = self.validator.log_losses(step, models, self._training(job).choosing_share)
        chosen, index = best_of(job, losses)
        self.journal.drop_candidates(job.name)
        return self.register(chosen, models[index], self.registry.recipe(FIRST_VERSION))

    def recalibrate(self, job: Job, champion: Deployed) -> Job:
        """Calibrate the champion's trees anew and register the model."""
        recipe, model = self.registry.recipe(champion.version), self.registry.model(champion.version)
        with self.stopwatch.timing("training"):
            trained = self.trainer.recalibrate(job.requested_step, model, recipe)
        return self.register(replace(job, window=trained.window), trained.model, recipe)

    def _training(self, job: Job) -> TrainingProfile:
        trainings = self.trainings or Trainings.of(load_training(self.world.scenario.training.profile))
        return trainings.find(job.training)

    def quarantine(self, step: int) -> None:
        """Set the batch of a step apart in the log."""
        self.log.quarantine(step)

    def register(self, job: Job, model: Model, recipe: Recipe) -> Job:
        """Register a model as the challenger and return its job with the version."""
        with self.stopwatch.timing("registration"):
            registered = replace(job, version=self.registry.register(job, model, recipe))
            self.registry.move(Alias.CHALLENGER, registered.version)
        return registered

    def validate(self, step: int, job: Job, champion: Deployed | None, best: Deployed | None = None) -> Validation:
        """Have a job's model meet the gates on the holdout rows that are visible; the first has no champion."""
        asked = best if self.validator.profile.enforces("f1_against_best") else None
        with self.stopwatch.timing("validation"):
            return self.validator.validate(
                step,
                self.registry.model(job.version),
                self.registry.model(champion.version) if champion else None,
                self.registry.model(asked.version) if asked else None,
                lambda latency_ms: self.journal.note_latency(job, step, latency_ms),
                self._training(job).choosing_share if job.challengers else 0.0,
            )

    def move(self, alias: Alias, model: Deployed) -> None:
        """Let an alias point to a model."""
        with self.stopwatch.timing("deployment"):
            self.registry.move(alias, model.version)

    def describe(self, job: Job) -> None:
        """Note in the registry how a job ended."""
        self.registry.describe(job)
