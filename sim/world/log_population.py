"""A log of one's own as a population: its customers in their steps, with the scores that its model really gave."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from scenarios.schema import Scenario, Time
from sim.errors import InputError
from sim.world.own.log_table import LogColumns, LogTable, read_log
from sim.world.own.table import OwnTable, Reading
from sim.world.recorded import RecordedPopulation, ServedLog, check_bins, time_bins
from sim.world.rhythm import rhythm
from sim.world.schema.columns import Column, Schema
from sim.world.schema.table import Table

_USUAL_SHARE = 0.99  # of the labels come within the horizon
_SCORE = "score"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOptions:
    """What is said of a log.

    Parameters
    ----------
    columns
        Which of its columns are what.
    threshold
        The score from which on churn is predicted, where the log has no predictions.
    horizon_days
        After how many days the labels of a cohort count as complete; by default what 99 % of the labels took, or the
        scenario's where the log has no dates of labels.
    step_days
        The length of a step; 30 is a calendar month.
    warmup_steps
        How many steps are the reference; by default those of the log's own reference, or the scenario's.
    """

    columns: LogColumns = field(default_factory=LogColumns)
    threshold: float | None = None
    horizon_days: int | None = None
    step_days: int = 30
    warmup_steps: int | None = None


@dataclass(frozen=True, slots=True)
class OpenedLog:
    """A log that can be played: its population, the scenario that it sets, and what else it holds."""

    population: RecordedPopulation
    scenario: Scenario
    table: LogTable
    has_features: bool
    first_date: np.datetime64


def open_log(
    text: str, options: LogOptions, reading: Reading, scenario: Scenario, tell: Callable[[str], None]
) -> OpenedLog:
    """Return a log as it can be played; `tell` hears what its owner should know.

    Raises
    ------
    InputError
        If it is no log, or too short for its reference.
    """
    usual = options.warmup_steps or scenario.time.warmup_steps
    table, bins = _read(text, options, reading, usual)
    warmup = _warmup_steps(table, bins, options, usual)
    if warmup != usual:  # kinds of columns are those of the reference, which is known only now
        table, bins = _read(text, options, reading, warmup)
    own, dates = table.own, _dates(table.own)
    check_bins(own, bins)
    steps = int(bins.max()) + 1 - warmup
    if steps < 1:
        raise InputError(
            f"a log must be longer than its reference, but {own.name} has {int(bins.max()) + 1} steps of "
            f"{options.step_days} days, of which {warmup} are reference: lower --warmup-steps."
        )
    label_days = _label_days(table, dates, bins, options.step_days)
    has_features = bool(own.table.schema.columns)
    population = RecordedPopulation(
        own.name,
        own.table if has_features else _of_scores(table),
        bins,
        own.sha256,
        own.labelled,
        served=ServedLog(table.score, table.predicted, table.threshold, label_days),
    )
    horizon = _horizon(own, label_days, bins >= warmup, options, scenario, tell)
    played = scenario.model_copy(
        update={
            "time": Time(
                steps=steps,
                step_days=options.step_days,
                warmup_steps=warmup,
                customers=max(round(float(np.bincount(bins)[:warmup].mean())), 1),
            ),
            "labels": scenario.labels.model_copy(update={"horizon_days": horizon, "delay_days": horizon}),
        }
    )
    for said in (*own.notes, *table.notes, *rhythm(dates, bins, options.step_days, own.name)):
        tell(said)
    return OpenedLog(population, played, table, has_features, dates.min())


def _read(text: str, options: LogOptions, reading: Reading, warmup: int) -> tuple[LogTable, NDArray[np.int64]]:
    """Return a log whose kinds of columns are decided by the first steps, and the step of each row."""

    def known(dates: NDArray[np.datetime64]) -> NDArray[np.bool_]:
        return np.asarray(time_bins(dates, options.step_days) < warmup)

    table = read_log(text, options.columns, reading, known, options.threshold)
    return table, time_bins(_dates(table.own), options.step_days)


def _dates(own: OwnTable) -> NDArray[np.datetime64]:
    if own.dates is None:
        raise ValueError("a log has dates")
    return own.dates


def _warmup_steps(table: LogTable, bins: NDArray[np.int64], options: LogOptions, usual: int) -> int:
    """Return how many steps come before the first row that is not of the reference."""
    if table.reference_rows is None or options.warmup_steps is not None:
        return usual
    others = bins[~table.reference_rows]
    if not table.reference_rows.any() or not len(others) or others.min() == 0:
        raise InputError(
            f"the reference of a log must come before the rest, but {table.own.name} has none that does: say how "
            f"many "
            f"steps are the reference by --warmup-steps."
        )
    return int(others.min())


def _label_days(
    table: LogTable, dates: NDArray[np.datetime64], bins: NDArray[np.int64], step_days: int
) -> NDArray[np.int64] | None:
    """Return after how many days of the world each label came: it is there at the step in which its date falls."""
    if table.label_dates is None:
        return None
    is_known = ~np.isnat(table.label_dates)
    both = np.concatenate([dates, table.label_dates[is_known]])
    came = time_bins(both, step_days)[len(dates) :]
    days = np.zeros(len(bins), dtype=np.int64)
    days[is_known] = (came - bins[is_known]) * step_days
    return days


def _horizon(
    own: OwnTable,
    label_days: NDArray[np.int64] | None,
    is_scored: NDArray[np.bool_],
    options: LogOptions,
    scenario: Scenario,
    tell: Callable[[str], None],
) -> int:
    if options.horizon_days is not None:
        return options.horizon_days
    if label_days is None:
        tell(
            f"the log does not say when labels came: they count as known {scenario.labels.delay_days} days after "
            f"scoring; name the column with --label-date, or say otherwise by --horizon"
        )
        return scenario.labels.horizon_days
    labelled = is_scored if own.labelled is None else is_scored & own.labelled
    days = label_days[labelled] if labelled.any() else np.array([scenario.labels.horizon_days])
    horizon = max(int(np.quantile(days, _USUAL_SHARE, method="higher")), 1)
    tell(f"99 % of the labels came within {horizon} days: then a cohort counts as complete; --horizon says otherwise")
    return horizon


def _of_scores(table: LogTable) -> Table:
    """Return the customers of a log without features, known by their score only."""
    own = table.own.table
    return Table(Schema((Column(_SCORE),)), own.customer_id, table.score[:, np.newaxis], own.churned)
