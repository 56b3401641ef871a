"""Propensities: with which probability each customer churns on a day, by a mechanism that may drift or as it was."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Protocol

import numpy as np

from scenarios.injectors import MechanismInjector
from scenarios.schema import Twin
from sim.world.injectors.customers import Chance, Customers, alike, levels
from sim.world.mechanism.outcome import Mechanism
from sim.world.schema.columns import Matrix
from sim.world.schema.term import INTERCEPT


class Propensities(Protocol):
    """Gives customers their propensities."""

    def undrifted(self, customers: Customers) -> Matrix:
        """Return P(churn) of the customers of the undrifted population, whose features have not moved either."""
        ...

    def propensity(self, step: int, customers: Customers, features: Matrix, chance: Chance) -> Matrix:
        """Return P(churn) at `step` of the customers, whose features have become `features`."""
        ...


class RecordedPropensities:
    """What happened: a propensity is 1 for who churned, 0 for who stayed, and missing where nobody knows yet."""

    def undrifted(self, customers: Customers) -> Matrix:
        """Return what happened."""
        return np.where(customers.has_real_label, customers.real_label.astype(np.float64), np.nan)

    def propensity(self, step: int, customers: Customers, features: Matrix, chance: Chance) -> Matrix:  # noqa: ARG002 - nothing but what happened counts
        """Return what happened."""
        return self.undrifted(customers)


class DriftingPropensities:
    """Propensities of a mechanism that concept and prior drifts move, in the order listed.

    Parameters
    ----------
    injectors
        The concept and prior drifts of a scenario.
    mechanism
        The undrifted mechanism.
    reference
        Gives the features of the whole undrifted population, on which a base rate is held or moved; never those of
        coming batches.

    Raises
    ------
    InputError
        If a shift names a term that the population lacks.
    """

    def __init__(
        self, injectors: Sequence[MechanismInjector], mechanism: Mechanism, reference: Callable[[], Matrix]
    ) -> None:
        self._injectors = injectors
        self._undrifted = mechanism
        self._reference = reference
        self._mechanism = lru_cache(maxsize=None)(self._drifted)
        for injector in injectors:
            injector.check(mechanism)

    def mechanism(self, step: int) -> Mechanism:
        """Return the mechanism at `step` of a customer whom every drift at work has reached."""
        return self._mechanism(tuple(injector.intensity(step) for injector in self._injectors))

    def undrifted(self, customers: Customers) -> Matrix:
        """Return P(churn) by the undrifted mechanism."""
        return self._undrifted.propensity(customers.features)

    def propensity(self, step: int, customers: Customers, features: Matrix, chance: Chance) -> Matrix:  # noqa: ARG002 - who they are plays no part
        """Return P(churn) by the mechanism that each customer is under at `step`."""
        if all(injector.reach(step) in {0.0, 1.0} for injector in self._injectors):
            return self.mechanism(step).propensity(features)
        propensity = np.empty(len(features))
        for level, rows in alike(levels(self._injectors, step, chance, len(features))):
            propensity[rows] = self._mechanism(level).propensity(features[rows])
        return propensity

    def _drifted(self, intensities: tuple[float, ...]) -> Mechanism:
        moved = self._undrifted
        for injector, intensity in zip(self._injectors, intensities, strict=True):
            if intensity:
                moved = injector.moved(moved, intensity, self._reference)
        return moved


def adjusted(mechanism: Mechanism, twin: Twin, reference: Callable[[], Matrix]) -> Mechanism:
    """Return the mechanism with the base rate and signal strength of a twin.

    Every log-odds but the intercept is multiplied by the strength; then the intercept is moved to the base rate,
    which is the mechanism's own unless another is asked for.
    """
    if twin == Twin():
        return mechanism
    rate = twin.base_rate or float(mechanism.propensity(reference()).mean())
    slopes = {name: value for name, value in mechanism.coefficients.items() if name != INTERCEPT}
    steeper = mechanism.moved({name: (twin.signal_strength - 1) * value for name, value in slopes.items()})
    return steeper.with_base_rate(reference(), rate)
