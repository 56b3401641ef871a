"""Covariate drift: customers change, and stay customers that the population could have."""

from collections.abc import Sequence

from scenarios.injectors import CovariateInjector
from sim.world.injectors.customers import Chance, levels
from sim.world.injectors.view import ColumnView
from sim.world.schema.columns import Matrix


class Covariates:
    """Moves the features of customers by the covariate injectors of a scenario, in the order listed.

    Raises
    ------
    InputError
        If an injector names a column or category that the population lacks, or one that follows or decides others.
    """

    def __init__(self, injectors: Sequence[CovariateInjector], columns: ColumnView) -> None:
        self._injectors = injectors
        self._columns = columns
        for injector in injectors:
            injector.check(columns)

    def apply(self, step: int, features: Matrix, chance: Chance) -> Matrix:
        """Return the features of one batch at `step`; the same object where no injector is at work."""
        at_work = [injector for injector in self._injectors if injector.intensity(step)]
        if not at_work:
            return features
        moved = features.copy()
        for injector, level in zip(at_work, levels(at_work, step, chance, len(features)).T, strict=True):
            injector.move(moved, level, self._columns, chance)
        return self._columns.structure.with_product(self._columns.schema, features, moved)
