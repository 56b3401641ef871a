"""Two samples: whether a classifier can tell them apart, and what weights would make one like the other."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import lightgbm as lgb
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu, norm

from sim.mlops.models.model import threads
from sim.mlops.statistics.overlap import Sample, Seen
from sim.world.schema.columns import Matrix, Schema, without_unseen

ROUNDS = 30
FOLDS = 2
LEAST_ROWS = 2
"""Fewer rows of a half are not compared."""
FOLD_CORRELATION = 2 / math.pi
"""Of the z-values of the two halves where nothing has moved.

Were there one direction to look along, with the differences D and E of the halves, the values would be sign(D) E and
sign(E) D, of which the correlation is E|D| E|E| = 2 / pi. Measured with the Telco columns, 60 to 3,000 rows a side:
0.57 to 0.68, 0.64 in the mean (3,950 pairs). With a single number it is 0.78, with sixty unrelated ones 0.34: there a
test at 5 % finds something in 6 % and in 2 % of quiet months.
"""
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


def compare_samples(schema: Schema, reference: Sample, today: Sample) -> TwoSamples | None:
    """Train a classifier on either half of the customers and let it judge the other; missing with too few rows.

    A classifier two-sample test (Lopez-Paz and Oquab, ICLR 2017) with the AUC in place of the accuracy: in each half
    the Mann-Whitney statistic is asymptotically normal under the null, with the variance that the `Overlap` of its
    samples leaves. All rows of a customer are in one half, or a row might be learnt in one and known again in the
    other. Customers take turns between the halves, so that the same samples give the same answer.

    The two z-values are averaged. Each half has judged the other, so they say nearly the same: under the null their
    correlation is `FOLD_CORRELATION`, and the average has the variance (1 + correlation) / 2.

    Parameters
    ----------
    schema
        The features.
    reference, today
        The customers; one may be in both, or come again in one.
    """
    halves = _halves(reference, today)
    if not all(np.count_nonzero(rows) >= LEAST_ROWS for half in halves for rows in half):
        return None
    scores, z_values, areas = np.empty(len(reference.features)), [], []
    for old, new in halves:
        booster = _fitted(schema, reference.features[~old], today.features[~new])
        judged = [_scored(booster, rows) for rows in (reference.features[old], today.features[new])]
        scores[old] = judged[0]
        test = mannwhitneyu(judged[1], judged[0], alternative="greater", method="asymptotic")
        ratio = Seen.of(reference.take(old)).overlap(today.take(new)).ratio
        z_values.append(float(norm.isf(test.pvalue)) / math.sqrt(ratio))
        areas.append(float(test.statistic) / (len(judged[0]) * len(judged[1])))
    z = float(np.mean(z_values)) / math.sqrt((1 + FOLD_CORRELATION) / 2)
    odds = np.minimum(scores / (1 - scores) * len(reference.features) / len(today.features), MOST_WEIGHT)
    return TwoSamples(float(np.mean(areas)), float(norm.sf(z)), np.asarray(odds / odds.mean()))


def _halves(reference: Sample, today: Sample) -> Sequence[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Return which rows of the reference and of today are in each half.

    The customers of the reference take turns in the order in which they come first, then those who are new today.
    """
    customers, _ = pd.factorize(np.concatenate([reference.customers, today.customers]))
    old, new = np.split(customers, [len(reference.customers)])
    n_known = int(old.max(initial=-1)) + 1
    new = np.where(new < n_known, new, new - n_known)
    return [(old % FOLDS == fold, new % FOLDS == fold) for fold in range(FOLDS)]


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
