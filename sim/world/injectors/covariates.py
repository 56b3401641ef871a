"""Covariate drift: customers change, and stay customers that the population could have."""

from collections.abc import Sequence

import numpy as np

from scenarios.injectors import CategoryDrift, CovariateInjector, NumberDrift
from sim.errors import InputError
from sim.world.injectors.customers import Chance, levels
from sim.world.schema.columns import Matrix, Schema
from sim.world.telco.structure import Structure


class Covariates:
    """Moves the features of customers by the number and category drifts of a scenario, in the order listed.

    Raises
    ------
    InputError
        If an injector names a column or category that the population lacks, or one that follows or decides others.
    """

    def __init__(self, injectors: Sequence[CovariateInjector], schema: Schema, structure: Structure) -> None:
        self._injectors = injectors
        self._schema = schema
        self._structure = structure
        for injector in injectors:
            if isinstance(injector, NumberDrift):
                self._check_number(injector)
            else:
                self._check_category(injector)

    def apply(self, step: int, features: Matrix, chance: Chance) -> Matrix:
        """Return the features of one batch at `step`; the same object where no injector is at work."""
        at_work = [injector for injector in self._injectors if injector.intensity(step)]
        if not at_work:
            return features
        moved = features.copy()
        for injector, level in zip(at_work, levels(at_work, step, chance, len(features)).T, strict=True):
            if isinstance(injector, NumberDrift):
                self._scale(injector, level, moved)
            else:
                self._move(injector, level, moved, chance)
        return self._structure.with_product(self._schema, features, moved)

    def _scale(self, injector: NumberDrift, level: Matrix, features: Matrix) -> None:
        position = self._schema.position[injector.column]
        before = features[:, position]
        after = before * (1 + (injector.factor - 1) * level)
        if injector.column in self._structure.whole_numbers:
            after = np.where(before >= 1, np.maximum(np.rint(after), 1), np.rint(after))
        else:
            after = np.round(after, 2)
        features[:, position] = np.where(level > 0, after, before)

    def _move(self, injector: CategoryDrift, level: Matrix, features: Matrix, chance: Chance) -> None:
        luck = chance(f"drift {injector.column}={injector.to}", injector.onset_step)
        is_free = ~self._structure.is_forced(injector.column, features, self._schema)
        moves = is_free & (luck < injector.share * level)
        features[moves, self._schema.position[injector.column]] = self._schema.code(injector.column, injector.to)

    def _check_number(self, injector: NumberDrift) -> None:
        if self._schema.column(injector.column).is_category:
            msg = f"a number drift needs a numeric column, got {injector.column!r}; use kind = 'category'."
            raise InputError(msg)
        if self._structure.product and injector.column == self._structure.product[0]:
            first, second = self._structure.product[1:]
            msg = f"{injector.column!r} follows {first} and {second}, so it cannot drift alone; drift those."
            raise InputError(msg)

    def _check_category(self, injector: CategoryDrift) -> None:
        if not self._schema.column(injector.column).is_category:
            msg = f"a category drift needs a categorical column, got {injector.column!r}; use kind = 'number'."
            raise InputError(msg)
        if injector.column in self._structure.deciders:
            msg = (
                f"a category drift must leave the structural rules whole, and {injector.column!r} decides other "
                f"columns; use kind = 'mix', which brings other customers instead."
            )
            raise InputError(msg)
        self._schema.check_category(injector.column, injector.to)
        if injector.to in self._forced_values(injector.column):
            msg = f"{injector.column!r} is {injector.to!r} only where another column makes it so; move to another."
            raise InputError(msg)

    def _forced_values(self, column: str) -> frozenset[str]:
        _, categories = self._structure.forced.get(column, ("", {}))
        return frozenset(value for value in categories.values() if value.startswith("No "))
