"""A fault: a number comes in another unit."""

from typing import Annotated, Literal

from pydantic import Field

from scenarios.injectors.base import Columns, Matrix, Rows, ValueFault, check_is_number


class UnitFault(ValueFault):
    """A number comes in another unit: multiplied by `factor`, and nothing that depends on it follows."""

    kind: Literal["unit"]
    column: str
    factor: Annotated[float, Field(gt=0, le=1e6)]

    @property
    def hits(self) -> tuple[str, ...]:
        """The columns that it corrupts."""
        return (self.column,)

    @property
    def words(self) -> str:
        """What it does."""
        return f"{self.column} comes multiplied by {self.factor:g} {self.whom}"

    def check(self, columns: Columns) -> None:
        """Refuse a column of categories."""
        check_is_number(self.kind, self.column, columns)

    def corrupt(self, seen: Matrix, rows: Rows, columns: Columns) -> None:
        """Multiply the column."""
        seen[rows, columns.place(self.column)] *= self.factor
