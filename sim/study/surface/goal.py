"""The goal of a tuning: what makes a setting good, what it must keep to, and what there is to choose among."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError, did_you_mean
from sim.study.lives.box import Setting
from sim.study.scores.table import Score

Floats = NDArray[np.float64]
_LIMITABLE = ("retrains_per_year", *(score.value for score in Score))


class Goal(StrEnum):
    """What a setting is chosen by."""

    MEAN = "mean"
    WORST_REGRET = "worst_regret"


@dataclass(frozen=True, slots=True)
class Limit:
    """A bound on a score of every scenario, as a mean over the seeds of the search."""

    score: str
    most: float

    @property
    def text(self) -> str:
        """How it is written."""
        return f"{self.score} <= {self.most:g}"


class Searched(Protocol):
    """Settings that were judged in every world: those of a surface, by class, or those that were tried.

    `years` is how long a life of each scenario lasts.
    """

    @property
    def scenarios(self) -> tuple[str, ...]:
        """The names of the scenarios."""
        ...

    @property
    def years(self) -> tuple[float, ...]:
        """How many years a life of each scenario lasts."""
        ...

    @property
    def size(self) -> int:
        """How many settings, or classes of them, there are."""
        ...

    def setting(self, number: int) -> Setting:
        """Return a setting, or one of a class, by its number."""
        ...

    def values(self, score: str) -> Floats:
        """Return a score of all: [scenario, setting, seed]; `InputError` if no life has it."""
        ...

    def reference(self, score: str) -> Floats:
        """Return a score of the reference: [scenario, seed]."""
        ...


def shares_of(scenarios: Sequence[str], weights: Mapping[str, float]) -> Floats:
    """Return how much each scenario counts, 1 in all; a weight is 1 where none is given."""
    given = np.array([weights.get(name, 1.0) for name in scenarios], dtype=np.float64)
    return np.asarray(given / given.sum())


def yearly(searched: Searched, score: str) -> Floats:
    """Return a score of every setting, [scenario, setting, seed]; `retrains_per_year` is that count by the years."""
    if score == "retrains_per_year":
        return np.asarray(searched.values("retrains") / np.array(searched.years)[:, np.newaxis, np.newaxis])
    return searched.values(score)


def parse_limits(texts: Sequence[str]) -> tuple[Limit, ...]:
    """Return the limits that texts such as `retrains_per_year <= 4` say; `InputError` if one says none."""
    found = []
    for text in texts:
        name, relation, number = (part.strip() for part in text.partition("<="))
        try:
            most = float(number)
        except ValueError:
            most = math.nan
        if not relation or not name.isidentifier() or not math.isfinite(most):
            raise InputError(f"a --limit must read like 'retrains_per_year <= 4', got {text!r}.")
        if name not in _LIMITABLE:
            hint = did_you_mean(name, _LIMITABLE)
            raise InputError(f"a --limit must bound a score of the lives, got {name!r}.{hint}")
        found.append(Limit(name, most))
    return tuple(found)


def parse_weights(texts: Sequence[str], scenarios: Sequence[str]) -> dict[str, float]:
    """Return the weights that texts such as `erosion=2` give to scenarios; `InputError` if one gives none."""
    found: dict[str, float] = {}
    for text in texts:
        name, _, number = (part.strip() for part in text.partition("="))
        full = [each for each in scenarios if each == name or each.partition("@")[0] == name]
        try:
            weight = float(number)
        except ValueError:
            weight = math.nan
        if len(full) != 1 or not math.isfinite(weight) or weight < 0:
            raise InputError(
                f"a --weight must read like erosion=2, with a scenario of the search and a number from 0 on, got "
                f"{text!r}."
            )
        found[full[0]] = weight
    if found and not any(found.get(name, 1.0) for name in scenarios):
        raise InputError("some scenario must have a weight above 0, got 0 for all; leave one out.")
    return found
