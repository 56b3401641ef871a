"""A fault: customers never come."""

from typing import Literal

from scenarios.injectors.base import RowFault


class DroppedFault(RowFault):
    """Customers are missing from the batch and are never scored; with a share of 1 the whole batch is missing."""

    kind: Literal["dropped"]

    @property
    def delay_steps(self) -> int:
        """They never come."""
        return -1

    @property
    def words(self) -> str:
        """What it does."""
        if self.share == 1:
            return "the whole batch is missing"
        return f"{self.share:.0%} of the customers are missing"
