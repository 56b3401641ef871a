"""A fault: two columns change places."""

from typing import Literal

from scenarios.injectors.base import Columns, Matrix, Rows, ValueFault
from sim.errors import InputError


class SwapFault(ValueFault):
    """The values of two columns change places; what makes no sense in the other column is unseen or missing."""

    kind: Literal["swap"]
    columns: tuple[str, str]

    @property
    def hits(self) -> tuple[str, ...]:
        """The columns that it corrupts."""
        return self.columns

    @property
    def words(self) -> str:
        """What it does."""
        return f"{' and '.join(self.columns)} change places {self.whom}"

    def check(self, columns: Columns) -> None:
        """Refuse one column with itself."""
        super().check(columns)
        if self.columns[0] == self.columns[1]:
            raise InputError(f"a swap fault must have two columns, got {self.columns[0]!r} twice; name another.")

    def corrupt(self, seen: Matrix, rows: Rows, columns: Columns) -> None:
        """Let the columns change places."""
        one, other = (columns.place(column) for column in self.columns)
        seen[rows, one], seen[rows, other] = columns.exchanged(seen[rows], self.columns).T
