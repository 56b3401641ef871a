"""Quality faults: what is seen of customers and outcomes is wrong; the truth stays as it is."""

from collections.abc import Callable, Mapping, Sequence
from functools import singledispatch

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scenarios.injectors import (
    ColumnFault,
    DroppedFault,
    DuplicateFault,
    Fault,
    LateFault,
    MislabelFault,
    NullFault,
    RenameFault,
    StuckFault,
    SwapFault,
    TextFault,
    UnitFault,
)
from sim.errors import InputError
from sim.world.injectors.customers import Chance, reached
from sim.world.schema.columns import UNSEEN, Matrix, Schema, read_back
from sim.world.schema.term import design

_STYLES: Mapping[str, Callable[[str], str]] = {
    "decimal_comma": lambda text: text.replace(".", ","),
    "currency": lambda text: f"${text}",
}


def befallen(fault: Fault, step: int, chance: Chance, n_rows: int) -> NDArray[np.bool_]:
    """Return which of the customers of a step a fault befalls; a stronger one befalls them too, and others."""
    intensity = fault.intensity(step)
    if not intensity:
        return np.zeros(n_rows, dtype=np.bool_)
    is_unlucky = chance(f"fault {fault.subject}", fault.onset_step) < fault.share * intensity
    return is_unlucky & reached(fault, step, chance, n_rows)


class ColumnFaults:
    """Corrupts the values that are seen in the columns of a batch, fault after fault in the order listed.

    Raises
    ------
    InputError
        If a fault names a column, category, value or term that the population lacks.
    """

    def __init__(self, faults: Sequence[ColumnFault], schema: Schema) -> None:
        self._faults = faults
        self._schema = schema
        for fault in faults:
            self._check(fault)

    def apply(self, step: int, features: Matrix, chance: Chance) -> Matrix:
        """Return what is seen of the true `features` at `step`; the same object where no fault is at work."""
        seen = features
        for fault in self._faults:
            rows = befallen(fault, step, chance, len(features))
            if fault.where:
                rows &= design((fault.where,), features, self._schema)[:, 0] != 0
            if rows.any():
                seen = seen.copy() if seen is features else seen
                _corrupt(fault, rows, seen, self._schema)
        return seen

    def _check(self, fault: ColumnFault) -> None:
        if fault.where:
            design((fault.where,), np.empty((0, len(self._schema.columns))), self._schema)
        for column in _columns_of(fault):
            is_category = self._schema.column(column).is_category
            if is_category and isinstance(fault, UnitFault | TextFault):
                msg = f"a {fault.kind} fault needs a numeric column, got {column!r}; name another."
                raise InputError(msg)
        if isinstance(fault, RenameFault):
            self._schema.check_category(fault.column, fault.category)
        if isinstance(fault, SwapFault) and fault.columns[0] == fault.columns[1]:
            msg = f"a swap fault needs two columns, got {fault.columns[0]!r} twice; name another."
            raise InputError(msg)
        if isinstance(fault, StuckFault) and np.isnan(_read(fault.column, fault.value, self._schema)):
            msg = f"a stuck fault needs a value that {fault.column!r} can have, got {fault.value!r}; give a number."
            raise InputError(msg)


class RowFaults:
    """Decides which customers of a step are not delivered, come late, or come twice."""

    def __init__(self, faults: Sequence[DroppedFault | LateFault | DuplicateFault]) -> None:
        self._dropped = [fault for fault in faults if isinstance(fault, DroppedFault)]
        self._late = [fault for fault in faults if isinstance(fault, LateFault)]
        self._duplicates = [fault for fault in faults if isinstance(fault, DuplicateFault)]

    def delays(self, step: int, chance: Chance, n_rows: int) -> NDArray[np.int64]:
        """Return how many steps late each customer of a step comes; -1 for who never does."""
        delays = np.zeros(n_rows, dtype=np.int64)
        for fault in self._late:
            delays[befallen(fault, step, chance, n_rows)] = fault.late_steps
        for dropped in self._dropped:
            delays[befallen(dropped, step, chance, n_rows)] = -1
        return delays

    @property
    def sources(self) -> tuple[int, ...]:
        """How many steps back late customers may come from, in ascending order."""
        return tuple(sorted({fault.late_steps for fault in self._late}))

    @property
    def is_quiet(self) -> bool:
        """Whether every customer comes on time."""
        return not self._dropped and not self._late

    def duplicates(self, step: int, chance: Chance, n_rows: int) -> int:
        """Return how many rows of a batch repeat another one."""
        return sum(int(np.count_nonzero(befallen(fault, step, chance, n_rows))) for fault in self._duplicates)


def mislabelled(
    faults: Sequence[MislabelFault], step: int, label: NDArray[np.bool_], chance: Chance
) -> NDArray[np.bool_]:
    """Return the labels as they are reported."""
    wrong = np.zeros(len(label), dtype=np.bool_)
    for fault in faults:
        concerned = label == (fault.of == "churners") if fault.of != "all" else ~np.zeros_like(wrong)
        wrong |= concerned & befallen(fault, step, chance, len(label))
    return label ^ wrong


@singledispatch
def _corrupt(fault: ColumnFault, rows: NDArray[np.bool_], seen: Matrix, schema: Schema) -> None:
    """Corrupt what is seen of some rows, in place."""
    raise NotImplementedError(fault.kind)


@_corrupt.register
def _(fault: NullFault, rows: NDArray[np.bool_], seen: Matrix, schema: Schema) -> None:
    for column in fault.columns:
        seen[rows, schema.position[column]] = np.nan


@_corrupt.register
def _(fault: UnitFault, rows: NDArray[np.bool_], seen: Matrix, schema: Schema) -> None:
    seen[rows, schema.position[fault.column]] *= fault.factor


@_corrupt.register
def _(fault: RenameFault, rows: NDArray[np.bool_], seen: Matrix, schema: Schema) -> None:
    position = schema.position[fault.column]
    has_category = rows & (seen[:, position] == schema.code(fault.column, fault.category))
    seen[has_category, position] = schema.columns[position].code_of.get(fault.to, UNSEEN)


@_corrupt.register
def _(fault: StuckFault, rows: NDArray[np.bool_], seen: Matrix, schema: Schema) -> None:
    seen[rows, schema.position[fault.column]] = _read(fault.column, fault.value, schema)


@_corrupt.register
def _(fault: TextFault, rows: NDArray[np.bool_], seen: Matrix, schema: Schema) -> None:
    for column in fault.columns:
        position = schema.position[column]
        seen[rows, position] = read_back(seen[rows, position], _STYLES[fault.style])


@_corrupt.register
def _(fault: SwapFault, rows: NDArray[np.bool_], seen: Matrix, schema: Schema) -> None:
    places = [schema.position[column] for column in fault.columns]
    one, other = (schema.columns[place] for place in places)
    pair = Schema((one, other))
    values = pair.decode(seen[rows][:, places]).astype(object)
    crossed = pair.encode(pd.DataFrame({one.name: values[other.name], other.name: values[one.name]}))
    seen[rows, places[0]], seen[rows, places[1]] = crossed.T


def _columns_of(fault: ColumnFault) -> tuple[str, ...]:
    return fault.columns if isinstance(fault, NullFault | TextFault | SwapFault) else (fault.column,)


def _read(column: str, value: str, schema: Schema) -> float:
    """Return the number that stands for a value written as in a table."""
    return float(Schema((schema.column(column),)).encode(pd.DataFrame({column: [value]}))[0, 0])
