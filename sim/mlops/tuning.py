"""Tuning: the search for the first champion's recipe."""

from dataclasses import dataclass

import lightgbm as lgb
import optuna

from scenarios.schema import Recipe
from sim.mlops.cohort import LabelledRows
from sim.mlops.training import dataset, inner_split, lightgbm_parameters
from sim.world.schema import Schema, without_unseen

MAX_ROUNDS = 300
EARLY_STOPPING_ROUNDS = 30


@dataclass(frozen=True, slots=True)
class Search:
    """The best recipe of a search, and the validation log-loss of every trial in order."""

    recipe: Recipe
    losses: tuple[float, ...]


def search_recipe(rows: LabelledRows, base: Recipe, schema: Schema, trials: int, seed: int) -> Search:
    """Return the recipe with the lowest log-loss on an inner validation part of the rows, split by customer.

    Optuna's TPE sampler with a seed, one trial at a time, no pruner and no time limit, so that equal rows and seeds
    give an equal recipe. The number of rounds is the best iteration under early stopping. `base` gives what is not
    searched (the threshold rule).
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    train, validation = inner_split(rows)
    study = optuna.create_study(direction="minimize", sampler=optuna.samplers.TPESampler(seed=seed))

    def objective(trial: optuna.Trial) -> float:
        recipe = base.model_copy(update=_suggest(trial))
        train_set = dataset(train, schema)
        booster = lgb.train(
            lightgbm_parameters(recipe, seed, len(train.label)),
            train_set,
            num_boost_round=MAX_ROUNDS,
            valid_sets=[train_set.create_valid(without_unseen(validation.features), validation.label.astype(float))],
            callbacks=[lgb.early_stopping(EARLY_STOPPING_ROUNDS, verbose=False)],
        )
        trial.set_user_attr("rounds", booster.best_iteration)
        return float(booster.best_score["valid_0"]["binary_logloss"])

    study.optimize(objective, n_trials=trials)
    found = {**study.best_params, "rounds": study.best_trial.user_attrs["rounds"]}
    return Search(base.model_copy(update=found), tuple(trial.value or 0.0 for trial in study.trials))


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
