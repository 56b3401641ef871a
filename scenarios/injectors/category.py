"""Categories drift: customers move from other categories of a column to one."""

from typing import Literal

from scenarios.injectors.base import Chance, Columns, CovariateInjector, Matrix
from scenarios.part import Share
from sim.errors import InputError


class CategoryDrift(CovariateInjector):
    """Up to `share` of the customers in other categories of `column` move to the category `to`."""

    kind: Literal["category"]
    column: str
    to: str
    share: Share

    @property
    def draws_lots(self) -> bool:
        """Whether it chooses the customers that it acts on by lot."""
        return True

    @property
    def words(self) -> str:
        """What it does."""
        return f"{self.share:.0%} of the others in {self.column} move to {self.to!r}"

    def check(self, columns: Columns) -> None:
        """Refuse a numeric column, one that decides others, and a category that only another column can make."""
        if not columns.is_category(self.column):
            msg = f"a category drift must move a categorical column, got {self.column!r}; use kind = 'number'."
            raise InputError(msg)
        if columns.decides(self.column):
            msg = (
                f"a category drift must leave the structural rules whole, and {self.column!r} decides other "
                f"columns; use kind = 'mix', which brings other customers instead."
            )
            raise InputError(msg)
        columns.check_category(self.column, self.to)
        if self.to in columns.only_forced(self.column):
            msg = f"{self.column!r} is {self.to!r} only where another column makes it so; move to another."
            raise InputError(msg)

    def move(self, features: Matrix, level: Matrix, columns: Columns, chance: Chance) -> None:
        """Move those whom the lot falls on and no other column decides for."""
        luck = chance(f"drift {self.column}={self.to}", self.onset_step)
        moves = ~columns.is_forced(self.column, features) & (luck < self.share * level)
        features[moves, columns.place(self.column)] = columns.code(self.column, self.to)
