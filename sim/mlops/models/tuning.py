"""Tuning: the search for the first champion's recipe."""

from collections.abc import Callable
from dataclasses import dataclass

import lightgbm as lgb
import numpy as np
import optuna

from scenarios.schema import Prices, Recipe
from sim.mlops.models.cohort import LabelledRows
from sim.mlops.models.training import best_threshold, dataset, inner_split, lightgbm_parameters
from sim.mlops.statistics.metrics import f1
from sim.world.schema.columns import Schema, without_unseen
from sim.world.world import World

MAX_ROUNDS = 300
EARLY_STOPPING_ROUNDS = 30


@dataclass(frozen=True, slots=True)
class Search:
    """The best recipe of a search, and the loss of every trial in order."""

    recipe: Recipe
    losses: tuple[float, ...]


def search_first_recipe(
    world: World, warmup: LabelledRows, trials: int, on_trial: Callable[[int], None] = lambda _: None
) -> Search:
    """Search the recipe of a world's first champion, by the world's own stream: live and replay find the same.

    `on_trial` hears how many trials are done.
    """
    scenario = world.scenario
    return search_recipe(
        *(warmup, scenario.recipe, scenario.prices, world.schema),
        trials=trials,
        seed=world.streams.integer("search"),
        on_trial=on_trial,
    )


def search_recipe(
    rows: LabelledRows,
    base: Recipe,
    prices: Prices,
    schema: Schema,
    *,
    trials: int,
    seed: int,
    on_trial: Callable[[int], None] = lambda _: None,
) -> Search:
    """Return the recipe with the lowest loss on an inner validation part of the rows, split by customer.

    Optuna's TPE sampler with a seed, one trial at a time, no pruner and no time limit, so that equal rows and seeds
    give an equal recipe. The loss is the log-loss, or 1 - F1 at the recipe's threshold (`base.search_objective`). The
    number of rounds is the best iteration under early stopping by log-loss. `base` gives what is not searched.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    train, validation = inner_split(rows)
    study = optuna.create_study(direction="minimize", sampler=optuna.samplers.TPESampler(seed=seed))

    losses = []

    def objective(trial: optuna.Trial) -> float:
        recipe = base.model_copy(update=_suggest(trial))
        booster = _early_stopped(recipe, train, validation, schema, seed)
        trial.set_user_attr("rounds", booster.best_iteration)
        log_loss = float(booster.best_score["valid_0"]["binary_logloss"])
        is_f1 = recipe.search_objective == "f1"
        losses.append(1 - _f1(booster, recipe, prices, validation) if is_f1 else log_loss)
        return losses[-1]

    study.optimize(objective, n_trials=trials, callbacks=[lambda _, trial: on_trial(trial.number + 1)])
    found = {**study.best_params, "rounds": study.best_trial.user_attrs["rounds"]}
    return Search(base.model_copy(update=found), tuple(losses))


def _early_stopped(
    recipe: Recipe, train: LabelledRows, validation: LabelledRows, schema: Schema, seed: int
) -> lgb.Booster:
    train_set = dataset(train, schema)
    return lgb.train(
        lightgbm_parameters(recipe, seed, len(train.label)),
        train_set,
        num_boost_round=MAX_ROUNDS,
        valid_sets=[train_set.create_valid(without_unseen(validation.features), validation.label.astype(float))],
        callbacks=[lgb.early_stopping(EARLY_STOPPING_ROUNDS, verbose=False)],
        keep_training_booster=True,
    )


def _f1(booster: lgb.Booster, recipe: Recipe, prices: Prices, rows: LabelledRows) -> float:
    """Return the F1 at the threshold that the recipe's rule would set on these rows."""
    scores = booster.predict(without_unseen(rows.features), num_iteration=booster.best_iteration)
    probability = np.asarray(scores, dtype=np.float64)
    rule = recipe.threshold_rule
    threshold = 0.5 if rule == "half" else best_threshold(rows.label, probability, rule, prices)
    return f1(rows.label, probability >= threshold) or 0.0


def _suggest(trial: optuna.Trial) -> dict[str, float | int]:
    """Sample the search space of the proposal."""
    return {
        "num_leaves": trial.suggest_int("num_leaves", 20, 150),
        "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.3, log=True),
        "feature_fraction": trial.suggest_float("feature_fraction", 0.5, 1.0),
        "bagging_fraction": trial.suggest_float("bagging_fraction", 0.5, 1.0),
        "bagging_freq": trial.suggest_int("bagging_freq", 1, 7),
        "min_child_samples": trial.suggest_int("min_child_samples", 5, 100),
        "max_depth": trial.suggest_int("max_depth", 3, 12),
        "lambda_l1": trial.suggest_float("lambda_l1", 0.0, 10.0),
        "lambda_l2": trial.suggest_float("lambda_l2", 0.0, 10.0),
    }
