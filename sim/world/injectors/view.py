"""The view: a population's columns and structural rules, as an injector may know them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sim.world.schema.columns import UNSEEN, Matrix, Schema, read_back
from sim.world.schema.term import design
from sim.world.telco.structure import Structure


@dataclass(frozen=True, slots=True)
class ColumnView:
    """Columns by name; it implements `scenarios.injectors.base.Columns`, whose words hold here."""

    schema: Schema
    structure: Structure

    def place(self, column: str) -> int:
        """Return the position of a column in the features."""
        return self.schema.position[column]

    def is_category(self, column: str) -> bool:
        """Tell categories from numbers; `InputError` if there is no such column."""
        return self.schema.column(column).is_category

    def is_whole(self, column: str) -> bool:
        """Tell whether a numeric column holds whole numbers."""
        return column in self.structure.whole_numbers

    def decides(self, column: str) -> bool:
        """Tell whether a column decides the values of others."""
        return column in self.structure.deciders

    def follows(self, column: str) -> tuple[str, ...]:
        """Return the columns whose product a column is, none if it is none."""
        product = self.structure.product
        return product[1:] if product and column == product[0] else ()

    def check_category(self, column: str, category: str) -> None:
        """Raise `InputError` unless a column has the category."""
        self.schema.check_category(column, category)

    def only_forced(self, column: str) -> frozenset[str]:
        """Return the categories that a column has only where another one makes it so."""
        _, categories = self.structure.forced.get(column, ("", {}))
        return frozenset(value for value in categories.values() if value.startswith("No "))

    def is_forced(self, column: str, features: Matrix) -> NDArray[np.bool_]:
        """Return for which rows another column decides the value of this one."""
        return self.structure.is_forced(column, features, self.schema)

    def code(self, column: str, category: str) -> float:
        """Return the code of a category; that of unseen ones if the column does not have it."""
        return self.schema.column(column).code_of.get(category, UNSEEN)

    def value(self, column: str, text: str) -> float:
        """Return the number that stands for a value written as in a table, `nan` if there is none."""
        return float(Schema((self.schema.column(column),)).encode(pd.DataFrame({column: [text]}))[0, 0])

    def through_text(self, values: Matrix, written: Callable[[str], str]) -> Matrix:
        """Return numbers as they are read back from the text that they were written as."""
        return read_back(values, written)

    def exchanged(self, features: Matrix, columns: tuple[str, str]) -> Matrix:
        """Return two columns of some rows, each with the values of the other as far as it can hold them."""
        one, other = (self.schema.column(column) for column in columns)
        pair = Schema((one, other))
        values = pair.decode(features[:, [self.place(column) for column in columns]]).astype(object)
        return pair.encode(pd.DataFrame({one.name: values[other.name], other.name: values[one.name]}))

    def terms(self, names: tuple[str, ...], features: Matrix) -> Matrix:
        """Return a column for each term; `InputError` if one is none."""
        return design(names, features, self.schema)
