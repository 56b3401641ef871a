"""A fault: a category comes under another name."""

from typing import Literal

from scenarios.injectors.base import Columns, Matrix, Rows, ValueFault


class RenameFault(ValueFault):
    """A category comes under the name `to`: one that nobody knows is unseen, one that is known is mistaken."""

    kind: Literal["rename"]
    column: str
    category: str
    to: str

    @property
    def hits(self) -> tuple[str, ...]:
        """The columns that it corrupts."""
        return (self.column,)

    @property
    def words(self) -> str:
        """What it does."""
        return f"{self.category!r} of {self.column} comes as {self.to!r} {self.whom}"

    def check(self, columns: Columns) -> None:
        """Refuse a category that the column does not have."""
        columns.check_category(self.column, self.category)

    def corrupt(self, seen: Matrix, rows: Rows, columns: Columns) -> None:
        """Give the category the other name's code."""
        place = columns.place(self.column)
        has_category = rows & (seen[:, place] == columns.code(self.column, self.category))
        seen[has_category, place] = columns.code(self.column, self.to)
