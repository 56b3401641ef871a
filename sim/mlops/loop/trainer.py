"""The trainer: turns what the log knows on a day into a model."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from scenarios.schema import Recipe
from sim.mlops.loop.change_finder import ChangeFinder
from sim.mlops.models.cohort import Cohort, labelled_rows
from sim.mlops.models.model import Model
from sim.mlops.models.profiles import TrainingProfile
from sim.mlops.models.recalibration import fit_scaling
from sim.mlops.models.selection import Known, select_rows
from sim.mlops.models.thinning import thinned
from sim.mlops.models.training import (
    TrainingData,
    TrainingWindow,
    best_threshold,
    first_training_data,
    fit,
)
from sim.mlops.records.log import LogReader, usable_steps
from sim.mlops.records.quarantine import without_quarantined
from sim.world.world import World


@dataclass(frozen=True, slots=True)
class Trained:
    """A model and the window of rows that it was trained on."""

    model: Model
    window: TrainingWindow


class Trainer:
    """Trains on the label-complete cohorts of a log, with a random stream for each step.

    Profiles share the stream of a step: what sets their models apart is the rows alone.
    """

    def __init__(self, world: World, log: LogReader, changes: ChangeFinder) -> None:
        self._world = world
        self._log = log
        self.changes = changes

    def first_data(self) -> TrainingData:
        """Return the rows of the first champion."""
        scenario = self._world.scenario
        data = first_training_data(self._log.cohorts(self._world.warmup), scenario.offers)
        return thinned(data, scenario.training.max_rows, self._world.streams.generator("thinning", -1))

    def train_first(self, recipe: Recipe) -> Trained:
        """Train the first champion on the warm-up."""
        return self._fit(self.first_data(), recipe, self._world.streams.integer("training", -1))

    def train(self, step: int, recipe: Recipe, profile: TrainingProfile) -> Trained:
        """Train a challenger on the labels visible at `step`, on the rows that a profile takes."""
        (trained,) = self.train_each(step, recipe, [profile])
        return trained

    def train_each(self, step: int, recipe: Recipe, profiles: Sequence[TrainingProfile]) -> list[Trained]:
        """Train a challenger for each of several profiles; what is visible at `step` is read once for all of them."""
        cohorts = self._log.cohorts(self._usable_steps(step))
        return [self._train(step, recipe, profile, cohorts) for profile in profiles]

    def _train(self, step: int, recipe: Recipe, profile: TrainingProfile, cohorts: Sequence[Cohort]) -> Trained:
        world = self._world
        scenario = world.scenario
        known = Known(
            cohorts=cohorts,
            training=scenario.training,
            offers=scenario.offers,
            schema=world.schema,
            step_days=scenario.time.step_days,
            rng=world.streams.generator("training_rows", step),
            change=lambda level: self.changes.among(cohorts, level),
            today=lambda: self._log.cohorts([step])[0].sample,
        )
        thinning = world.streams.generator("thinning", step)
        data = thinned(select_rows(profile, known), scenario.training.max_rows, thinning)
        return self._fit(data, recipe, world.streams.integer("training", step))

    def recalibrate(self, step: int, model: Model, recipe: Recipe) -> Trained:
        """Return a model's trees with a new scaling and threshold, by the newest labels visible at `step`.

        Where there is no labelled row to learn from, the model stays as it is.
        """
        scenario = self._world.scenario
        steps = self._usable_steps(step)[-scenario.training.recent_cohorts :]
        rows = labelled_rows(self._log.cohorts(steps), scenario.offers, holdout=False).repeated()
        window = TrainingWindow(tuple(steps), (), len(rows.label), 0)
        if not len(rows.label):
            return Trained(model, window)
        scaling = fit_scaling(replace(model, scaling=None).probability(rows.features), rows.label)
        scaled = replace(model, scaling=scaling)
        threshold = 0.5
        if recipe.threshold_rule != "half":
            scores = scaled.probability(rows.features)
            threshold = best_threshold(rows.label, scores, recipe.threshold_rule, scenario.prices)
        return Trained(replace(scaled, threshold=threshold), window)

    def _usable_steps(self, step: int) -> list[int]:
        usable = usable_steps(self._world.scenario, self._log, self._world.day(step))
        return without_quarantined(usable, self._log)

    def _fit(self, data: TrainingData, recipe: Recipe, seed: int) -> Trained:
        model = fit(data.rows, recipe, self._world.scenario.prices, self._world.schema, seed)
        return Trained(model, data.window)
