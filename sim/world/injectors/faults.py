"""Quality faults: what is seen of customers and outcomes is wrong; the truth stays as it is."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scenarios.injectors import Fault, LabelFault, RowFault, ValueFault
from sim.world.injectors.customers import Chance, reached
from sim.world.injectors.view import ColumnView
from sim.world.schema.columns import Matrix


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

    def __init__(self, faults: Sequence[ValueFault], columns: ColumnView) -> None:
        self._faults = faults
        self._columns = columns
        for fault in faults:
            if fault.where:
                columns.terms((fault.where,), np.empty((0, len(columns.schema.columns))))
            fault.check(columns)

    def apply(self, step: int, features: Matrix, chance: Chance) -> Matrix:
        """Return what is seen of the true `features` at `step`; the same object where no fault is at work."""
        seen = features
        for fault in self._faults:
            rows = befallen(fault, step, chance, len(features))
            if fault.where:
                rows &= self._columns.terms((fault.where,), features)[:, 0] != 0
            if rows.any():
                seen = seen.copy() if seen is features else seen
                fault.corrupt(seen, rows, self._columns)
        return seen


class RowFaults:
    """Decides which customers of a step are not delivered, come late, or come twice."""

    def __init__(self, faults: Sequence[RowFault]) -> None:
        late = [fault for fault in faults if fault.delay_steps > 0]
        self._delaying = [*late, *(fault for fault in faults if fault.delay_steps < 0)]  # who never comes is not late
        self._repeating = [fault for fault in faults if fault.repeats]

    def delays(self, step: int, chance: Chance, n_rows: int) -> NDArray[np.int64]:
        """Return how many steps late each customer of a step comes; -1 for who never does."""
        delays = np.zeros(n_rows, dtype=np.int64)
        for fault in self._delaying:
            delays[befallen(fault, step, chance, n_rows)] = fault.delay_steps
        return delays

    @property
    def sources(self) -> tuple[int, ...]:
        """How many steps back late customers may come from, in ascending order."""
        return tuple(sorted({fault.delay_steps for fault in self._delaying if fault.delay_steps > 0}))

    @property
    def is_quiet(self) -> bool:
        """Whether every customer comes on time."""
        return not self._delaying

    def duplicates(self, step: int, chance: Chance, n_rows: int) -> int:
        """Return how many rows of a batch repeat another one."""
        return sum(int(np.count_nonzero(befallen(fault, step, chance, n_rows))) for fault in self._repeating)


def misreported(
    faults: Sequence[LabelFault], step: int, label: NDArray[np.bool_], chance: Chance
) -> NDArray[np.bool_]:
    """Return the labels as they are reported."""
    wrong = np.zeros(len(label), dtype=np.bool_)
    for fault in faults:
        wrong |= fault.concerns(label) & befallen(fault, step, chance, len(label))
    return label ^ wrong
