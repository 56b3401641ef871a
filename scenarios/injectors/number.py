"""Numbers drift: a numeric feature is scaled, and what depends on it follows."""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from scenarios.injectors.base import Chance, Columns, CovariateInjector, Matrix
from sim.errors import InputError


class NumberDrift(CovariateInjector):
    """A numeric feature is multiplied by up to `factor`; what depends on it follows."""

    kind: Literal["number"]
    column: str
    factor: Annotated[float, Field(gt=0, le=1e6)]

    @property
    def words(self) -> str:
        """What it does."""
        return f"{self.column} is multiplied by {self.factor:g}, and what depends on it follows"

    def check(self, columns: Columns) -> None:
        """Refuse a column of categories, and one that follows others."""
        if columns.is_category(self.column):
            msg = f"a number drift must move a numeric column, got {self.column!r}; use kind = 'category'."
            raise InputError(msg)
        if factors := columns.follows(self.column):
            msg = f"{self.column!r} follows {' and '.join(factors)}, so it cannot drift alone; drift those."
            raise InputError(msg)

    def move(self, features: Matrix, level: Matrix, columns: Columns, chance: Chance) -> None:  # noqa: ARG002 - no lot is drawn
        """Scale the column; whole numbers stay whole, and one that was at least 1 stays so."""
        place = columns.place(self.column)
        before = features[:, place]
        after = before * (1 + (self.factor - 1) * level)
        if columns.is_whole(self.column):
            after = np.where(before >= 1, np.maximum(np.rint(after), 1), np.rint(after))
        else:
            after = np.round(after, 2)
        features[:, place] = np.where(level > 0, after, before)
