"""Drift: injectors that move the customers or the outcome mechanism, and nothing before their onset."""

from collections.abc import Callable, Sequence

import numpy as np

from scenarios.schema import CategoryDrift, ConceptDrift, Drift, NumberDrift
from sim.errors import InputError, did_you_mean
from sim.world.mechanism import Mechanism
from sim.world.schema import Column, Matrix, Schema
from sim.world.twin import FORCED

_WHOLE_NUMBERS = frozenset({"tenure"})
_FOLLOWERS = frozenset({"TotalCharges"})
_TIED = frozenset({"InternetService", *FORCED})


def check_drift(drift: Sequence[Drift], schema: Schema, mechanism: Mechanism) -> None:
    """Raise `InputError` unless every injector names columns, categories and terms that the population has."""
    for injector in drift:
        if isinstance(injector, ConceptDrift):
            mechanism.moved(injector.shifts)
        elif isinstance(injector, NumberDrift):
            if _column(schema, injector.column).is_category:
                msg = f"a number drift needs a numeric column, got {injector.column!r}; use kind = 'category'."
                raise InputError(msg)
            if injector.column in _FOLLOWERS:
                msg = f"{injector.column!r} follows tenure and MonthlyCharges, so it cannot drift alone; drift those."
                raise InputError(msg)
        else:
            _check_category(schema, injector)


def drifted_features(
    schema: Schema, drift: Sequence[Drift], step: int, features: Matrix, uniform: Callable[[CategoryDrift], Matrix]
) -> Matrix:
    """Return the features of one batch under the covariate injectors at work at `step`, in the order listed.

    `uniform(injector)` gives one number in [0, 1) for each row, from a stream that belongs to what the injector moves
    and when, not to its place in the list. The input is returned as it is where no injector is at work.
    """
    moved = features
    for injector in drift:
        intensity = injector.intensity(step)
        if isinstance(injector, ConceptDrift) or intensity == 0:
            continue
        moved = moved.copy() if moved is features else moved
        if isinstance(injector, NumberDrift):
            _scale(schema, injector, intensity, moved)
        else:
            _move(schema, injector, intensity, moved, uniform(injector))
    return moved if moved is features else _with_total_charges(schema, features, moved)


def drifted_mechanism(
    drift: Sequence[Drift], intensities: Sequence[float], mechanism: Mechanism, reference: Matrix
) -> Mechanism:
    """Return the outcome mechanism where each injector acts with its intensity.

    A held base rate is solved on `reference`, the features of the whole undrifted population, never on coming
    batches.
    """
    moved = mechanism
    for injector, intensity in zip(drift, intensities, strict=True):
        if not isinstance(injector, ConceptDrift) or intensity == 0:
            continue
        shifted = moved.moved({term: intensity * shift for term, shift in injector.shifts.items()})
        if injector.hold_base_rate:
            shifted = shifted.with_base_rate(reference, float(moved.propensity(reference).mean()))
        moved = shifted
    return moved


def _column(schema: Schema, name: str) -> Column:
    if name not in schema.position:
        msg = f"a drift must name a column of the population, got {name!r}.{did_you_mean(name, schema.names)}"
        raise InputError(msg)
    return schema.columns[schema.position[name]]


def _check_category(schema: Schema, injector: CategoryDrift) -> None:
    column = _column(schema, injector.column)
    if not column.is_category:
        msg = f"a category drift needs a categorical column, got {injector.column!r}; use kind = 'number'."
        raise InputError(msg)
    if injector.column in _TIED:
        msg = f"a category drift must leave the structural rules whole, and {injector.column!r} is tied to others."
        raise InputError(msg)
    if injector.to not in column.categories:
        hint = did_you_mean(injector.to, column.categories)
        msg = f"{injector.column!r} must move to one of {list(column.categories)}, got {injector.to!r}.{hint}"
        raise InputError(msg)


def _scale(schema: Schema, injector: NumberDrift, intensity: float, features: Matrix) -> None:
    position = schema.position[injector.column]
    before = features[:, position]
    after = before * (1 + (injector.factor - 1) * intensity)
    if injector.column in _WHOLE_NUMBERS:
        after = np.where(before >= 1, np.maximum(np.rint(after), 1), after)
    else:
        after = np.round(after, 2)
    features[:, position] = after


def _move(schema: Schema, injector: CategoryDrift, intensity: float, features: Matrix, uniform: Matrix) -> None:
    position = schema.position[injector.column]
    moves = uniform < injector.share * intensity
    features[moves, position] = schema.code(injector.column, injector.to)


def _with_total_charges(schema: Schema, before: Matrix, after: Matrix) -> Matrix:
    """Let TotalCharges follow tenure x MonthlyCharges, so that a drifted customer stays on the manifold."""
    if not {"tenure", "MonthlyCharges", "TotalCharges"} <= set(schema.names):
        return after
    tenure, monthly, total = (schema.position[name] for name in ("tenure", "MonthlyCharges", "TotalCharges"))
    expected_before = before[:, tenure] * before[:, monthly]
    expected_after = after[:, tenure] * after[:, monthly]
    ratio = np.divide(expected_after, expected_before, out=np.ones_like(expected_before), where=expected_before > 0)
    after[:, total] = np.where(ratio == 1, before[:, total], np.round(before[:, total] * ratio, 2))
    return after
