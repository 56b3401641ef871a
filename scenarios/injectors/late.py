"""A fault: customers come later."""

from typing import Literal

from scenarios.injectors.base import RowFault
from scenarios.part import PositiveCount


class LateFault(RowFault):
    """Customers come `late_steps` later, with the batch of that step, and are scored then."""

    kind: Literal["late"]
    late_steps: PositiveCount = 1

    @property
    def delay_steps(self) -> int:
        """How many steps later they come."""
        return self.late_steps

    @property
    def words(self) -> str:
        """What it does."""
        return f"{self.share:.0%} of the customers come {self.late_steps} steps late"
