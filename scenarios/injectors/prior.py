"""The base rate drifts: customers of every kind leave more or less."""

from collections.abc import Callable
from typing import Literal

from scenarios.injectors.base import M, Matrix, MechanismInjector
from scenarios.part import Rate


class PriorDrift(MechanismInjector):
    """The base rate moves towards `base_rate`: the log-odds of every customer rise or fall alike."""

    kind: Literal["prior"]
    base_rate: Rate

    @property
    def words(self) -> str:
        """What it does."""
        return f"the share of churners moves to {self.base_rate:.0%}, for customers of every kind"

    def moved(self, mechanism: M, intensity: float, reference: Callable[[], Matrix]) -> M:
        """Move the base rate of the whole undrifted population."""
        rate = float(mechanism.propensity(reference()).mean())
        return mechanism.with_base_rate(reference(), rate + intensity * (self.base_rate - rate))
