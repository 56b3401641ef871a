"""The cells of a column: the texts that occur in it, and which row holds which."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]  # it ships no types
import pyarrow.compute as pc  # type: ignore[import-untyped]  # it ships no types
from numpy.typing import NDArray

from sim.world.schema.columns import Matrix

Codes = NDArray[np.int64]


@dataclass(frozen=True)
class Cells:
    """The cells of a column without white space around them; a missing one is the empty text.

    `codes` says of each row which of `texts`, which are distinct, it holds.

    >>> cells = Cells.of(pa.array(["b ", "a", None, "b"]))
    >>> cells.texts, cells.codes.tolist(), cells.first_row("a")
    (['b', 'a', ''], [0, 1, 2, 0], 2)
    """

    codes: Codes
    texts: list[str]

    @classmethod
    def of(cls, column: pa.Array) -> "Cells":
        """Return the cells of a column of any plain type."""
        column = column if pa.types.is_string(column.type) else column.cast(pa.string())
        encoded = pc.utf8_trim_whitespace(pc.fill_null(column, "")).dictionary_encode()
        codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        return cls(codes, encoded.dictionary.to_pylist())

    @cached_property
    def counts(self) -> Codes:
        """The number of rows that hold each text."""
        return np.bincount(self.codes, minlength=len(self.texts))

    @cached_property
    def array(self) -> pa.Array:
        """The texts, for the functions of Arrow."""
        return pa.array(self.texts, type=pa.string())

    def held_in(self, rows: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which texts occur in some of the rows."""
        return np.bincount(self.codes[rows], minlength=len(self.texts)) > 0

    def first_row(self, text: str) -> int:
        """Return the number of the first row that holds a text; row 1 follows the header."""
        return int(np.argmax(self.codes == self.texts.index(text))) + 1

    def take(self, rows: Codes) -> "Cells":
        """Return the cells of these rows."""
        return Cells(self.codes[rows], self.texts)


@dataclass(frozen=True)
class RawColumn:
    """A column as its file or database has it: texts of a CSV file, or values with a type."""

    name: str
    values: pa.Array

    @cached_property
    def cells(self) -> Cells:
        """The cells as text."""
        return Cells.of(self.values)

    @property
    def is_typed_number(self) -> bool:
        """Whether its source says that it holds numbers."""
        kind = self.values.type
        return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))

    @cached_property
    def numbers(self) -> Matrix:
        """The numbers of a typed column, `nan` where there is none."""
        values = self.values
        if pa.types.is_decimal(values.type):
            values = values.cast(
                pa.string()
            )  # which is read as the nearest float; a cast of decimals may be off by one
        numbers = values.cast(pa.float64(), safe=False)
        return np.asarray(pc.fill_null(numbers, float("nan")).to_numpy(zero_copy_only=False), dtype=np.float64)
