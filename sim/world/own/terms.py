"""Which terms can describe an outcome in a table of which nothing is known.

Main effects, in a fixed order, so that equal tables give equal terms:

- an indicator of each category but the most frequent of its column, if at least `LEAST_ROWS` rows have it; of more
  than `MOST_INDICATORS` in all columns, the most frequent ones;
- each number in a unit near its spread (a power of ten), above its smallest value where that is far from 0;
- `missing(column)` if at least `LEAST_ROWS` rows have no value.

A number may bend: `bends` gives the logarithm and hinges at quantiles for a fit to choose from.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sim.world.schema.columns import Column, Matrix, Schema
from sim.world.schema.term import indicator, quoted

LEAST_ROWS = 20
"""A category, and the missing values of a column, have a term of their own from so many rows."""

MOST_INDICATORS = 100
"""The most indicators of categories."""

_KNOTS = (0.1, 0.25, 0.5, 0.75, 0.9)  # quantiles
_FAR_FROM_ZERO = 10.0  # spreads between 0 and the mean
_LARGEST_EXPONENT = 30  # of a spread; what is larger or smaller is no measure of a customer, and has no term


def main_effects(features: Matrix, schema: Schema) -> tuple[str, ...]:
    """Return the terms of the main effects of a table's features."""
    numbers = [
        term
        for position in schema.number_positions
        if (term := Number(schema.columns[position].name, features[:, position]).linear)
    ]
    missing = [
        f"missing({quoted(column.name)})"
        for column, values in zip(schema.columns, features.T, strict=True)
        if LEAST_ROWS <= np.count_nonzero(np.isnan(values)) < len(values)
    ]
    return (*_indicators(features, schema), *numbers, *missing)


@dataclass(frozen=True, slots=True)
class Bend:
    """A term by which a number may bend."""

    column: str
    term: str


def bends(features: Matrix, schema: Schema) -> tuple[Bend, ...]:
    """Return the terms by which the numbers of a table may bend."""
    numbers = (Number(schema.columns[position].name, features[:, position]) for position in schema.number_positions)
    return tuple(Bend(number.name, term) for number in numbers for term in number.bends)


@dataclass(frozen=True)
class Number:
    """A column of numbers, and the terms that suit their size.

    >>> number = Number("Age (years)", np.array([18.0, 35.0, 70.0, np.nan]))
    >>> number.linear, number.bends[:3]
    ('`Age (years)`/10', ('log1p(`Age (years)`)', 'hinge(`Age (years)`, 21.4)/10', 'hinge(`Age (years)`, 26.5)/10'))
    >>> Number("year", np.array([2010.0, 2019.0])).linear
    'hinge(year, 2010)/10'
    """

    name: str
    values: Matrix

    @cached_property
    def linear(self) -> str:
        """The number in its unit; empty if all values are equal."""
        if self._exponent is None:
            return ""
        if abs(self._mean) < _FAR_FROM_ZERO * self._spread:
            return quoted(self.name) + self._unit
        unit = 10.0**self._exponent
        units_below = float(np.floor((self._known.min() / unit).round(6)))  # 2.3 / 0.01 is a little less than 230
        return self._hinge(self._rounded(units_below * unit))

    @cached_property
    def bends(self) -> tuple[str, ...]:
        """The logarithm of a number without negative values, and hinges at quantiles within the values."""
        if self._exponent is None:
            return ()
        low, high = self._known.min(), self._known.max()
        logarithm = (f"log1p({quoted(self.name)})",) if low >= 0.0 else ()
        knots = (self._rounded(float(knot)) for knot in np.quantile(self._known, _KNOTS))
        hinges = dict.fromkeys(self._hinge(knot) for knot in knots if low < knot < high)
        return (*logarithm, *hinges)

    @cached_property
    def _known(self) -> Matrix:
        return self.values[np.isfinite(self.values)]

    @cached_property
    def _size(self) -> float:
        """The largest absolute value, by which squares are divided lest they overflow."""
        return float(np.abs(self._known).max(initial=0.0)) or 1.0

    @cached_property
    def _mean(self) -> float:
        return float(np.mean(self._known / self._size)) * self._size

    @cached_property
    def _spread(self) -> float:
        return float(np.std(self._known / self._size)) * self._size if len(self._known) else 0.0

    @cached_property
    def _exponent(self) -> int | None:
        """The power of ten nearest the spread, `None` where there is none."""
        exponent = round(float(np.log10(self._spread))) if self._spread > 0.0 else -_LARGEST_EXPONENT
        return exponent if abs(exponent) < _LARGEST_EXPONENT else None

    @property
    def _unit(self) -> str:
        return f"/{_decimal(10.0**self._exponent)}" if self._exponent else ""

    def _hinge(self, knot: float) -> str:
        return f"hinge({quoted(self.name)}, {_decimal(knot)}){self._unit}"

    def _rounded(self, knot: float) -> float:
        """Return the knot to three digits, or more where a hundredth of the unit needs more."""
        size = round(float(np.log10(abs(knot)))) if knot else 0
        return round(knot, 2 - min(size, self._exponent or 0))


def _indicators(features: Matrix, schema: Schema) -> list[str]:
    """Name the indicators in the order of the columns and categories."""
    counted = [
        (count, indicator(schema.columns[position].name, category))
        for position in schema.category_positions
        for category, count in _others(schema.columns[position], features[:, position])
        if count >= LEAST_ROWS
    ]
    kept = sorted(range(len(counted)), key=lambda index: -counted[index][0])[:MOST_INDICATORS]
    return [counted[index][1] for index in sorted(kept)]


def _others(column: Column, values: Matrix) -> list[tuple[str, int]]:
    """Return each category but the most frequent with its number of rows."""
    counts = np.bincount(values[values >= 0.0].astype(np.int64), minlength=len(column.categories))
    reference = int(np.argmax(counts))
    return [(name, int(counts[code])) for code, name in enumerate(column.categories) if code != reference]


def _decimal(number: float) -> str:
    """Return the number as terms write it, without an exponent.

    >>> _decimal(10.0), _decimal(0.001), _decimal(-2.5e20)
    ('10', '0.001', '-250000000000000000000')
    """
    return np.format_float_positional(number, trim="-")
