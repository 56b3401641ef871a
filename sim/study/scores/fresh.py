"""Fresh: the F1 that a model would have that was trained on today's truth today."""

from collections.abc import Sequence
from math import fsum, sqrt

import numpy as np
from scipy import special

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
    draws = _draws(replay, step)
    return fsum(draws) / TRAINING_SEEDS if draws else None


def loss_noise(replay: Replay, steps: Sequence[int]) -> float:
    """Return how far fresh - never may lie from 0 at a step by the luck of training alone.

    That is the half-width of a 95 % interval of a difference between the mean of three fresh models and one model
    that was trained as they are: t sqrt(v (1 + 1/3)), with the variance v of fresh models of one step, pooled over
    the steps. 0 where nobody came.
    """
    known = [draws for step in steps if (draws := _draws(replay, step))]
    if not known:
        return 0.0
    variance = fsum(float(np.var(draws, ddof=1)) for draws in known) / len(known)
    quantile = float(special.stdtrit(len(known) * (TRAINING_SEEDS - 1), 0.975))
    return quantile * sqrt(variance * (1 + 1 / TRAINING_SEEDS))


def _draws(replay: Replay, step: int) -> tuple[float, ...]:
    """Return the F1 of each fresh model of a step, none where nobody came."""
    return replay.memory.computed_once(("fresh", step), lambda: _measured(replay, step))


def _measured(replay: Replay, step: int) -> tuple[float, ...]:
    if not len(replay.world.truth(step).propensity):
        return ()
    return tuple(_one_f1(replay, step, draw) for draw in range(TRAINING_SEEDS))


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
