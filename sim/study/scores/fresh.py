"""Fresh: the F1 that a model would have that was trained on today's truth today."""

from math import fsum

import numpy as np

from scenarios.schema import Scenario
from sim.mlops.models.cohort import LabelledRows
from sim.mlops.models.model import Model
from sim.mlops.models.training import fit
from sim.mlops.statistics.metrics import expected_f1
from sim.study.replay.replay import Replay
from sim.world.injectors.customers import numbered
from sim.world.world import HOLDOUT_SHARE

TRAINING_SEEDS = 3


def fresh_f1(replay: Replay, step: int) -> float | None:
    """Return the expected F1 on the customers of a step of a model without any delay, as a mean over three models.

    Each is trained on as many rows as a retraining would use, drawn from the covariates and the mechanism of the
    step, with labels at once and the first champion's recipe; never on the scored batch itself. It is trained on and
    sees customers as they are, without any quality fault. Missing where nobody came.
    """
    return replay.memory.computed_once(("fresh", step), lambda: _mean_f1(replay, step))


def _mean_f1(replay: Replay, step: int) -> float | None:
    if not len(replay.world.truth(step).propensity):
        return None
    return fsum(_one_f1(replay, step, draw) for draw in range(TRAINING_SEEDS)) / TRAINING_SEEDS


def _one_f1(replay: Replay, step: int, draw: int) -> float:
    model, truth = fresh_model(replay, step, draw), replay.world.truth(step)
    return expected_f1(truth.propensity, model.decide(model.probability(truth.features))) or 0.0


def fresh_model(replay: Replay, step: int, draw: int) -> Model:
    """Return one of the models of `fresh_f1`: each number `draw` has rows and a training seed of its own."""
    world = replay.world
    fresh = world.fresh_rows(step, retraining_rows(world.scenario), draw)
    rows = LabelledRows.alike(numbered("F", np.arange(len(fresh.churns)), 8), fresh.features, fresh.churns)
    seed = world.streams.integer("fresh_training", step, draw)
    return fit(rows, replay.beginning.recipe, world.scenario.prices, world.schema, seed)


def retraining_rows(scenario: Scenario) -> int:
    """Return how many rows a retraining uses: the recent ones that are not in the holdout, and the historical.

    Of a step of `time.customers` with all its labels: what a growing world, lost labels or a cure of
    `offers.learn_from` make of it is part of what a policy loses against a fresh model.
    """
    recent = scenario.training.recent_cohorts * scenario.time.customers * (1 - HOLDOUT_SHARE)
    rows = int(recent / scenario.training.recent_share)
    return min(rows, scenario.training.max_rows or rows)
