"""The registry: versions of the model, and the aliases that say which one serves."""

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from scenarios.schema import Recipe
from sim.mlops.models.model import Model
from sim.mlops.records.jobs import Alias, Job
from sim.world.schema.columns import Matrix

FIRST_VERSION = 1
"""The version of the first model."""


@dataclass(frozen=True, slots=True)
class Predictions:
    """A champion's answers, in the order of the rows asked for."""

    probability: Matrix
    prediction: NDArray[np.bool_]


class Registry(Protocol):
    """Keeps every version; an alias is moved, never deleted first."""

    def register(self, job: Job, model: Model, recipe: Recipe) -> int:
        """Register a job's model and return its version; a job that is known already keeps its version."""
        ...

    def model(self, version: int) -> Model:
        """Return the model of a version."""
        ...

    def recipe(self, version: int) -> Recipe:
        """Return the recipe that a version was made with."""
        ...

    def move(self, alias: Alias, version: int) -> None:
        """Let an alias point to a version."""
        ...

    def holds(self, version: int) -> bool:
        """Tell whether a version is still there."""
        ...

    def score(self, features: Matrix) -> Predictions:
        """Answer a batch with the model that the alias `Champion` points to."""
        ...

    def describe(self, job: Job) -> None:
        """Note where a job stands on its version: its window, its reason, its gates."""
        ...


@dataclass
class MemoryRegistry:
    """A registry in memory."""

    aliases: dict[Alias, int] = field(default_factory=dict)
    _versions: list[tuple[str, Model, Recipe]] = field(default_factory=list)

    def register(self, job: Job, model: Model, recipe: Recipe) -> int:
        """Register a job's model and return its version."""
        known = [name for name, _, _ in self._versions]
        if job.name in known:
            return known.index(job.name) + 1
        self._versions.append((job.name, model, recipe))
        return len(self._versions)

    def model(self, version: int) -> Model:
        """Return the model of a version."""
        return self._versions[version - 1][1]

    def recipe(self, version: int) -> Recipe:
        """Return the recipe that a version was made with."""
        return self._versions[version - 1][2]

    def move(self, alias: Alias, version: int) -> None:
        """Let an alias point to a version."""
        self.aliases[alias] = version

    def holds(self, version: int) -> bool:
        """Tell whether a version is there: nobody deletes one from memory."""
        return 0 < version <= len(self._versions)

    def score(self, features: Matrix) -> Predictions:
        """Answer a batch with the champion."""
        model = self.model(self.aliases[Alias.CHAMPION])
        probability = model.probability(features)
        return Predictions(probability, model.decide(probability))

    def describe(self, job: Job) -> None:
        """Keep nothing: the record has it."""
