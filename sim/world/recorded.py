"""A table with dates, replayed as it happened: the rows of each step, with their real labels."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sim.errors import InputError
from sim.world.own_table import OwnTable
from sim.world.population import Draw
from sim.world.table import Table

MONTH_DAYS = 30
"""A step of so many days is a calendar month in a recorded table."""


def time_bins(dates: NDArray[np.datetime64], step_days: int) -> NDArray[np.int64]:
    """Return the step of each row, counted from 0 at the first date.

    With `step_days` of 30 a step is a calendar month, so that the snapshots of month ends fall into one step each.
    Otherwise steps are `step_days` days long, from the first date on. A step may have no row.

    >>> dates = np.array(["2026-01-31", "2026-02-28", "2026-04-01"], dtype="datetime64[D]")
    >>> time_bins(dates, 30), time_bins(dates, 7)
    (array([0, 1, 3]), array([0, 4, 8]))

    Raises
    ------
    InputError
        If a step has no day.
    """
    if step_days < 1:
        raise InputError(f"a step must have at least 1 day, got {step_days}; raise time.step_days.")
    if not len(dates):
        return np.empty(0, dtype=np.int64)
    if step_days == MONTH_DAYS:
        return _since_first(dates.astype("datetime64[M]"))
    return _since_first(dates.astype("datetime64[D]")) // step_days


def _since_first(dates: NDArray[np.datetime64]) -> NDArray[np.int64]:
    since: NDArray[np.int64] = (dates - dates.min()).astype(np.int64)
    return since


def check_bins(own: OwnTable, bins: NDArray[np.int64]) -> None:
    """Raise `InputError` if a customer occurs twice in a step of a table with dates."""
    if own.dates is None:
        raise ValueError("a table without dates has no steps")
    repeats = np.flatnonzero(pd.DataFrame({"step": bins, "id": own.table.customer_id.astype(object)}).duplicated())
    if not len(repeats):
        return
    row = int(repeats[0])
    customer = own.table.customer_id[row]
    first = int(np.argmax((own.table.customer_id == customer) & (bins == bins[row])))
    raise InputError(
        f"a customer must occur at most once in a step, but {str(customer)!r} of {own.name} occurs on "
        f"{own.dates[first]} and {own.dates[row]}, in one step: choose a scenario with smaller time.step_days."
    )


class RecordedTimeline:
    """The rows of a table in the steps in which they were recorded; no row is invented, repeated or left out.

    Parameters
    ----------
    table
        The rows, in any order.
    bins
        The step of each row, counted from 0, as `time_bins` gives it; no customer occurs twice in one.
    """

    def __init__(self, table: Table, bins: NDArray[np.int64]) -> None:
        self._table = table
        self._order = np.lexsort((table.customer_id, bins))
        self._starts = np.searchsorted(bins[self._order], np.arange(bins.max(initial=-1) + 2))

    @property
    def n_steps(self) -> int:
        """The number of steps from the first row to the last, those without rows included."""
        return len(self._starts) - 1

    def draw(self, index: int) -> Draw:
        """Return the rows of the step at position `index`, sorted by customer; all have their real label.

        Raises
        ------
        InputError
            If the table ends before.
        """
        if index >= self.n_steps:
            raise InputError(
                f"a recorded table must reach as far as the scenario, but it has {self.n_steps} steps and step "
                f"{index + 1} was asked for: lower time.steps or time.warmup_steps."
            )
        rows = self._order[self._starts[index] : self._starts[index + 1]]
        return Draw(
            customer_id=self._table.customer_id[rows],
            features=self._table.features[rows],
            has_real_label=np.ones(len(rows), dtype=np.bool_),
            real_label=self._table.churned[rows],
        )
