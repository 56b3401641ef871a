"""A fault: a column shows one value."""

from math import isnan
from typing import Literal

from scenarios.injectors.base import Columns, Matrix, Rows, ValueFault
from sim.errors import InputError


class StuckFault(ValueFault):
    """A column shows one `value`, written as in a table, whatever the truth is."""

    kind: Literal["stuck"]
    column: str
    value: str

    @property
    def hits(self) -> tuple[str, ...]:
        """The columns that it corrupts."""
        return (self.column,)

    @property
    def words(self) -> str:
        """What it does."""
        return f"{self.column} is stuck at {self.value} {self.whom}"

    def check(self, columns: Columns) -> None:
        """Refuse a value that the column can't have."""
        if isnan(columns.value(self.column, self.value)):
            msg = f"a stuck fault must show a value that {self.column!r} can have, got {self.value!r}; give a number."
            raise InputError(msg)

    def corrupt(self, seen: Matrix, rows: Rows, columns: Columns) -> None:
        """Show the one value."""
        seen[rows, columns.place(self.column)] = columns.value(self.column, self.value)
