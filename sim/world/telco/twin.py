"""The twin: a synthetic Telco population that needs no table and never runs out of customers.

Customers are drawn in the order tenure, contract, services, person, billing, charges. Each categorical column is a
logistic model of the columns before it; the monthly charge is the sum of a price list, and the total follows from
tenure and the monthly charge. Outcomes are drawn elsewhere, by the mechanism.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from scipy.special import ndtri

from sim.world.schema.columns import Matrix
from sim.world.schema.term import FactorValues, Term, read_term
from sim.world.telco.table import SCHEMA

PRICE_STEP = 0.05
"""All charges are multiples of this many dollars."""

TOTAL_DEVIATION_LIMIT = 4.0
"""TotalCharges lies within this many standard deviations of tenure x MonthlyCharges."""

INTERNET_EXTRAS = (
    "OnlineSecurity",
    "OnlineBackup",
    "DeviceProtection",
    "TechSupport",
    "StreamingTV",
    "StreamingMovies",
)
FORCED: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "PhoneService": ("InternetService", {"Fiber optic": "Yes", "No": "Yes"}),
    "MultipleLines": ("PhoneService", {"No": "No phone service"}),
    **{extra: ("InternetService", {"No": "No internet service"}) for extra in INTERNET_EXTRAS},
}
"""Structural rules: a column, the column that may decide it, and what each deciding category makes of it."""

_BLOCK_ROWS = 4096  # what the stages need of so many rows stays in the processor's cache
_TENURE, _INTERNET, _MONTHLY, _TOTAL = (
    SCHEMA.position[name] for name in ("tenure", "InternetService", "MonthlyCharges", "TotalCharges")
)


@dataclass(frozen=True, slots=True)
class Stage:
    """A multinomial logistic model of one categorical column, given the columns drawn before it.

    `log_odds` gives the coefficients of terms (`sim.world.schema.term`) for each category against `reference`; one
    that is not named is never drawn, though a structural rule may force it.
    """

    column: str
    reference: str
    log_odds: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class TwinParameters:
    """The fitted numbers from which customers are drawn.

    Parameters
    ----------
    tenure_share
        Probability of each tenure, by months from 0.
    stages
        The categorical columns in the order in which they are drawn.
    price_list
        Dollars a month for each service, by term.
    price_deviations
        How monthly charges scatter about the list, by category of InternetService: equally spaced quantiles, the
        least and the greatest included, of the deviation in dollars divided by the square root of the number of
        services.
    total_spread
        Standard deviation of TotalCharges - tenure x MonthlyCharges, divided by the square root of
        (tenure - 1) x MonthlyCharges. It is 0 for a first month: then both charges are equal.
    """

    tenure_share: tuple[float, ...]
    stages: tuple[Stage, ...]
    price_list: Mapping[str, float]
    price_deviations: Mapping[str, tuple[float, ...]]
    total_spread: float

    def to_json(self) -> dict[str, Any]:
        """Return the parameters as what `json.dumps` takes."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "TwinParameters":
        """Return the parameters that `to_json` wrote."""
        return cls(
            tenure_share=tuple(content["tenure_share"]),
            stages=tuple(Stage(**stage) for stage in content["stages"]),
            price_list=content["price_list"],
            price_deviations={name: tuple(values) for name, values in content["price_deviations"].items()},
            total_spread=content["total_spread"],
        )


@cache
def load_parameters() -> TwinParameters:
    """Return the parameters fitted to the whole IBM Telco table."""
    text = files("sim.world.telco").joinpath("data", "twin.json").read_text(encoding="utf-8")
    return TwinParameters.from_json(json.loads(text)["twin"])


def sample(rng: np.random.Generator, n: int, parameters: TwinParameters | None = None) -> Matrix:
    """Draw customers.

    Each customer takes the same share of the generator's stream, so the first customers of a larger draw are those
    of a smaller one.

    Parameters
    ----------
    rng
        The stream to draw from.
    n
        Number of customers.
    parameters
        What to draw them from; the shipped parameters if left out.

    Returns
    -------
    Matrix
        The n x 19 matrix encoded with `sim.world.telco.table.SCHEMA`. TotalCharges is missing where tenure is 0.

    Examples
    --------
    >>> sample(np.random.default_rng(1), 2).shape
    (2, 19)
    """
    recipe = _shipped_recipe() if parameters is None else _recipe(parameters)
    features = np.empty((n, len(SCHEMA.columns)))
    for start in range(0, n, _BLOCK_ROWS):
        block = features[start : start + _BLOCK_ROWS]
        uniforms = rng.random((len(block), len(recipe.stages) + 3))  # tenure and the two charges take one each
        _fill_customers(block, np.ascontiguousarray(uniforms.T), recipe)
    return features


@dataclass(frozen=True, slots=True)
class _ReadyStage:
    """A stage whose names are resolved to codes and rows.

    `codes` holds the codes of its categories, reference first; `log_odds` one row for each category after it, one
    column for each term that is known by then; `forced` triples of the position of a deciding column, its code, and
    the code it forces.
    """

    position: int
    codes: Matrix
    log_odds: Matrix
    forced: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class _Recipe:
    """`TwinParameters` made ready for drawing.

    `terms` are in the order in which they become known: `known[0]` of them with the tenure, `known[i]` after stage i.
    So each stage multiplies its coefficients by the leading rows of one array of term values.
    """

    tenure_edges: Matrix
    terms: tuple[Term, ...]
    known: tuple[int, ...]
    stages: tuple[_ReadyStage, ...]
    prices: Matrix
    price_deviations: tuple[tuple[int, Matrix], ...]  # code of InternetService, quantiles
    total_spread: float


@cache
def _shipped_recipe() -> _Recipe:
    return _recipe(load_parameters())


def _recipe(parameters: TwinParameters) -> _Recipe:
    order = (_TENURE, *(SCHEMA.position[stage.column] for stage in parameters.stages))
    rank = {position: index for index, position in enumerate(order)}
    known_after = {
        term: max((rank[position] for position in term.positions), default=0) for term in _terms(parameters)
    }
    terms = sorted(known_after, key=lambda term: (known_after[term], term.name))
    known = tuple(sum(after <= index for after in known_after.values()) for index in range(len(order)))
    row_of = {term.name: row for row, term in enumerate(terms)}
    return _Recipe(
        tenure_edges=np.cumsum(parameters.tenure_share)[:-1],
        terms=tuple(terms),
        known=known,
        stages=tuple(
            _ready_stage(stage, row_of, width) for stage, width in zip(parameters.stages, known[:-1], strict=True)
        ),
        prices=_weights(parameters.price_list, row_of, len(terms)),
        price_deviations=tuple(
            (SCHEMA.code("InternetService", category), np.array(quantiles))
            for category, quantiles in parameters.price_deviations.items()
        ),
        total_spread=parameters.total_spread,
    )


def _terms(parameters: TwinParameters) -> set[Term]:
    names = {name for stage in parameters.stages for coefficients in stage.log_odds.values() for name in coefficients}
    return {read_term(name, SCHEMA) for name in names | set(parameters.price_list)}


def _ready_stage(stage: Stage, row_of: Mapping[str, int], width: int) -> _ReadyStage:
    codes = [SCHEMA.code(stage.column, category) for category in (stage.reference, *stage.log_odds)]
    return _ReadyStage(
        position=SCHEMA.position[stage.column],
        codes=np.array(codes, dtype=np.float64),
        log_odds=np.stack([_weights(coefficients, row_of, width) for coefficients in stage.log_odds.values()]),
        forced=_forced(stage.column),
    )


def _weights(coefficients: Mapping[str, float], row_of: Mapping[str, int], width: int) -> Matrix:
    weights = np.zeros(width)
    for name, value in coefficients.items():
        weights[row_of[name]] = value
    return weights


def _forced(column: str) -> tuple[tuple[int, int, int], ...]:
    if column not in FORCED:
        return ()
    decider, categories = FORCED[column]
    position = SCHEMA.position[decider]
    return tuple(
        (position, SCHEMA.code(decider, category), SCHEMA.code(column, forced))
        for category, forced in categories.items()
    )


def _fill_customers(customers: Matrix, uniforms: Matrix, recipe: _Recipe) -> None:
    """Fill the rows of `customers` from the columns of `uniforms`."""
    tenure = np.searchsorted(recipe.tenure_edges, uniforms[0], side="right").astype(np.float64)
    columns = {_TENURE: tenure}
    factors = FactorValues(columns)
    values = np.empty((len(recipe.terms), len(customers)))
    start = 0
    for stage, known, uniform in zip(recipe.stages, recipe.known[:-1], uniforms[1:-2], strict=True):
        _evaluate(recipe.terms[start:known], factors, values[start:known])
        columns[stage.position] = _draw(stage, values[:known], columns, uniform)
        start = known
    _evaluate(recipe.terms[start:], factors, values[start:])
    columns[_MONTHLY] = _monthly_charges(recipe, values, columns[_INTERNET], uniforms[-2])
    columns[_TOTAL] = _total_charges(recipe, tenure, columns[_MONTHLY], uniforms[-1])
    for position, column in columns.items():
        customers[:, position] = column


def _evaluate(terms: tuple[Term, ...], factors: FactorValues, values: Matrix) -> None:
    for term, value in zip(terms, values, strict=True):
        value[:] = factors.product(term)


def _draw(stage: _ReadyStage, values: Matrix, columns: Mapping[int, Matrix], uniform: Matrix) -> Matrix:
    """Invert the cumulative odds at `uniform`, then obey the structural rules."""
    odds = np.exp(stage.log_odds @ values)
    level = uniform * (1.0 + odds.sum(axis=0))
    choice = np.zeros(len(uniform), dtype=np.intp)
    threshold = np.ones(len(uniform))
    for odd in odds:
        choice += level >= threshold
        threshold += odd
    codes = stage.codes[choice]
    for position, code, forced in stage.forced:
        codes[columns[position] == code] = forced
    return codes


def _monthly_charges(recipe: _Recipe, values: Matrix, internet: Matrix, uniform: Matrix) -> Matrix:
    services = (recipe.prices != 0.0).astype(np.float64) @ values
    deviation = np.zeros(len(uniform))
    for code, quantiles in recipe.price_deviations:
        rows = internet == code
        deviation[rows] = np.interp(uniform[rows], np.linspace(0.0, 1.0, len(quantiles)), quantiles)
    return _to_price_step(recipe.prices @ values + np.sqrt(services) * deviation)


def _total_charges(recipe: _Recipe, tenure: Matrix, monthly: Matrix, uniform: Matrix) -> Matrix:
    spread = recipe.total_spread * np.sqrt(np.maximum(tenure - 1.0, 0.0) * monthly)
    deviation = np.clip(ndtri(uniform), -TOTAL_DEVIATION_LIMIT, TOTAL_DEVIATION_LIMIT)
    return np.where(tenure > 0.0, _to_price_step(tenure * monthly + spread * deviation), np.nan)


def _to_price_step(dollars: Matrix) -> Matrix:
    """Round to cents that end in 0 or 5; dividing by 20 gives the very doubles that a file of charges gives."""
    rounded: Matrix = np.round(dollars / PRICE_STEP) / round(1.0 / PRICE_STEP)
    return rounded
