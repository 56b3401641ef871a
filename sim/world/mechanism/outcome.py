"""The outcome mechanism: who churns with which probability, as named log-odds that can be read and moved."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from importlib.resources import files
from math import isfinite

import numpy as np
from scipy.optimize import brentq

from sim.errors import InputError
from sim.world.schema.columns import Matrix, Schema
from sim.world.schema.term import INTERCEPT, FactorValues, Term, read_term
from sim.world.telco.table import SCHEMA

_BLOCK_ROWS = 4096  # what the terms need of so many rows stays in the processor's cache
_LEAST_RATE = 1e-12  # can be reached within the limit of the log-odds
_LOG_ODDS_LIMIT = 30.0  # the logistic function is exactly 1.0 in double precision from about 37


@dataclass(frozen=True)
class Mechanism:
    """An additive logistic outcome mechanism: logit P(churn) is the sum of coefficient x term.

    Terms are written as `sim.world.schema.term` says: `intercept`, `Contract=One year`, `log1p(tenure)`,
    `hinge(tenure, 60)/12`, `Contract=One year & tenure/12`.

    Parameters
    ----------
    schema
        The columns of the feature matrices that are judged.
    coefficients
        Log-odds by term; a term that is left out counts 0. `InputError` for a term that cannot be read.

    Examples
    --------
    >>> from sim.world.schema.columns import Column
    >>> schema = Schema((Column("tenure"), Column("Contract", ("Monthly", "Yearly"))))
    >>> mechanism = Mechanism(schema, {"intercept": 0.5, "tenure/12": -0.5, "Contract=Yearly": -1.0})
    >>> mechanism.propensity(np.array([[12.0, 0.0], [12.0, 1.0]])).round(3)
    array([0.5  , 0.269])
    """

    schema: Schema
    coefficients: Mapping[str, float]

    def __post_init__(self) -> None:
        for name, log_odds in self.coefficients.items():
            read_term(name, self.schema)
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
            If `rate` is not strictly between 0 and 1 (1e-12 away from both), or there is no row.
        """
        if not _LEAST_RATE <= rate <= 1.0 - _LEAST_RATE:
            raise InputError(
                f"a base rate must lie strictly between 0 and 1, got {rate}; give the share of churners."
            )
        if not len(features):
            raise InputError(
                "a base rate needs at least 1 customer to hold for, got 0; give the undrifted population."
            )
        return self.moved({INTERCEPT: _shift_to_rate(self._log_odds(features), rate)})

    @cached_property
    def _terms(self) -> tuple[tuple[float, Term], ...]:
        """The terms in order of name: floating-point sums depend on the order, equal mechanisms must not."""
        coefficients = sorted(self.coefficients.items())
        return tuple((log_odds, read_term(name, self.schema)) for name, log_odds in coefficients if log_odds)

    def _log_odds(self, features: Matrix) -> Matrix:
        total = np.empty(len(features))
        for start in range(0, len(features), _BLOCK_ROWS):
            block = slice(start, start + _BLOCK_ROWS)
            total[block] = self._block_log_odds(features[block])
        return total

    def _block_log_odds(self, features: Matrix) -> Matrix:
        positions = {position for _, term in self._terms for position in term.positions}
        factors = FactorValues({position: np.ascontiguousarray(features[:, position]) for position in positions})
        total = np.zeros(len(features))
        for log_odds, term in self._terms:
            total += log_odds * factors.product(term)
        return total


@cache
def telco_mechanism() -> Mechanism:
    """Return the mechanism fitted to the IBM Telco table, of which the twin's outcomes are drawn too."""
    text = files("sim.world.telco").joinpath("data", "twin.json").read_text(encoding="utf-8")
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
