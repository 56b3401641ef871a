"""Which columns give the outcome away: what nobody can know when a customer is scored."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sim.world.own.column import Feature
from sim.world.schema.columns import Matrix

TELLING_AUC = 0.99
"""From this AUC on, a single column knows too much."""

_ROWS_LOOKED_AT = 20_000
_GROUPS = 20
_FEWEST = 10  # churners, and stayers
_MODEL_NAMES = [
    "score",
    "prediction",
    "predicted",
    "y_pred",
    "ypred",
    "y_hat",
    "yhat",
    "y_prob",
    "prob",
    "proba",
    "probability",
    "prediction_proba",
    "y_pred_proba",
    "churn_score",
    "churn_probability",
    "churn_prob",
    "predicted_churn",
    "model_version",
    "label_date",
]


def giveaways(
    features: Sequence[Feature], churned: NDArray[np.bool_], labelled: NDArray[np.bool_]
) -> list[tuple[str, float]]:
    """Return the columns that alone tell churners from stayers, with the AUC of each on rows whose outcome is known.

    A column's values are cut into groups (categories, or equal shares of numbers, and missing ones); the churn rate
    of a group in one half of the rows ranks the customers of the other half.
    """
    known = np.flatnonzero(labelled)
    some = known[np.linspace(0, len(known) - 1, min(len(known), _ROWS_LOOKED_AT)).astype(np.int64)]
    churned = churned[some]
    if min(np.count_nonzero(churned), np.count_nonzero(~churned)) < _FEWEST:
        return []
    found = []
    for feature in features:
        auc = _auc(_groups(feature, some), churned)
        if auc >= TELLING_AUC:
            found.append((feature.column.name, auc))
    return found


def looks_like_a_model(name: str) -> bool:
    """Return whether a column is called what a model's answer is called.

    >>> looks_like_a_model("Churn Score"), looks_like_a_model("tenure")
    (True, False)
    """
    return "_".join(name.casefold().replace("-", " ").split()) in _MODEL_NAMES


def _groups(feature: Feature, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    values = feature.values[rows]
    if feature.column.is_category:
        return np.nan_to_num(values, nan=-1.0).astype(np.int64) + 1
    present = values[np.isfinite(values)]
    edges = np.unique(np.quantile(present, np.linspace(0, 1, _GROUPS + 1)[1:-1])) if len(present) else np.empty(0)
    return np.where(np.isfinite(values), np.searchsorted(edges, values, side="left") + 1, 0)


def _auc(groups: NDArray[np.int64], churned: NDArray[np.bool_]) -> float:
    """Return the AUC of the churn rates of groups, each estimated on the other half of the rows."""
    half = np.arange(len(churned)) % 2 == 0
    scores: Matrix = np.empty(len(churned))
    size = int(groups.max(initial=0)) + 1
    for own in (half, ~half):
        rows = np.bincount(groups[~own], minlength=size)
        churners = np.bincount(groups[~own], weights=churned[~own], minlength=size)
        rate = churned[~own].mean()
        scores[own] = ((churners + rate) / (rows + 1))[groups[own]]
    return _rank_auc(scores, churned)


def _rank_auc(scores: Matrix, churned: NDArray[np.bool_]) -> float:
    ranks = pd.Series(scores).rank().to_numpy()
    positives = int(np.count_nonzero(churned))
    negatives = len(churned) - positives
    return float((ranks[churned].sum() - positives * (positives + 1) / 2) / (positives * negatives))
