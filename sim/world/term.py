"""Terms: the small language in which linear models of this package name what they add up.

A term is `intercept`, or one or more factors joined by ` & ` and multiplied. A factor is one of

- `Contract=One year`: 1 where the column has that category, else 0;
- `tenure`: the number itself;
- `log1p(tenure)`: log(1 + number), negative numbers taken as 0;
- `hinge(tenure, 12)`: max(0, number - 12);

and a numeric factor may be divided by a constant that gives it its unit: `MonthlyCharges/10` (tens of dollars),
`tenure/12` (years), `hinge(tenure, 12)/12`. A category that contains ` & ` or a column that contains `=` or
parentheses cannot be named.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sim.errors import InputError, did_you_mean
from sim.world.schema import Column, Matrix, Schema

INTERCEPT = "intercept"
JOIN = " & "
_DECIMAL = r"[0-9]+(?:\.[0-9]+)?"
_NUMBER = re.compile(
    rf"(?:log1p\((?P<log>[^()]+)\)|hinge\((?P<hinge>[^()]+),\s*(?P<knot>{_DECIMAL})\)|(?P<plain>[^()]+?))"
    rf"\s*(?:/\s*(?P<scale>{_DECIMAL}))?"
)
_ONE: Matrix = np.ones(1)


class Factor(Protocol):
    """A value that one column gives each customer; never missing or infinite. Hashable."""

    @property
    def position(self) -> int:
        """The position of the column."""
        ...

    def of(self, column: Matrix) -> Matrix:
        """Return the value for each entry of the column; 0 where that is missing or infinite."""
        ...


@dataclass(frozen=True, slots=True)
class Term:
    """A product of factors; without any, the intercept."""

    name: str
    factors: tuple[Factor, ...]

    @property
    def positions(self) -> frozenset[int]:
        """The positions of the columns that the term looks at."""
        return frozenset(factor.position for factor in self.factors)


class FactorValues:
    """The values of factors for the same customers, each computed once.

    Parameters
    ----------
    columns
        The columns by position. More of them may be added later, none may be changed.
    """

    def __init__(self, columns: Mapping[int, Matrix]) -> None:
        self._columns = columns
        self._values: dict[Factor, Matrix] = {}

    def product(self, term: Term) -> Matrix:
        """Return the value of the term for each customer; a single 1 for the intercept."""
        product = _ONE
        for factor in term.factors:
            product = self._of(factor) if product is _ONE else product * self._of(factor)
        return product

    def _of(self, factor: Factor) -> Matrix:
        if factor not in self._values:
            self._values[factor] = factor.of(self._columns[factor.position])
        return self._values[factor]


def read_term(name: str, schema: Schema) -> Term:
    """Read a term.

    Raises
    ------
    InputError
        If the text is no term, or names a column or category that `schema` doesn't have.
    """
    if name.strip() == INTERCEPT:
        return Term(name, ())
    return Term(name, tuple(_factor(text.strip(), schema) for text in name.split(JOIN)))


def design(names: tuple[str, ...], features: Matrix, schema: Schema) -> Matrix:
    """Return the n x len(names) matrix of the values of the named terms, as a fit needs it.

    >>> design(("tenure/12", "hinge(tenure, 18)"), np.array([[24.0]]), Schema((Column("tenure"),)))
    array([[2., 6.]])
    """
    factors = FactorValues(dict(enumerate(features.T)))
    matrix = np.empty((len(features), len(names)))
    for index, name in enumerate(names):
        matrix[:, index] = factors.product(read_term(name, schema))
    return matrix


@dataclass(frozen=True, slots=True)
class _Indicator:
    position: int
    code: int

    def of(self, column: Matrix) -> Matrix:
        return np.where(column == self.code, 1.0, 0.0)


@dataclass(frozen=True, slots=True)
class _Number:
    position: int
    scale: float

    def of(self, column: Matrix) -> Matrix:
        return _known(column) / self.scale


@dataclass(frozen=True, slots=True)
class _Log:
    position: int
    scale: float

    def of(self, column: Matrix) -> Matrix:
        logarithm: Matrix = np.log1p(np.maximum(_known(column), 0.0))
        return logarithm / self.scale


@dataclass(frozen=True, slots=True)
class _Hinge:
    position: int
    scale: float
    knot: float

    def of(self, column: Matrix) -> Matrix:
        above: Matrix = np.maximum(_known(column) - self.knot, 0.0)
        return above / self.scale


def _known(column: Matrix) -> Matrix:
    return np.where(np.isfinite(column), column, 0.0)


def _factor(text: str, schema: Schema) -> Factor:
    name, is_indicator, category = (part.strip() for part in text.partition("="))
    if is_indicator:
        return _indicator(name, category, schema)
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise InputError(
            "a factor must read like Contract=One year, tenure/12, log1p(tenure) or hinge(tenure, 12), "
            f"got {text!r}; join factors by {JOIN!r}."
        )
    return _numeric(match, schema)


def _indicator(name: str, category: str, schema: Schema) -> _Indicator:
    column = _column(name, schema)
    if not column.is_category:
        raise InputError(f"{name!r} is a number and has no category, got {name}={category}; write {name!r} alone.")
    if category not in column.code_of:
        raise InputError(
            f"a category of {name!r} must be one of {', '.join(column.categories)}, got {category!r}."
            f"{did_you_mean(category, column.categories)}"
        )
    return _Indicator(schema.position[name], column.code_of[category])


def _numeric(match: re.Match[str], schema: Schema) -> Factor:
    name = (match["log"] or match["hinge"] or match["plain"]).strip()
    column = _column(name, schema)
    if column.is_category:
        raise InputError(
            f"{name!r} is a category and must be named with a value, got {match[0]!r}; write "
            f"{name}={column.categories[0]}."
        )
    scale = float(match["scale"] or 1.0)
    if scale == 0.0:
        raise InputError(f"the unit of a factor must be above 0, got {match[0]!r}; divide by a positive number.")
    position = schema.position[name]
    if match["log"]:
        return _Log(position, scale)
    return _Hinge(position, scale, float(match["knot"])) if match["hinge"] else _Number(position, scale)


def _column(name: str, schema: Schema) -> Column:
    if name not in schema.position:
        raise InputError(
            f"a term must name a column of the table, got {name!r}; the columns are {', '.join(schema.names)}."
            f"{did_you_mean(name, schema.names)}"
        )
    return schema.columns[schema.position[name]]
