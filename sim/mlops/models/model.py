"""The model: LightGBM trees and a decision threshold, saved as text and loaded without pickle."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import lightgbm as lgb
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sim.errors import WorkError
from sim.mlops.models.recalibration import Scaling
from sim.world.schema.columns import Column, Matrix, Schema, row_blocks, without_unseen

_TREES_FILE = "trees.txt"
_CARD_FILE = "model.json"
_ROWS_WORTH_THREADS = 20_000


@dataclass(frozen=True)
class Model:
    """A churn model: features in, probability and prediction out.

    `threshold` belongs to the model: a customer is predicted to churn at `probability >= threshold`. `scaling` maps
    what the trees say to probabilities, where the model was recalibrated. A category
    outside the vocabulary is scored as a missing value. Scores depend neither on the order of rows nor on the number
    of threads.
    """

    trees: str
    threshold: float
    schema: Schema
    scaling: Scaling | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "_booster", lgb.Booster(model_str=self.trees))

    def __reduce__(self) -> tuple[type[Self], tuple[str, float, Schema, Scaling | None]]:
        """Travel as text; the trees are read again on arrival."""
        return type(self), (self.trees, self.threshold, self.schema, self.scaling)

    def probability(self, features: Matrix) -> Matrix:
        """Return P(churn) for each row of an encoded n x columns matrix."""
        probability = np.empty(len(features))
        if not len(features):
            return probability
        booster: lgb.Booster = self.__dict__["_booster"]
        for rows in row_blocks(len(features)):
            scores = booster.predict(without_unseen(features[rows]), num_threads=threads(len(features)))
            probability[rows] = np.asarray(scores, dtype=np.float64)
        return probability if self.scaling is None else self.scaling.applied(probability)

    def predict(self, frame: pd.DataFrame, params: Mapping[str, Any] | None = None) -> pd.DataFrame:  # noqa: ARG002 - MLflow passes it
        """Return columns `probability` and `prediction` (1 is churn) for a frame of readable feature values."""
        probability = self.probability(self.schema.encode(frame))
        return pd.DataFrame({"probability": probability, "prediction": self.decide(probability).astype(np.int64)})

    def decide(self, probability: Matrix) -> NDArray[np.bool_]:
        """Return whether each probability reaches the threshold."""
        return probability >= self.threshold

    def save(self, folder: Path) -> None:
        """Write the trees as LightGBM text and the rest as JSON into `folder`, which is made if needed."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _TREES_FILE).write_text(self.trees, encoding="utf-8")
        columns = [{"name": column.name, "categories": list(column.categories)} for column in self.schema.columns]
        scaling = asdict(self.scaling) if self.scaling else None
        card = {"threshold": self.threshold, "scaling": scaling, "columns": columns}
        signed = {**card, "sha256": _digest(self.trees, card)}
        (folder / _CARD_FILE).write_text(json.dumps(signed, indent=1), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a model that `save` wrote.

        Raises
        ------
        WorkError
            If a file is missing, or not what was written: damaged trees may well load, and answer something else.
        """
        try:
            card = json.loads((folder / _CARD_FILE).read_text(encoding="utf-8"))
            trees = (folder / _TREES_FILE).read_text(encoding="utf-8")
            wanted = card.pop("sha256")
            columns = tuple(Column(column["name"], tuple(column["categories"])) for column in card["columns"])
            threshold = float(card["threshold"])
            scaling = Scaling(**card["scaling"]) if card["scaling"] else None
        except (OSError, ValueError, AttributeError, LookupError, TypeError) as error:
            raise _damaged(folder, f"{type(error).__name__}: {error}") from error
        if _digest(trees, card) != wanted:
            raise _damaged(folder, "its SHA-256 is another")
        return cls(trees, threshold, Schema(columns), scaling)


def _digest(trees: str, card: Mapping[str, Any]) -> str:
    """Return the SHA-256 of all that makes a model what it is."""
    return hashlib.sha256((trees + json.dumps(card, sort_keys=True)).encode()).hexdigest()


def _damaged(folder: Path, reason: str) -> WorkError:
    return WorkError(
        f"a model must be as it was saved, but {folder} is damaged ({reason}); restore it or start again."
    )


def threads(n_rows: int) -> int:
    """Return how many threads LightGBM should use for so many rows; 0 means all. No result depends on it.

    On a few thousand rows threads spend longer waiting for each other than working, above all on a busy machine.
    """
    return 1 if n_rows < _ROWS_WORTH_THREADS else 0
