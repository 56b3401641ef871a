"""Structural rules: what always holds for a customer of a population, and must hold after any drift."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sim.world.schema.columns import Matrix, Schema
from sim.world.telco.twin import FORCED


@dataclass(frozen=True)
class Structure:
    """The rules of a population's columns.

    Parameters
    ----------
    whole_numbers
        Numeric columns that hold whole numbers; one that was at least 1 stays so.
    forced
        A column, the column that may decide it, and what each deciding category makes of it. Nothing else may make
        that of it, if it says so by the name "No ... service".
    product
        A column that follows the product of two others, as a total follows months and monthly charge; none if empty.
    """

    whole_numbers: frozenset[str] = frozenset()
    forced: Mapping[str, tuple[str, Mapping[str, str]]] = field(default_factory=dict)
    product: tuple[str, str, str] | tuple[()] = ()

    @property
    def deciders(self) -> frozenset[str]:
        """The columns that decide others."""
        return frozenset(decider for decider, _ in self.forced.values())

    def is_forced(self, column: str, features: Matrix, schema: Schema) -> NDArray[np.bool_]:
        """Return for which rows another column decides the value of `column`."""
        if column not in self.forced:
            return np.zeros(len(features), dtype=np.bool_)
        decider, categories = self.forced[column]
        codes = [schema.code(decider, category) for category in categories]
        return np.isin(features[:, schema.position[decider]], codes)

    def with_product(self, schema: Schema, before: Matrix, after: Matrix) -> Matrix:
        """Let the product follow its factors in the rows of `after`, in proportion, to the cent; return `after`."""
        if not self.product:
            return after
        total, first, second = (schema.position[name] for name in self.product)
        was, now = (rows[:, first] * rows[:, second] for rows in (before, after))
        ratio = np.divide(now, was, out=np.ones_like(was), where=was > 0)
        after[:, total] = np.where(ratio == 1, before[:, total], np.round(before[:, total] * ratio, 2))
        return after

    def broken_rules(self, features: Matrix, schema: Schema) -> Iterator[str]:
        """Yield a sentence for each rule that some row breaks."""
        for name in sorted(self.whole_numbers):
            values = features[:, schema.position[name]]
            if np.any(values[~np.isnan(values)] % 1):
                yield f"{name} must hold whole numbers"
        for column in self.forced:
            yield from self._broken_force(column, features, schema)
        if self.product:
            total, first, _ = (features[:, schema.position[name]] for name in self.product)
            if np.any(np.isnan(total) != (first == 0)):
                yield f"{self.product[0]} must be missing where {self.product[1]} is 0, and nowhere else"

    def _broken_force(self, column: str, features: Matrix, schema: Schema) -> Iterator[str]:
        decider, categories = self.forced[column]
        for category, value in categories.items():
            decides = features[:, schema.position[decider]] == schema.code(decider, category)
            has_value = features[:, schema.position[column]] == schema.code(column, value)
            if np.any(decides & ~has_value):
                yield f"{column} must be {value!r} where {decider} is {category!r}"
            if value.startswith("No ") and np.any(has_value & ~decides):
                yield f"{column} must be {value!r} only where {decider} is {category!r}"


TELCO_STRUCTURE = Structure(frozenset({"tenure"}), FORCED, ("TotalCharges", "tenure", "MonthlyCharges"))
"""The rules of the Telco table and its twin."""
