"""Training: which rows a model sees, and how it is fitted."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from scenarios.schema import Offers, Prices, Recipe, Training
from sim.mlops.models.cohort import Cohort, LabelledRows, Rows, labelled_rows, rows_of, trainable
from sim.mlops.models.model import Model, threads
from sim.mlops.statistics.change import Change
from sim.world.schema.columns import Matrix, Schema, without_unseen
from sim.world.schema.lots import lots

INNER_VALIDATION_SHARE = 0.25
LEAST_ROWS = 10  # of fewer, LightGBM's bagging might draw none, and a part tells little
_LIGHTGBM_FIXED = {
    "objective": "binary",
    "metric": "binary_logloss",
    "verbosity": -1,
    "deterministic": True,
    "force_row_wise": True,
}
_STORABLE = re.compile(r"\w[\w.()/%+-]*")
_NOT_LIGHTGBM = {"rounds", "threshold_rule", "search_objective"}


@dataclass(frozen=True, slots=True)
class TrainingWindow:
    """Which rows a model was trained on, and why these; the rows themselves stay in the log.

    `profile` names the training profile that chose them (empty for the first model and for recalibrations), `change`
    is the newest change that the labels showed on that day, where the profile asks for it, and `effective_rows` how
    many equal rows the weighted ones are worth (Kish: the squared sum of weights over the sum of their squares).
    """

    recent_steps: tuple[int, ...]
    historical_steps: tuple[int, ...]
    n_recent: int
    n_historical: int
    profile: str = ""
    change: Change | None = None
    effective_rows: float | None = None


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Rows sorted by (`scored_at`, `customer_id`), and where they come from."""

    rows: LabelledRows
    window: TrainingWindow


def first_training_data(warmup: Sequence[Cohort], offers: Offers) -> TrainingData:
    """Return all non-holdout rows of the warm-up, which the first champion is trained on."""
    rows = labelled_rows(warmup, offers, holdout=False)
    steps = tuple(cohort.step for cohort in warmup)
    return TrainingData(rows, TrainingWindow(steps, (), len(rows.label), 0))


def training_data(
    complete: Sequence[Cohort], training: Training, offers: Offers, rng: np.random.Generator
) -> TrainingData:
    """Return the recent rows and a random share of the older ones, without the holdout.

    Recent are the newest `recent_cohorts` complete cohorts that have a row to learn from, historical all older ones.
    With share r of recent rows, n recent rows are joined by floor(n (1 - r) / r) historical ones; with too few of
    these the recent rows are subsampled to keep the mix, and with none all recent rows are used.

    Parameters
    ----------
    complete
        The label-complete cohorts in order of time, the warm-up first; at least one.
    training
        The mix.
    offers
        Which labels are learnt from, and how much each counts.
    rng
        The training stream of the step.
    """
    cohorts, usable = with_rows(complete, offers)
    recent, older = usable[-training.recent_cohorts :], usable[: -training.recent_cohorts]
    n_recent, n_older = mixed_counts(total(recent), total(older), training.recent_share)
    chosen = _drawn(rng, older, n_older) + _drawn(rng, recent, n_recent)
    return TrainingData(
        rows_of(cohorts, chosen, offers),
        TrainingWindow(
            tuple(cohort.step for cohort in cohorts[-training.recent_cohorts :]),
            tuple(cohort.step for cohort in cohorts[: -training.recent_cohorts]),
            n_recent,
            n_older,
        ),
    )


def with_rows(complete: Sequence[Cohort], offers: Offers) -> tuple[list[Cohort], Rows]:
    """Return the cohorts that have a row to learn from, and these rows of each."""
    rows = [(cohort, trainable(cohort, offers)) for cohort in complete]
    found = [(cohort, own) for cohort, own in rows if len(own)]
    return [cohort for cohort, _ in found], [own for _, own in found]


def mixed_counts(n_recent: int, n_older: int, recent_share: float) -> tuple[int, int]:
    """Return how many recent and older rows keep the mix.

    >>> mixed_counts(2400, 5000, 0.7)
    (2400, 1028)
    >>> mixed_counts(2400, 300, 0.7)
    (700, 300)
    >>> mixed_counts(2400, 0, 0.7)
    (2400, 0)
    """
    wanted = _floor(n_recent * (1 - recent_share) / recent_share)
    if n_older >= wanted or n_older == 0:
        return n_recent, min(wanted, n_older)
    return _floor(n_older * recent_share / (1 - recent_share)), n_older


def fit(rows: LabelledRows, recipe: Recipe, prices: Prices, schema: Schema, seed: int) -> Model:
    """Return a model trained on the rows.

    The threshold is 0.5 (`half`), or the one that does best on an inner validation part, split by customer, for a
    model of the same recipe trained on the rest (`f1`, `profit`); 0.5 where either part has fewer than ten rows.
    """
    return Model(boosted(rows, recipe, schema, seed), _threshold(rows, recipe, prices, schema, seed), schema)


def boosted(rows: LabelledRows, recipe: Recipe, schema: Schema, seed: int) -> str:
    """Return the text of LightGBM trees trained on all rows for the recipe's number of rounds."""
    parameters = lightgbm_parameters(recipe, seed, len(rows.label))
    booster = lgb.train(
        parameters, dataset(rows, schema), num_boost_round=recipe.rounds, keep_training_booster=True
    )  # else LightGBM writes and reads the trees once more
    return str(booster.model_to_string())


def lightgbm_parameters(recipe: Recipe, seed: int, n_rows: int) -> dict[str, object]:
    """Return LightGBM's parameters for a recipe; equal rows give equal trees on any number of threads."""
    run = {"seed": seed, "num_threads": threads(n_rows)}
    whole = {"bagging_freq": 0} if n_rows < LEAST_ROWS else {}
    return {**_LIGHTGBM_FIXED, **recipe.model_dump(exclude=_NOT_LIGHTGBM), **run, **whole}


def dataset(rows: LabelledRows, schema: Schema) -> lgb.Dataset:
    """Return the rows as LightGBM sees them: categories as categories of a fixed vocabulary."""
    weight = None if (rows.weight == 1).all() else rows.weight.astype(np.float64)
    if rows.emphasis is not None:
        weight = rows.weight * rows.emphasis
    return lgb.Dataset(
        without_unseen(rows.features),
        label=rows.label.astype(np.float64),
        weight=weight,
        feature_name=_stored_names(schema),
        categorical_feature=list(schema.category_positions),
    )


def _stored_names(schema: Schema) -> list[str]:
    """Return the names of the features; numbered ones where LightGBM would refuse a name or change it."""
    if all(_STORABLE.fullmatch(name) for name in schema.names):
        return list(schema.names)
    return [f"column_{index}" for index in range(len(schema.names))]


def inner_split(rows: LabelledRows) -> tuple[LabelledRows, LabelledRows]:
    """Return (train, validation) parts split by a hash of the customer, so that no customer is in both."""
    validates = lots(rows.customer_id, "inner-validation") < INNER_VALIDATION_SHARE
    return rows.take(np.flatnonzero(~validates)), rows.take(np.flatnonzero(validates))


def best_threshold(
    label: NDArray[np.bool_], probability: Matrix, rule: str, prices: Prices, emphasis: Matrix | None = None
) -> float:
    """Return the threshold with the highest F1 (`f1`) or expected profit of offers (`profit`) on these rows.

    Every distinct probability is tried; of equally good thresholds the highest is returned. Rows matter alike unless
    `emphasis` says how much each does.
    """
    order = np.argsort(-probability, kind="stable")
    weight = np.ones(len(label)) if emphasis is None else emphasis[order]
    hits = np.cumsum(label[order] * weight)
    chosen = np.cumsum(weight)
    if rule == "f1":
        value = 2 * hits / (chosen + hits[-1])
    else:
        value = hits * prices.success_rate * prices.customer_value - chosen * prices.offer_cost
    is_last_of_ties = np.append(np.diff(probability[order]) != 0, True)
    return float(probability[order][np.argmax(np.where(is_last_of_ties, value, -np.inf))])


def _threshold(rows: LabelledRows, recipe: Recipe, prices: Prices, schema: Schema, seed: int) -> float:
    if recipe.threshold_rule == "half":
        return 0.5
    train, validation = inner_split(rows)
    if min(len(train.label), len(validation.label)) < LEAST_ROWS:
        return 0.5
    trial = Model(boosted(train, recipe, schema, seed), 0.5, schema)
    counted = validation.repeated()
    probability = trial.probability(counted.features)
    return best_threshold(counted.label, probability, recipe.threshold_rule, prices, counted.emphasis)


def _drawn(rng: np.random.Generator, rows: Rows, n_drawn: int) -> Rows:
    """Return `n_drawn` of the rows of each cohort, in the same order; nothing is drawn where all are wanted."""
    n_rows = total(rows)
    if n_drawn == n_rows:
        return rows
    drawn = np.sort(rng.choice(n_rows, size=n_drawn, replace=False))
    starts = np.cumsum([0, *map(len, rows)])
    cuts = np.searchsorted(drawn, starts)
    return [own[drawn[cuts[index] : cuts[index + 1]] - starts[index]] for index, own in enumerate(rows)]


def total(rows: Rows) -> int:
    """Return how many rows there are in all."""
    return sum(map(len, rows))


def _floor(value: float) -> int:
    """Round down, forgiving the last bits of a share such as 0.7 that binary numbers can't hold."""
    return int(value + 1e-9)
