"""A fault: values are missing."""

from typing import Literal

import numpy as np
from pydantic import Field

from scenarios.injectors.base import Columns, Matrix, Rows, ValueFault


class NullFault(ValueFault):
    """Values of the columns are missing."""

    kind: Literal["nulls"]
    columns: tuple[str, ...] = Field(min_length=1)

    @property
    def hits(self) -> tuple[str, ...]:
        """The columns that it corrupts."""
        return self.columns

    @property
    def words(self) -> str:
        """What it does."""
        return f"{', '.join(self.columns)} come empty {self.whom}"

    def corrupt(self, seen: Matrix, rows: Rows, columns: Columns) -> None:
        """Empty the columns."""
        for column in self.columns:
            seen[rows, columns.place(column)] = np.nan
