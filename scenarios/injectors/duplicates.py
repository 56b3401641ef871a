"""A fault: customers come twice."""

from typing import Literal

from scenarios.injectors.base import RowFault


class DuplicateFault(RowFault):
    """Customers come twice in one batch; the first is kept, and the others are counted."""

    kind: Literal["duplicates"]

    @property
    def repeats(self) -> bool:
        """Whether they come twice."""
        return True

    @property
    def words(self) -> str:
        """What it does."""
        return f"{self.share:.0%} of the customers come twice"
