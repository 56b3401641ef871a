"""A fault: outcomes are reported wrong."""

from typing import Literal

import numpy as np

from scenarios.injectors.base import LabelFault, Rows


class MislabelFault(LabelFault):
    """Outcomes are reported wrong: of all customers, of those who churn, or of those who stay."""

    kind: Literal["mislabelled"]
    of: Literal["all", "churners", "stayers"] = "all"

    @property
    def words(self) -> str:
        """What it does."""
        whom = "" if self.of == "all" else f" of {self.of}"
        return f"{self.share:.0%} of the outcomes{whom} are reported wrong"

    def concerns(self, churns: Rows) -> Rows:
        """Return whose outcome may be reported wrong."""
        return np.ones_like(churns) if self.of == "all" else churns == (self.of == "churners")
