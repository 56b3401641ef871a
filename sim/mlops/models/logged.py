"""A model that is known by its answers only: the scores that a log kept of it."""

from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from sim.mlops.models.model import Model
from sim.mlops.models.recalibration import Scaling
from sim.world.schema.columns import Matrix, Schema


@dataclass(frozen=True)
class LoggedModel(Model):
    """The model behind a log: it answers for customers whom it really scored, and for nobody else.

    Customers with the same features were mostly given the same score; where not, `probability` is their mean score,
    while `answers` gives what was really served in a step. Anybody else has no score (`nan`).

    Parameters
    ----------
    features, scores
        The rows that it scored, and what it said.
    answers
        The scores and predictions that were served in each step, in the order of its batch.
    """

    features: Matrix = field(default_factory=lambda: np.empty((0, 0)))
    scores: Matrix = field(default_factory=lambda: np.empty(0))
    answers: dict[int, tuple[Matrix, NDArray[np.bool_]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Learn the scores by heart."""
        keys, places = np.unique(_keys(self.features), return_inverse=True)
        means = np.bincount(places, weights=self.scores) / np.maximum(np.bincount(places), 1)
        exact = np.full(len(keys), np.nan)
        exact[places] = self.scores
        is_one = np.abs(np.bincount(places, weights=np.abs(self.scores - exact[places]))) == 0.0
        object.__setattr__(self, "_scores", dict(zip(keys.tolist(), np.where(is_one, exact, means), strict=True)))

    def __reduce__(self) -> tuple[type[Self], tuple[object, ...]]:  # type: ignore[override] # it has more fields
        """Travel as arrays; the scores are learnt again on arrival."""
        values = (self.trees, self.threshold, self.schema, self.scaling, self.features, self.scores, self.answers)
        return type(self), values

    @classmethod
    def of(cls, schema: Schema, features: Matrix, scores: Matrix, threshold: float) -> Self:
        """Return the model of a log before it is known what was served in which step."""
        return cls("", threshold, schema, None, features, scores)

    def served(self, step: int) -> tuple[Matrix, NDArray[np.bool_]] | None:
        """Return the scores and predictions that were really served in a step; `None` once it is recalibrated."""
        return self.answers.get(step) if self.scaling is None else None

    def probability(self, features: Matrix) -> Matrix:
        """Return the score of each row, `nan` for one that was never scored."""
        known: dict[bytes, float] = self.__dict__["_scores"]
        scores = np.array([known.get(key, np.nan) for key in _keys(features).tolist()], dtype=np.float64)
        scaling: Scaling | None = self.scaling
        return scores if scaling is None else scaling.applied(scores)


def _keys(features: Matrix) -> NDArray[np.void]:
    """Return the bytes of each row; all missing values are alike, and so are the two zeros."""
    tidy = np.ascontiguousarray(np.where(np.isnan(features), np.nan, features + 0.0))
    return (
        tidy.view(np.dtype((np.void, max(tidy.shape[1], 1) * tidy.itemsize))).ravel()
        if tidy.size
        else (np.zeros(len(tidy), dtype=np.dtype((np.void, 8))))
    )
