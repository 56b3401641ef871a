"""Replay: the same loop in memory, where nothing that was computed for one policy is computed again for another."""

from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from policies.decision import Policy, trainings_named
from scenarios.schema import Recipe
from sim.errors import InputError
from sim.mlops.gates.profiles import GateProfile, load_profile
from sim.mlops.loop.change_finder import ChangeFinder, change_finder
from sim.mlops.loop.life import begin, begin_with, play
from sim.mlops.loop.monitor import Monitor, Observation, make_reference
from sim.mlops.loop.observer import Observer
from sim.mlops.loop.on_request import Wants
from sim.mlops.loop.platform import Journal, LocalPlatform, NoJournal, State
from sim.mlops.loop.tournament import best_of, entered
from sim.mlops.loop.trainer import Trained, Trainer
from sim.mlops.loop.validator import Validator
from sim.mlops.models.cohort import Cohort, KnownOutcomes, LabelledRows
from sim.mlops.models.logged import LoggedModel
from sim.mlops.models.model import Model
from sim.mlops.models.profiles import TrainingProfile, Trainings, load_training
from sim.mlops.models.training import TrainingWindow
from sim.mlops.models.tuning import search_first_recipe
from sim.mlops.records.business import choose_offers
from sim.mlops.records.jobs import FIRST_JOB, Alias, Deployed, Job, Validation, deployed
from sim.mlops.records.log import MemoryLog
from sim.mlops.records.record import Record, Served, StepRow, Tally, tally
from sim.mlops.records.registry import MemoryRegistry
from sim.mlops.statistics.overlap import Sample
from sim.mlops.statistics.stability import Reference
from sim.study.replay.memory import LifeMemory, Memory
from sim.world.labels import LabelEvents
from sim.world.recorded import RecordedPopulation
from sim.world.schema.columns import Matrix
from sim.world.world import World

T = TypeVar("T")
_FIRST = 0
_BEFORE_ALL_LABELS = -1


def check_replayable(profile: GateProfile) -> None:
    """Raise `InputError` if a profile enforces a wall clock, which no replay can reproduce."""
    if profile.enforces("latency_ms"):
        msg = f"replay can't enforce a wall clock, but the gates {profile.name!r} enforce latency_ms; play it live."
        raise InputError(msg)


@dataclass(frozen=True, slots=True)
class Scored:
    """What a model says of one batch, and who gets an offer for it."""

    probability: Matrix
    prediction: NDArray[np.bool_]
    offered: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Beginning:
    """The first champion, and the labelled warm-up that it was trained on."""

    first: Job
    model: Model
    recipe: Recipe
    warmup: tuple[Cohort, ...]


class Replay:
    """One world and its first champion, with everything that was ever computed for a policy that lived in it.

    Results are known by what went into them (`Memory`). Without feedback a model is known by the step that asked for
    it. Where what a policy served changes what its later models learn from (`offers.feed_back`), all that was served
    before goes into the key (`LifeMemory`): still right, only less is shared.

    Parameters
    ----------
    world
        The world; it should keep all its steps in memory (`kept_steps=None`).
    trials
        Trials of the search for the first champion's recipe, as in a live run; 0 takes the scenario's own.
    """

    def __init__(self, world: World, trials: int = 0) -> None:
        self.world = world
        self.trials = trials
        self.has_feedback = world.scenario.offers.feed_back
        self.memory = Memory()

    def labels(self, served: Served) -> LabelEvents:
        """Return the news of a batch, which depends on who got an offer."""
        key, kept = (served.step, served.offered.tobytes()), self.memory.labels
        if key not in kept:
            kept[key] = self.world.labels(served.step, served.offered)
        return kept[key]

    def model(self, number: int) -> Model:
        """Return a model by its number; the first champion's is 0."""
        return self.beginning.model if number == _FIRST else self.memory.models[number]

    @property
    def beginning(self) -> Beginning:
        """The first champion; its gates are those of the profile `none`."""
        return self.memory.computed_once("beginning", self._begin)

    def state(self, profile: GateProfile) -> State:
        """Return the state before step 0, with the first champion's verdict under a gate profile."""
        first = self.memory.computed_once(("first", profile), lambda: self._first(profile))
        return State(first=first, champion=deployed(first))

    def trainings(self, training: TrainingProfile | None = None, named: Collection[str] = ()) -> Trainings:
        """Return the training profiles of a life: the one given or the scenario's, and those that a policy names."""
        return Trainings.of(training or load_training(self.world.scenario.training.profile), named)

    def play(
        self,
        policy: Policy,
        profile: GateProfile,
        training: TrainingProfile | None = None,
        known: Sequence[TrainingProfile] = (),
    ) -> tuple[Job, tuple[StepRow, ...]]:
        """Let a policy live in this world and return the first job and every step.

        Retrainings whose decision names no training profile learn by `training`, the scenario's if it is `None`.
        Names are looked up among the `known` profiles first.

        Raises
        ------
        InputError
            If the profile enforces a wall clock, which no replay can reproduce.
        """
        check_replayable(profile)
        state = self.state(profile)
        policy.deployed(FIRST_JOB)
        book = {each.name: each for each in known}
        named = self.trainings(training, trainings_named(policy) - set(book))
        platform = ReplayPlatform(self, profile, replace(named, named={**named.named, **book}))
        return state.first, tuple(play(platform, policy, state))

    def record(
        self,
        policy: Policy,
        profile: GateProfile,
        name: str,
        policy_toml: str = "",
        training: TrainingProfile | None = None,
        known: Sequence[TrainingProfile] = (),
    ) -> Record:
        """Let a policy live in this world and return its record; `name` and `policy_toml` say what it is."""
        first, rows = self.play(policy, profile, training, known)
        world = self.world
        return Record(
            scenario=world.scenario,
            population=world.population.name,
            seed=world.seed,
            policy=name,
            policy_toml=policy_toml,
            gates=profile.name,
            training=self.trainings(training).default.name,
            trials=self.trials,
            first=first,
            steps=rows,
            is_recorded=world.population.is_recorded,
        )

    def _begin(self) -> Beginning:
        world, log, registry = self.world, MemoryLog(), MemoryRegistry()
        validator = Validator(world, log, load_profile("none"))
        trainer = Trainer(world, log, change_finder(world, log, registry))
        platform = LocalPlatform(world, log, registry, trainer, validator, Monitor(world, log, registry))
        logged = _logged_model(world)
        recipe = world.scenario.recipe
        state = begin(platform, self._choose_recipe) if logged is None else begin_with(platform, logged, recipe)
        first = state.first
        warmup = tuple(log.cohorts(world.warmup))
        return Beginning(first, registry.model(first.version), registry.recipe(first.version), warmup)

    def _choose_recipe(self, warmup: LabelledRows) -> Recipe:
        if self.trials == 0:
            return self.world.scenario.recipe
        return search_first_recipe(self.world, warmup, self.trials).recipe

    def _first(self, profile: GateProfile) -> Job:
        life, beginning = ReplayPlatform(self, profile), self.beginning
        return replace(beginning.first, meeting=life.validator.validate(0, beginning.model, None))


def _logged_model(world: World) -> LoggedModel | None:
    """Return the model whose answers a log kept, `None` for a world that is none of a log."""
    population = world.population
    if not isinstance(population, RecordedPopulation) or population.served is None:
        return None
    served = population.served
    model = LoggedModel.of(world.schema, population.table.features, served.score, served.threshold)
    for step in world.steps:
        own = served.take(population.rows(step + world.scenario.time.warmup_steps))
        model.answers[step] = (own.score, own.predicted)
    return model


class ReplayPlatform:
    """The platform of one policy in a replayed world; it implements `Platform` and computes nothing twice."""

    def __init__(self, replay: Replay, profile: GateProfile, trainings: Trainings | None = None) -> None:
        self.world = replay.world
        self.journal: Journal = NoJournal()
        self.log = _ReplayLog(replay)
        self._memory = LifeMemory(replay.memory, has_feedback=replay.has_feedback)
        self.validator = Validator(replay.world, self.log, profile, scores=self._memory.scores)
        self._replay = replay
        self._profile = profile
        self._trainings = trainings or replay.trainings()
        self.changes = ChangeFinder(replay.world, self.log, self._first_scores)
        self._trainer = Trainer(replay.world, self.log, self.changes)
        monitor = Monitor(replay.world, self.log, self, self._reference)
        self._observer = Observer(replay.world, self.log, self, monitor, self.changes, self._remembered)
        self._models = [_FIRST]
        self._candidates: dict[str, list[int]] = {}

    def fork(self) -> "ReplayPlatform":
        """Return a platform with the same past, whose life may go another way from here on."""
        other = ReplayPlatform(self._replay, self._profile, self._trainings)
        other.log.served, other.log.today = [*self.log.served], self.log.today
        other.log.quarantined = self.log.quarantined
        other._memory, other._models = self._memory.fork(), [*self._models]
        return other

    def serve(self, step: int, champion: Deployed) -> Served:
        """Answer the batch of a step, and send the offers out."""
        served = self.would_serve(step, champion)
        self.log.served.append(served)
        self._memory.has_served(self._models[champion.version - 1])
        return served

    def would_serve(self, step: int, model: Deployed) -> Served:
        """Return what a model would serve at a step."""
        scored = self._scored(step, self._models[model.version - 1])
        return Served(step, model.job, model.version, scored.probability, scored.prediction, scored.offered)

    def settle(self, served: Served) -> Tally:
        """Count the step; the labels are on their way by themselves."""
        world, step = self.world, served.step
        key = ("tally", step, self._models[served.version - 1])
        return self._memory.of_world(key, lambda: tally(world.batch(step), world.truth(step), served))

    def receive(self, day: int) -> int:
        """Count the labels that arrive on a day; they can be seen from now on."""
        arrived = self._memory.of_life(("arrived", self.log.today, day), lambda: self._count_arrivals(day))
        self.log.today = day
        return arrived

    def observe(self, step: int, champion: Deployed, *, job_open: bool, wants: Wants) -> Observation:
        """Measure what is visible at a step, and of the signals on request those that are wanted."""
        return self._observer.observe(step, champion, job_open=job_open, wants=wants)

    def train(self, job: Job, champion: Deployed) -> Job:  # noqa: ARG002 - every model of a world has one recipe
        """Train a job's model on the labels visible at its step."""
        profile = self._trainings.find(job.training)
        trained = [self._trained(job.requested_step, each) for each in profile.entrants]
        numbers, windows = [number for number, _ in trained], [window for _, window in trained]
        if profile.challengers:
            self._candidates[job.name] = numbers
            return entered(job, windows)
        self._models += numbers
        return replace(job, window=windows[0], version=len(self._models))

    def choose(self, step: int, job: Job) -> Job:
        """Let the choosing rows choose."""
        share, numbers = self._trainings.find(job.training).choosing_share, tuple(self._candidates[job.name])
        models = [self._replay.model(number) for number in numbers]
        losses = self._memory.of_life(
            ("log_losses", step, numbers, share), lambda: self.validator.log_losses(step, models, share)
        )
        chosen, index = best_of(job, losses)
        self._models.append(numbers[index])
        return replace(chosen, version=len(self._models))

    def recalibrate(self, job: Job, champion: Deployed) -> Job:
        """Calibrate the champion's trees anew on the labels visible at the job's step."""
        step, base, recipe = job.requested_step, self._models[champion.version - 1], self._replay.beginning.recipe
        model = self._replay.model(base)
        number, window = self._made(
            ("recalibrated", step, base), lambda: self._trainer.recalibrate(step, model, recipe)
        )
        self._models.append(number)
        return replace(job, window=window, version=len(self._models))

    def quarantine(self, step: int) -> None:
        """Set the batch of a step apart."""
        self.log.quarantined |= {step}
        self._memory.has_set_apart(step)

    def validate(self, step: int, job: Job, champion: Deployed, best: Deployed) -> Validation:
        """Have a job's model meet the gates."""
        challenger, other = self._models[job.version - 1], self._models[champion.version - 1]
        asked = best if self._profile.enforces("f1_against_best") else None
        anchor = self._models[asked.version - 1] if asked else None
        share = self._trainings.find(job.training).choosing_share if job.challengers else 0.0
        return self._memory.of_life(
            ("validated", self._profile, step, challenger, other, anchor, share),
            lambda: self.validator.validate(
                step,
                self.model(job.version),
                self.model(champion.version),
                self.model(asked.version) if asked else None,
                choosing_share=share,
            ),
        )

    def move(self, alias: Alias, model: Deployed) -> None:
        """Keep nothing: the record has it."""

    def describe(self, job: Job) -> None:
        """Keep nothing: the record has it."""

    def model(self, version: int) -> Model:
        """Return the model of a version of this life."""
        return self._replay.model(self._models[version - 1])

    def _reference(self, champion: Deployed) -> Reference:
        key = ("reference", self._models[champion.version - 1], champion.gate_steps)
        return self._memory.of_world(key, lambda: make_reference(self.world, self.log, self, champion))

    def _trained(self, step: int, profile: TrainingProfile) -> tuple[int, TrainingWindow]:
        """Return the number and the window of the model of a step and profile, trained once."""
        recipe = self._replay.beginning.recipe
        return self._made(("trained", step, profile), lambda: self._trainer.train(step, recipe, profile))

    def _made(self, key: Hashable, make: Callable[[], Trained]) -> tuple[int, TrainingWindow]:
        """Return the number and the window of a model that is made once."""
        trained = self._memory.of_life(key, make)
        return self._memory.model_of_life(key, trained.model), trained.window

    def _first_scores(self, cohort: Cohort) -> Matrix:
        """Return the first model's probabilities for a cohort, which are those of a life in which it serves."""
        step = cohort.step
        if step >= 0:
            return self._scored(step, _FIRST).probability
        features = cohort.features
        return self._memory.of_world(("first_scores", step), lambda: self._replay.model(_FIRST).probability(features))

    def _remembered(self, key: Hashable, version: int, compute: Callable[[], T]) -> T:
        """Return what was measured of the model of a version."""
        return self._memory.of_life((key, self._models[version - 1]), compute)

    def _scored(self, step: int, model: int) -> Scored:
        return self._memory.of_world(("scored", step, model), lambda: self._score(step, model))

    def _score(self, step: int, model: int) -> Scored:
        batch, scorer = self.world.batch(step), self._replay.model(model)
        served = scorer.served(step) if isinstance(scorer, LoggedModel) else None
        probability = scorer.probability(batch.features) if served is None else served[0]
        prediction = scorer.decide(probability) if served is None else served[1]
        offered = choose_offers(self.world.scenario.offers, probability, batch.held_out)
        return Scored(probability, prediction, offered)

    def _count_arrivals(self, day: int) -> int:
        before = self.log.today
        events = (self._replay.labels(served) for served in self.log.served)
        return sum(int(np.count_nonzero((e.arrives_at > before) & (e.arrives_at <= day))) for e in events)


class _ReplayLog:
    """The inference log of one life, put together only when something must be computed from it."""

    def __init__(self, replay: Replay) -> None:
        self.served: list[Served] = []
        self.today = _BEFORE_ALL_LABELS
        self.quarantined: frozenset[int] = frozenset()
        self._replay = replay

    def cohorts(self, steps: Sequence[int]) -> list[Cohort]:
        """Return the cohorts of these steps, as known today."""
        warmup = self._replay.beginning.warmup
        return [self._cohort(step) if step >= 0 else warmup[step] for step in steps]

    def outcomes(self, step: int) -> KnownOutcomes:
        """Return the answers and labels of a scored step."""
        return self._cohort(step).outcomes

    def newest_step_scored_by(self, job: str, newest: int) -> int | None:
        """Return the newest step, up to `newest`, of which the job's model scored a customer."""
        for step in range(min(newest, len(self.served) - 1), -1, -1):
            if self.served[step].job == job and len(self.served[step].prediction):
                return step
        return None

    def newest_labelled_step(self) -> int:
        """Return the newest step of which a label is known today."""
        for served in reversed(self.served):
            if (self._replay.labels(served).arrives_at <= self.today).any():
                return served.step
        return -1

    def arrived_at(self, step: int) -> Matrix:
        """Return the first step day on or after each label's date that has come, which is when it is joined."""
        served, step_days = self.served[step], self._replay.world.scenario.time.step_days
        here = self._replay.labels(served)
        here = here.take(here.arrives_at <= self.today)
        arrived = np.full(len(served.prediction), np.nan)
        arrived[here.row] = -(-here.arrives_at // step_days) * step_days
        return arrived

    def _cohort(self, step: int) -> Cohort:
        served, batch = self.served[step], self._replay.world.batch(step)
        events = self._replay.labels(served)
        return Cohort(
            step=step,
            kept=Sample(batch.customer_id, batch.features),
            holdout=batch.holdout,
            held_out=batch.held_out,
            offered=served.offered,
            probability=served.probability,
            prediction=served.prediction,
            label=events.known(self.today, len(batch.customer_id)),
        )
