"""What a backtest finds: month by month what the model was worth, and trigger by trigger what it would have said."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policies.decision import Decision
from policies.signals import Signals
from policies.spec import PolicySpec
from sim.mlops.gates.profiles import load_profile
from sim.mlops.records.record import StepRow
from sim.mlops.statistics.metrics import NORMAL_QUANTILE, Confusion, confusion
from sim.study.backtest.quiet import quiet_past
from sim.study.backtest.watch import Watching, asked_steps
from sim.study.replay.replay import Replay
from sim.work_size import QUIET_PASTS
from sim.world.log_population import OpenedLog
from sim.world.world import World

_SURE = 1.6448536269514722  # normal quantile of 0.95
_HELD_STEPS = 2
_DAYS_A_YEAR = 365.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """One step of a log: how many customers, of how many the outcome is known, and the F1 with a 95 % interval.

    `f1_lost` is the F1 of the reference less that of the step. Whatever can't be known is missing.
    """

    step: int
    date: str
    customers: int
    labelled: int
    version: str
    f1: float | None
    f1_low: float | None
    f1_high: float | None
    f1_lost: float | None
    signals: Signals


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerReport:
    """What one trigger would have said.

    `dates` are those of its alarms, `clauses` the clauses behind the first, `scheduled` what the calendar asked for
    beside them. `late_days` counts from the first month of the loss to the first alarm from then on; `early` are the
    alarms before any loss. `false_alarms_per_year` comes from quiet pasts, with a 95 % interval.
    """

    policy: str
    dates: tuple[str, ...]
    first: str | None
    clauses: str
    scheduled: int
    unknown_steps: int
    early: int
    late_days: int | None
    false_alarms_per_year: float | None
    false_alarms_low: float | None = None
    false_alarms_high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Backtest:
    """The whole of a backtest; `missing` says what could not be known, and why."""

    name: str
    version: str
    baseline_f1: float | None
    months: tuple[Month, ...]
    loss_date: str | None
    triggers: tuple[TriggerReport, ...]
    segments: tuple["SegmentReport", ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentReport:
    """The F1 of one segment in the reference and after it."""

    segment: str
    customers: int
    f1_reference: float | None
    f1_after: float | None


def backtest(
    log: OpenedLog, specs: Sequence[PolicySpec], seed: int, on_past: Callable[[int], None] = lambda _: None
) -> Backtest:
    """Return what each trigger would have said of a log, without anything being done about it.

    Parameters
    ----------
    log
        The log, opened.
    specs
        The triggers.
    seed
        Of the holdout and of the quiet pasts.
    on_past
        Hears how many quiet pasts have been played.
    """
    replay = Replay(World(log.scenario, seed, log.population, kept_steps=None))
    watches = [_watched(replay, log, spec) for spec in specs]
    baseline, rows, _ = watches[0]
    months = _months(log, rows, baseline, watches[0][2].seen)
    loss = loss_step(months, baseline.f1, baseline.f1_standard_error or 0.0)
    rates = _false_alarms(log, specs, seed, on_past)
    reports = tuple(
        trigger_report(spec.name, watch.decisions, months, loss, log.scenario.time.step_days, rate)
        for spec, (_, _, watch), rate in zip(specs, watches, rates, strict=True)
    )
    missing = (
        []
        if log.has_features
        else [
            "what a retraining would have earned: the log has no features, and a model learns from features",
            "drift of features (psi_max, null_rate, ...): the log has no features",
        ]
    )
    return Backtest(
        name=log.population.name,
        version=log.population.version,
        baseline_f1=baseline.f1,
        months=months,
        loss_date=None if loss is None else months[loss].date,
        triggers=reports,
        segments=_segments(log),
        missing=tuple(missing),
    )


def loss_step(months: Sequence[Month], baseline_f1: float | None, baseline_error: float) -> int | None:
    """Return the first of two months in a row whose F1 is below the reference's by more than the noise of both.

    Each is a one-sided test at 5 %; months without an F1 in between don't count.
    """
    if baseline_f1 is None:
        return None
    held: list[int] = []
    for month in months:
        if month.f1 is None or month.f1_low is None or month.f1_lost is None:
            continue
        error = (month.f1 - month.f1_low) / NORMAL_QUANTILE
        noise = sqrt(error**2 + baseline_error**2)
        held = [*held, month.step] if month.f1_lost > _SURE * noise else []
        if len(held) == _HELD_STEPS:
            return held[0]
    return None


def trigger_report(
    name: str,
    decisions: Sequence[Decision],
    months: Sequence[Month],
    loss: int | None,
    step_days: int,
    rate: tuple[float, float, float] | None,
) -> TriggerReport:
    """Return what is to be said of a trigger's decisions, one for each month."""
    alarms = asked_steps(decisions)
    after = [step for step in alarms if loss is not None and step >= loss]
    first = alarms[0] if alarms else None
    return TriggerReport(
        policy=name,
        dates=tuple(months[step].date for step in alarms),
        first=None if first is None else months[first].date,
        clauses="" if first is None else decisions[first].reason,
        scheduled=len(asked_steps(decisions, alarms_only=False)) - len(alarms),
        unknown_steps=sum(decision.reason == "missing" for decision in decisions),
        early=len(alarms) - len(after),
        late_days=(after[0] - loss) * step_days if after and loss is not None else None,
        false_alarms_per_year=None if rate is None else rate[0],
        false_alarms_low=None if rate is None else rate[1],
        false_alarms_high=None if rate is None else rate[2],
    )


def _watched(replay: Replay, log: OpenedLog, spec: PolicySpec) -> tuple[Confusion, tuple[StepRow, ...], Watching]:
    watch = Watching(spec.build(), log.has_features)
    first, rows = replay.play(watch, load_profile("none"))
    if first.meeting is None:
        raise ValueError("a first champion has met its gates")
    return first.meeting.challenger, rows, watch


def _months(
    log: OpenedLog, rows: Sequence[StepRow], baseline: Confusion, seen: Sequence[Signals]
) -> tuple[Month, ...]:
    warmup, dates = log.scenario.time.warmup_steps, log.table.own.dates
    if dates is None:
        raise ValueError("a log has dates")
    months = []
    for row, signals in zip(rows, seen, strict=True):
        own = log.population.rows(row.step + warmup)
        counts = _counted(row)
        f1 = counts.f1 if counts.has_both_classes else None
        low, high = (None, None) if f1 is None else counts.f1_interval or (f1, f1)
        months.append(
            Month(
                step=row.step,
                date=str(dates[own].min()) if len(own) else "",
                customers=len(own),
                labelled=row.tally.customers,
                version=_commonest(log, own),
                f1=f1,
                f1_low=low,
                f1_high=high,
                f1_lost=None if f1 is None or baseline.f1 is None else baseline.f1 - f1,
                signals=signals,
            )
        )
    return tuple(months)


def _counted(row: StepRow) -> Confusion:
    tally = row.tally
    return Confusion(
        true_positives=tally.predicted_churners,
        false_positives=tally.predicted - tally.predicted_churners,
        false_negatives=tally.churners - tally.predicted_churners,
        true_negatives=tally.customers - tally.predicted - tally.churners + tally.predicted_churners,
    )


def _commonest(log: OpenedLog, rows: NDArray[Any]) -> str:
    if log.table.version is None or not len(rows):
        return ""
    names, counts = np.unique(log.table.version[rows], return_counts=True)
    return str(names[int(np.argmax(counts))])


def _segments(log: OpenedLog) -> tuple[SegmentReport, ...]:
    table, population = log.table, log.population
    if table.segment is None:
        return ()
    known = np.ones(len(table.score), dtype=np.bool_) if population.labelled is None else population.labelled
    is_reference = population.bins < log.scenario.time.warmup_steps

    def f1(rows: NDArray[Any]) -> float | None:
        counts = confusion(population.table.churned[rows], table.predicted[rows])
        return counts.f1 if counts.has_both_classes else None

    reports = []
    for name in np.unique(table.segment).tolist():
        own = known & (table.segment == name)
        reports.append(
            SegmentReport(
                segment=name or "(blank)",
                customers=int(own.sum()),
                f1_reference=f1(own & is_reference),
                f1_after=f1(own & ~is_reference),
            )
        )
    return tuple(reports)


def _false_alarms(
    log: OpenedLog, specs: Sequence[PolicySpec], seed: int, on_past: Callable[[int], None]
) -> list[tuple[float, float, float]]:
    """Return each trigger's alarms a year in quiet pasts, with a 95 % interval over the pasts (normal)."""
    years = log.scenario.time.steps * log.scenario.time.step_days / _DAYS_A_YEAR
    counts, gates = np.zeros((QUIET_PASTS, len(specs))), load_profile("none")
    for past in range(QUIET_PASTS):
        quiet = quiet_past(log, np.random.default_rng((seed, past)))
        replay = Replay(World(log.scenario, seed, quiet, kept_steps=None))
        for place, spec in enumerate(specs):
            watch = Watching(spec.build(), log.has_features)
            replay.play(watch, gates)
            counts[past, place] = len(asked_steps(watch.decisions)) / years
        on_past(past + 1)
    means, errors = counts.mean(axis=0), counts.std(axis=0, ddof=1) / sqrt(QUIET_PASTS)
    return [
        (float(mean), float(max(mean - NORMAL_QUANTILE * error, 0.0)), float(mean + NORMAL_QUANTILE * error))
        for mean, error in zip(means, errors, strict=True)
    ]
