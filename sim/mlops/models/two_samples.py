"""Two samples: whether a classifier can tell them apart, and what weights would make one like the other."""

from dataclasses import dataclass

import lightgbm as lgb
import numpy as np
from scipy.stats import mannwhitneyu, norm

from sim.mlops.models.model import threads
from sim.world.schema.columns import Matrix, Schema, without_unseen

ROUNDS = 30
FOLDS = 2
MOST_WEIGHT = 20.0
_PARAMETERS = {
    "objective": "binary",
    "verbosity": -1,
    "deterministic": True,
    "force_row_wise": True,
    "seed": 0,
    "num_leaves": 8,
    "learning_rate": 0.1,
    "min_child_samples": 20,
    "lambda_l2": 5.0,
}


@dataclass(frozen=True, slots=True)
class TwoSamples:
    """What a classifier found that tells today's rows from the reference.

    `auc` is the probability that it ranks a row of today above one of the reference, on rows that it was not trained
    on: 0.5 where there is no difference. `p_value` is the chance of an AUC as high without a difference. `weight` is
    the ratio of densities today / reference at each reference row, with a mean of 1.
    """

    auc: float
    p_value: float
    weight: Matrix


def compare_samples(schema: Schema, reference: Matrix, today: Matrix) -> TwoSamples | None:
    """Train a classifier on either half of both samples and let it judge the other; missing with too few rows.

    A classifier two-sample test (Lopez-Paz and Oquab, ICLR 2017) with the AUC in place of the accuracy: in each half
    the Mann-Whitney statistic is asymptotically normal under the null. The two z-values are averaged and taken for
    one: each half has judged the other, so they say nearly the same. The halves are every other row, so that the same
    samples give the same answer. The rows must be independent: one that is there twice may be learnt in one half and
    known again in the other.

    Parameters
    ----------
    schema
        The features.
    reference, today
        Encoded features, one row a customer.
    """
    if min(len(reference), len(today)) < 2 * FOLDS:
        return None
    scores, z_values, areas = np.empty(len(reference)), [], []
    for fold in range(FOLDS):
        old, new = (np.arange(len(rows)) % FOLDS == fold for rows in (reference, today))
        booster = _fitted(schema, reference[~old], today[~new])
        judged = [_scored(booster, rows) for rows in (reference[old], today[new])]
        scores[old] = judged[0]
        test = mannwhitneyu(judged[1], judged[0], alternative="greater", method="asymptotic")
        z_values.append(float(norm.isf(test.pvalue)))
        areas.append(float(test.statistic) / (len(judged[0]) * len(judged[1])))
    odds = np.minimum(scores / (1 - scores) * len(reference) / len(today), MOST_WEIGHT)
    return TwoSamples(float(np.mean(areas)), float(norm.sf(np.mean(z_values))), np.asarray(odds / odds.mean()))


def _fitted(schema: Schema, reference: Matrix, today: Matrix) -> lgb.Booster:
    rows = np.concatenate([reference, today])
    data = lgb.Dataset(
        without_unseen(rows),
        label=np.arange(len(rows)) >= len(reference),
        feature_name=list(schema.names),
        categorical_feature=list(schema.category_positions),
    )
    return lgb.train({**_PARAMETERS, "num_threads": threads(len(rows))}, data, num_boost_round=ROUNDS)


def _scored(booster: lgb.Booster, rows: Matrix) -> Matrix:
    return np.asarray(booster.predict(without_unseen(rows), num_threads=threads(len(rows))), dtype=np.float64)
