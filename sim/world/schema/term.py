"""Terms: the small language in which linear models of this package name what they add up.

A term is `intercept`, or one or more factors joined by ` & ` and multiplied. A factor is one of

- `Contract=One year`: 1 where the column has that category, else 0;
- `tenure`: the number itself;
- `log1p(tenure)`: log(1 + number), negative numbers taken as 0;
- `hinge(tenure, 12)`: max(0, number - 12);
- `missing(tenure)`: 1 where the column has no value, else 0;

and a numeric factor may be divided by a constant that gives it its unit: `MonthlyCharges/10` (tens of dollars),
`tenure/12` (years), `hinge(tenure, 12)/12`.

A column or category may stand between backquotes, and must where it could be read otherwise:

    `Monthly (USD)`/10
    Kind=`Bed & breakfast`
    hinge(`Age (years)`, 18)

`quoted` and `indicator` write names so. A name that contains a backquote cannot be named.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sim.errors import InputError, did_you_mean
from sim.world.schema.columns import Column, Matrix, Schema

INTERCEPT = "intercept"
JOIN = " & "
_QUOTE = "`"
_OUTSIDE_QUOTES = r"(?=[^`]*(?:`[^`]*`[^`]*)*\Z)"  # an even number of backquotes follows
_JOIN = re.compile(JOIN + _OUTSIDE_QUOTES)
_EQUALS = re.compile("=" + _OUTSIDE_QUOTES)
_QUOTED = r"\s*`[^`]+`\s*"
_NAME = rf"{_QUOTED}|[^()`]+"
_DECIMAL = r"[0-9]+(?:\.[0-9]+)?"
_NUMBER = re.compile(
    rf"(?:log1p\((?P<log>{_NAME})\)|hinge\((?P<hinge>{_NAME}),\s*(?P<knot>-?{_DECIMAL})\)|(?P<plain>{_NAME}?))"
    rf"\s*(?:/\s*(?P<scale>{_DECIMAL}))?"
)
_MISSING = re.compile(rf"missing\((?P<name>{_NAME})\)")
_ONE: Matrix = np.ones(1)


class Factor(Protocol):
    """A value that one column gives each customer; never missing or infinite. Hashable."""

    @property
    def position(self) -> int:
        """The position of the column."""
        ...

    def of(self, column: Matrix) -> Matrix:
        """Return the value for each entry of the column; 0 for a number that is missing or infinite."""
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
    return Term(name, tuple(_factor(text.strip(), schema) for text in _JOIN.split(name)))


def quoted(column: str) -> str:
    """Return a column as a term names it, between backquotes only where it could be read otherwise.

    >>> quoted("tenure"), quoted("Age (years)"), quoted("intercept")
    ('tenure', '`Age (years)`', '`intercept`')
    """
    match = _NUMBER.fullmatch(column)
    reads_back = match and match["plain"] == column != INTERCEPT and "=" not in column
    return column if reads_back and not _breaks_a_term(column) else _between_quotes(column)


def indicator(column: str, category: str) -> str:
    """Return the factor that is 1 where the column has the category; either is quoted only if it must be.

    >>> indicator("Payment", "Check (mailed)"), indicator("Kind", "Bed & breakfast")
    ('Payment=Check (mailed)', 'Kind=`Bed & breakfast`')
    """
    return f"{quoted(column)}={_between_quotes(category) if _breaks_a_term(category) else category}"


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
class _Missing:
    position: int

    def of(self, column: Matrix) -> Matrix:
        return np.where(np.isnan(column), 1.0, 0.0)


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
        above: Matrix = np.maximum(_known(column - self.knot), 0.0)
        return above / self.scale


def _known(column: Matrix) -> Matrix:
    return np.where(np.isfinite(column), column, 0.0)


def _breaks_a_term(name: str) -> bool:
    return not name or name != name.strip() or JOIN in name or name.endswith(JOIN.rstrip())


def _between_quotes(name: str) -> str:
    return f"{_QUOTE}{name}{_QUOTE}"


def _unquoted(text: str) -> str:
    """Return the name without its backquotes; `InputError` for a backquote anywhere but around it."""
    name = text.strip()
    if _QUOTE not in name:
        return name
    if not re.fullmatch(_QUOTED, name):
        raise InputError(
            f"backquotes must enclose a whole column or category, got {name!r}; write it like `Age (years)`."
        )
    return name[1:-1]


def _factor(text: str, schema: Schema) -> Factor:
    name, *category = _EQUALS.split(text, maxsplit=1)
    if category:
        return _indicator(_unquoted(name), _unquoted(category[0]), schema)
    if missing := _MISSING.fullmatch(text):
        column = _unquoted(missing["name"])
        _column(column, schema)
        return _Missing(schema.position[column])
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise InputError(
            "a factor must read like Contract=One year, tenure/12, log1p(tenure), hinge(tenure, 12) or "
            f"missing(tenure), got {text!r}; join factors by {JOIN!r}, and put backquotes around other names."
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
    name = _unquoted(match["log"] or match["hinge"] or match["plain"])
    column = _column(name, schema)
    if column.is_category:
        raise InputError(
            f"{name!r} is a category and must be named with a value, got {match[0]!r}; write "
            f"{indicator(name, column.categories[0])}."
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
