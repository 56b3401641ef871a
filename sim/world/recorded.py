"""A table with dates, replayed as it happened: the rows of each step, with their real labels."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scenarios.schema import Scenario, Twin
from sim.errors import InputError
from sim.world.injectors.customers import Customers, Draw, Strangers
from sim.world.injectors.propensities import Propensities, RecordedPropensities
from sim.world.own.table import OwnTable
from sim.world.rhythm import MONTH_DAYS
from sim.world.schema.columns import Column, Matrix, Schema
from sim.world.schema.streams import Streams
from sim.world.schema.table import Table
from sim.world.telco.structure import Structure


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
    labelled
        Of which rows the outcome is known; `None` for all.
    label_days
        After how many days the label of each row really came; `None` where only the scenario says.
    """

    def __init__(
        self,
        table: Table,
        bins: NDArray[np.int64],
        labelled: NDArray[np.bool_] | None = None,
        label_days: NDArray[np.int64] | None = None,
    ) -> None:
        self._table = table
        self._label_days = label_days
        self._labelled = np.ones(len(bins), dtype=np.bool_) if labelled is None else labelled
        self._order = np.lexsort((table.customer_id, bins))
        self._starts = np.searchsorted(bins[self._order], np.arange(bins.max(initial=-1) + 2))

    @property
    def n_steps(self) -> int:
        """The number of steps from the first row to the last, those without rows included."""
        return len(self._starts) - 1

    def draw(self, index: int) -> Draw:
        """Return the rows of the step at position `index`, sorted by customer, with their real label if it has come.

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
        rows = self.rows(index)
        return Draw(
            customer_id=self._table.customer_id[rows],
            features=self._table.features[rows],
            has_real_label=self._labelled[rows],
            real_label=self._table.churned[rows],
            label_days=None if self._label_days is None else self._label_days[rows],
        )

    def rows(self, index: int) -> NDArray[np.int64]:
        """Return the rows of the table that belong to the step at position `index`, in the order of its batch."""
        return self._order[self._starts[index] : self._starts[index + 1]]


@dataclass(frozen=True, eq=False, slots=True)
class ServedLog:
    """What a real model answered for each row of a table, and when the labels came.

    `threshold` is the score from which on it predicts churn, as far as its predictions tell; `label_days` says after
    how many days each label came, `None` where the log does not.
    """

    score: Matrix
    predicted: NDArray[np.bool_]
    threshold: float
    label_days: NDArray[np.int64] | None = None

    def take(self, rows: NDArray[np.int64]) -> "ServedLog":
        """Return what is known of some rows."""
        days = None if self.label_days is None else self.label_days[rows]
        return ServedLog(self.score[rows], self.predicted[rows], self.threshold, days)


@dataclass(frozen=True, eq=False)
class RecordedPopulation:
    """A history: the customers of each step came as they did, and what they did is known.

    A propensity is 1 for who churned and 0 for who stayed, so whatever is expected under it is what happened. Nothing
    can be injected, and nobody else can be drawn.

    Parameters
    ----------
    name
        What the record calls it.
    table, bins
        The rows, and the step of each, counted from 0.
    file_sha256
        The hash of the file that the table was read from.
    labelled
        Of which rows the outcome is known; `None` for all. The label of any other never arrives.
    served
        What a real model answered for each row; `None` for a table that no model has scored.
    first_seen
        The step in which each category of each column was first seen, where the rows are not all that were there.
    """

    name: str
    table: Table
    bins: NDArray[np.int64]
    file_sha256: str
    labelled: NDArray[np.bool_] | None = None
    structure: Structure = field(default_factory=Structure)
    is_recorded: bool = True
    served: ServedLog | None = None
    first_seen: tuple[NDArray[np.int64], ...] | None = None

    @property
    def version(self) -> str:
        """The hash of the file."""
        return f"sha256:{self.file_sha256[:12]}"

    @property
    def schema(self) -> Schema:
        """The features of the table."""
        return self.table.schema

    def known_schema(self, index: int) -> Schema:
        """Return the features with the categories that occur up to the step at position `index`, and in the warm-up.

        Categories that came after the warm-up are numbered in the order in which they were first seen, so the known
        ones are the first of each column.
        """
        return Schema(
            tuple(
                Column(column.name, column.categories[: max(int(np.count_nonzero(first <= index)), 1)])
                for column, first in zip(self.schema.columns, self.first_seen or self.category_steps, strict=True)
            )
        )

    @cached_property
    def category_steps(self) -> tuple[NDArray[np.int64], ...]:
        """The step in which each category of each column was first seen; empty for numbers."""
        return tuple(
            _first_bins(self.table.features[:, place], self.bins, len(column.categories))
            for place, column in enumerate(self.schema.columns)
        )

    @property
    def size(self) -> int:
        """The number of rows."""
        return len(self.table.customer_id)

    @property
    def n_steps(self) -> int:
        """The number of steps from the first row to the last, those without rows included."""
        return int(self.bins.max(initial=-1)) + 1

    def propensities(self, scenario: Scenario) -> Propensities:
        """Return what happened; `InputError` if the scenario wants anything else to happen."""
        if scenario.drift or scenario.twin != Twin():
            msg = (
                f"a history is replayed as it happened, without drift, but {scenario.name} has some; play steady, or "
                f"leave --date out to replay {self.name} without its dates."
            )
            raise InputError(msg)
        if scenario.offers.seen_in_labels or scenario.labels.correction_share:
            msg = (
                f"a history has its own labels, but {scenario.name} would change them by offers.seen_in_labels or "
                f"labels.correction_share; leave these out."
            )
            raise InputError(msg)
        return RecordedPropensities()

    def reference(self) -> Matrix:
        """Return the features of all rows."""
        return self.table.features

    def timeline(self, streams: Streams, sizes: Sequence[int]) -> RecordedTimeline:  # noqa: ARG002 - it is as it was
        """Return the history."""
        return self._timeline

    def rows(self, index: int) -> NDArray[np.int64]:
        """Return the rows of the table that belong to the step at position `index`, in the order of its batch."""
        return self._timeline.rows(index)

    @cached_property
    def _timeline(self) -> RecordedTimeline:
        days = None if self.served is None else self.served.label_days
        return RecordedTimeline(self.table, self.bins, self.labelled, days)

    def sample(self, rng: np.random.Generator, n_rows: int, without: NDArray[np.str_]) -> Matrix:
        """Refuse: nobody else came."""
        raise NotImplementedError("a history has no other customers")

    def strangers(self, rng: np.random.Generator, without: NDArray[np.str_], prefix: str = "S") -> Strangers:  # noqa: ARG002 - there are none
        """Return what refuses to hand out anybody."""

        def refuse(n: int) -> Customers:
            raise NotImplementedError(f"a history has no other customers, and {n} were asked for")

        return refuse


def _first_bins(codes: Matrix, bins: NDArray[np.int64], n_categories: int) -> NDArray[np.int64]:
    first = np.full(n_categories, np.iinfo(np.int64).max)
    is_known = codes >= 0 if n_categories else np.zeros(len(codes), dtype=np.bool_)
    np.minimum.at(first, codes[is_known].astype(np.int64), bins[is_known])
    return first
