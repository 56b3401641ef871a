"""A churn model of retrainlab as it is served: this file travels with the model, which needs no retrainlab to answer.

It needs LightGBM, NumPy, pandas and SciPy, reads the trees and `model.json` beside them, and gives the numbers that
retrainlab itself gives.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
from scipy.special import expit, logit

_CLIP = 1e-6
_ROWS_WORTH_THREADS = 20_000


class ServedModel:
    """Trees, the words of each column, a calibration where there is one, and the threshold that decides.

    Parameters
    ----------
    trees
        LightGBM's trees as text.
    card
        `threshold`, `scaling` (intercept and slope, or `None`) and `columns` (name and categories of each).
    """

    def __init__(self, trees: str, card: dict[str, Any]) -> None:
        self._booster = lgb.Booster(model_str=trees)
        self._threshold = float(card["threshold"])
        self._scaling = card["scaling"]
        self._columns = [(column["name"], pd.Index(column["categories"], dtype=object)) for column in card["columns"]]

    def predict(self, frame: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:  # noqa: ARG002 - MLflow passes it
        """Return columns `probability` and `prediction` (1 is churn) for customers with readable values.

        A word that the model never saw, and text that is no number, count as missing.
        """
        probability = self._probability(frame)
        return pd.DataFrame(
            {"probability": probability, "prediction": (probability >= self._threshold).astype(np.int64)}
        )

    def _probability(self, frame: pd.DataFrame) -> Any:
        if not len(frame):
            return np.empty(0)
        features = np.empty((len(frame), len(self._columns)))
        for place, (name, words) in enumerate(self._columns):
            features[:, place] = _encoded(frame[name], words)
        threads = 1 if len(frame) < _ROWS_WORTH_THREADS else 0
        probability = np.asarray(self._booster.predict(features, num_threads=threads), dtype=np.float64)
        if self._scaling is None:
            return probability
        score = logit(np.clip(probability, _CLIP, 1 - _CLIP))
        return expit(self._scaling["intercept"] + self._scaling["slope"] * score)


def _encoded(values: "pd.Series[Any]", words: "pd.Index[Any]") -> Any:
    if not len(words):
        return pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    codes = words.get_indexer(pd.Index(values, dtype=object)).astype(np.float64)
    return np.where(codes < 0, np.nan, codes)


def _load_pyfunc(path: str) -> ServedModel:
    """Load the model of a folder, for `mlflow.pyfunc`, which calls this function by name.

    Raises
    ------
    ValueError
        If a file is not what was written: damaged trees may well load, and answer something else.
    """
    trees = (Path(path) / "trees.txt").read_text(encoding="utf-8")
    card = json.loads((Path(path) / "model.json").read_text(encoding="utf-8"))
    wanted = card.pop("sha256")
    if hashlib.sha256((trees + json.dumps(card, sort_keys=True)).encode()).hexdigest() != wanted:
        msg = f"the model in {path} is not what was written there: its SHA-256 is another"
        raise ValueError(msg)
    return ServedModel(trees, card)
