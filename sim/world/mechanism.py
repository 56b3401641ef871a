"""The outcome mechanism: who churns with which probability, as named log-odds that can be read and moved."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from importlib.resources import files
from math import isfinite
from typing import Protocol

import numpy as np
from scipy.optimize import brentq

from sim.errors import InputError, did_you_mean
from sim.world.schema import Column, Matrix, Schema
from sim.world.telco import SCHEMA

INTERCEPT = "intercept"
_JOIN = " & "
_BLOCK_ROWS = 4096  # what the terms need of so many rows stays in the processor's cache
_LOG_ODDS_LIMIT = 30.0  # the logistic function is exactly 1.0 in double precision from about 37
_DECIMAL = r"[0-9]+(?:\.[0-9]+)?"
_NUMBER = re.compile(
    rf"(?:log1p\((?P<log>[^()]+)\)|hinge\((?P<hinge>[^()]+),\s*(?P<knot>{_DECIMAL})\)|(?P<plain>[^()]+?))"
    rf"\s*(?:/\s*(?P<scale>{_DECIMAL}))?"
)


@dataclass(frozen=True)
class Mechanism:
    """An additive logistic outcome mechanism: logit P(churn) is the sum of coefficient x term.

    A term is `intercept`, or one or more factors joined by ` & ` and multiplied. A factor is one of

    - `Contract=One year`: 1 where the column has that category, else 0;
    - `tenure`: the number itself;
    - `log1p(tenure)`: log(1 + number), negative numbers taken as 0;
    - `hinge(tenure, 12)`: max(0, number - 12);

    and a numeric factor may be divided by a constant that gives it its unit: `MonthlyCharges/10` (tens of dollars),
    `tenure/12` (years), `hinge(tenure, 12)/12`.

    Parameters
    ----------
    schema
        The columns of the feature matrices that are judged.
    coefficients
        Log-odds by term; a term that is left out counts 0. `InputError` for a term that cannot be read.

    Examples
    --------
    >>> schema = Schema((Column("tenure"), Column("Contract", ("Monthly", "Yearly"))))
    >>> mechanism = Mechanism(schema, {"intercept": 0.5, "tenure/12": -0.5, "Contract=Yearly": -1.0})
    >>> mechanism.propensity(np.array([[12.0, 0.0], [12.0, 1.0]])).round(3)
    array([0.5  , 0.269])
    """

    schema: Schema
    coefficients: Mapping[str, float]

    def __post_init__(self) -> None:
        for name, log_odds in self.coefficients.items():
            _factors(name, self.schema)
            if not isfinite(log_odds):
                raise InputError(
                    f"the coefficient of {name!r} must be a finite number, got {log_odds}; give log-odds."
                )

    def propensity(self, features: Matrix) -> Matrix:
        """Return P(churn) of each row, strictly between 0 and 1.

        A term whose value is missing or infinite counts 0, so a row with missing values has a propensity too. Each
        row is judged by itself: neither the other rows nor the order of the coefficients changes a bit of it.

        Parameters
        ----------
        features
            The encoded n x columns matrix of `schema`.

        Returns
        -------
        Matrix
            n probabilities. Log-odds beyond +-30 count as +-30.
        """
        return _logistic(self._log_odds(features))

    def moved(self, shifts: Mapping[str, float]) -> "Mechanism":
        """Return the mechanism with each named coefficient raised by its shift.

        Any term that can be read may be named, also one whose coefficient was 0.

        Raises
        ------
        InputError
            For an unknown column or category, or a term or shift that is not one.
        """
        coefficients = dict(self.coefficients)
        for name, shift in shifts.items():
            coefficients[name] = coefficients.get(name, 0.0) + shift
        return replace(self, coefficients=coefficients)

    def with_base_rate(self, features: Matrix, rate: float) -> "Mechanism":
        """Return the mechanism whose mean propensity over `features` is `rate`, by moving the intercept alone.

        Raises
        ------
        InputError
            If `rate` is not strictly between 0 and 1, or there is no row.
        """
        if not 0.0 < rate < 1.0:
            raise InputError(
                f"a base rate must lie strictly between 0 and 1, got {rate}; give the share of churners."
            )
        if not len(features):
            raise InputError(
                "a base rate needs at least 1 customer to hold for, got 0; give the undrifted population."
            )
        return self.moved({INTERCEPT: _shift_to_rate(self._log_odds(features), rate)})

    @cached_property
    def _terms(self) -> tuple[tuple[float, tuple["_Factor", ...]], ...]:
        """The terms in order of name: floating-point sums depend on the order, equal mechanisms must not."""
        return tuple(
            (log_odds, _factors(name, self.schema))
            for name, log_odds in sorted(self.coefficients.items())
            if log_odds
        )

    def _log_odds(self, features: Matrix) -> Matrix:
        total = np.empty(len(features))
        for start in range(0, len(features), _BLOCK_ROWS):
            block = slice(start, start + _BLOCK_ROWS)
            total[block] = self._block_log_odds(features[block])
        return total

    def _block_log_odds(self, features: Matrix) -> Matrix:
        distinct = {factor for _, factors in self._terms for factor in factors}
        columns = {at: np.ascontiguousarray(features[:, at]) for at in {factor.position for factor in distinct}}
        values = {factor: factor.of(columns[factor.position]) for factor in distinct}
        total = np.zeros(len(features))
        for log_odds, factors in self._terms:
            term: Matrix | float = log_odds
            for factor in factors:
                term = term * values[factor]
            total += term
        return total


def design(names: tuple[str, ...], features: Matrix, schema: Schema) -> Matrix:
    """Return the n x len(names) matrix of the values of the named terms, as a fit needs it.

    >>> design(("tenure/12", "hinge(tenure, 18)"), np.array([[24.0]]), Schema((Column("tenure"),)))
    array([[2., 6.]])
    """
    matrix = np.ones((len(features), len(names)))
    for index, name in enumerate(names):
        for factor in _factors(name, schema):
            matrix[:, index] *= factor.of(features[:, factor.position])
    return matrix


@cache
def telco_mechanism() -> Mechanism:
    """Return the mechanism fitted to the IBM Telco table, of which the twin's outcomes are drawn too."""
    text = files("sim.world").joinpath("data", "twin.json").read_text(encoding="utf-8")
    return Mechanism(SCHEMA, json.loads(text)["mechanism"])


def _logistic(log_odds: Matrix) -> Matrix:
    propensity: Matrix = 1.0 / (1.0 + np.exp(-np.clip(log_odds, -_LOG_ODDS_LIMIT, _LOG_ODDS_LIMIT)))
    return propensity


def _shift_to_rate(log_odds: Matrix, rate: float) -> float:
    """Solve mean(logistic(log_odds + shift)) = rate for the shift.

    Shifting by logit(rate) - max(log_odds) leaves every row at or below the rate, shifting by logit(rate) -
    min(log_odds) at or above it; one more on either side keeps the bracket when all rows are equal.
    """
    target = float(np.log(rate) - np.log1p(-rate))
    low, high = target - float(log_odds.max()) - 1.0, target - float(log_odds.min()) + 1.0
    return float(brentq(lambda shift: float(np.mean(_logistic(log_odds + shift))) - rate, low, high, xtol=1e-14))


class _Factor(Protocol):
    """A value that one column gives each customer; never missing or infinite."""

    @property
    def position(self) -> int: ...

    def of(self, column: Matrix) -> Matrix: ...


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


def _factors(name: str, schema: Schema) -> tuple[_Factor, ...]:
    """Read a term; the intercept has no factors."""
    if name.strip() == INTERCEPT:
        return ()
    return tuple(_factor(text.strip(), schema) for text in name.split(_JOIN))


def _factor(text: str, schema: Schema) -> _Factor:
    name, is_indicator, category = (part.strip() for part in text.partition("="))
    if is_indicator:
        return _indicator(name, category, schema)
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise InputError(
            "a factor must read like Contract=One year, tenure/12, log1p(tenure) or hinge(tenure, 12), "
            f"got {text!r}; join factors by {_JOIN!r}."
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


def _numeric(match: re.Match[str], schema: Schema) -> _Factor:
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
