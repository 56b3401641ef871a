"""A fault: numbers come as text that is no number."""

from collections.abc import Callable, Mapping
from typing import Literal

from pydantic import Field

from scenarios.injectors.base import Columns, Matrix, Rows, ValueFault, check_is_number

_STYLES: Mapping[str, Callable[[str], str]] = {
    "decimal_comma": lambda text: text.replace(".", ","),
    "currency": lambda text: f"${text}",
}


class TextFault(ValueFault):
    """Numbers come as text with a comma for a point or a currency sign, which is read back as a missing value."""

    kind: Literal["text"]
    columns: tuple[str, ...] = Field(min_length=1)
    style: Literal["decimal_comma", "currency"] = "decimal_comma"

    @property
    def hits(self) -> tuple[str, ...]:
        """The columns that it corrupts."""
        return self.columns

    @property
    def words(self) -> str:
        """What it does."""
        return f"{', '.join(self.columns)} come as text ({self.style.replace('_', ' ')}) {self.whom}"

    def check(self, columns: Columns) -> None:
        """Refuse columns of categories."""
        for column in self.columns:
            check_is_number(self.kind, column, columns)

    def corrupt(self, seen: Matrix, rows: Rows, columns: Columns) -> None:
        """Read the numbers back from how they were written."""
        for column in self.columns:
            place = columns.place(column)
            seen[rows, place] = columns.through_text(seen[rows, place], _STYLES[self.style])
