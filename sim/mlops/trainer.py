"""The trainer: turns what the log knows on a day into a model."""

from dataclasses import dataclass

from scenarios.schema import Recipe
from sim.mlops.log import LogReader, usable_steps
from sim.mlops.model import Model
from sim.mlops.training import TrainingData, TrainingWindow, first_training_data, fit, training_data
from sim.world.world import World


@dataclass(frozen=True, slots=True)
class Trained:
    """A model and the window of rows that it was trained on."""

    model: Model
    window: TrainingWindow


class Trainer:
    """Trains on the label-complete cohorts of a log, with a random stream for each step."""

    def __init__(self, world: World, log: LogReader) -> None:
        self._world = world
        self._log = log

    def first_data(self) -> TrainingData:
        """Return the rows of the first champion."""
        return first_training_data(self._log.cohorts(self._world.warmup), self._world.scenario.offers)

    def train_first(self, recipe: Recipe) -> Trained:
        """Train the first champion on the warm-up."""
        return self._fit(self.first_data(), recipe, self._world.streams.integer("training", -1))

    def train(self, step: int, recipe: Recipe) -> Trained:
        """Train a challenger on the labels visible at `step`."""
        world = self._world
        scenario = world.scenario
        cohorts = self._log.cohorts(usable_steps(scenario, self._log, world.day(step)))
        rng = world.streams.generator("training_rows", step)
        data = training_data(cohorts, scenario.training, scenario.offers, rng)
        return self._fit(data, recipe, world.streams.integer("training", step))

    def _fit(self, data: TrainingData, recipe: Recipe, seed: int) -> Trained:
        model = fit(data.rows, recipe, self._world.scenario.prices, self._world.schema, seed)
        return Trained(model, data.window)
