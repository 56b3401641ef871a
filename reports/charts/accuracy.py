"""The production accuracy dashboard: what the monitor saw, late, against what was true."""

from collections.abc import Callable

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from policies.signals import Signals
from reports.caption import record_caption
from reports.steps import mark_onset, shade_versions, step_axis, true_f1
from reports.style import BLUE, GREEN, ORANGE, PURPLE, RED, SKY, chart, legend, sheet
from sim.mlops.records.record import Record, Tally
from sim.study.scores.judge import observed_f1

_HEIGHT = 6.3
Numbers = list[float | None]


def true_precision(record: Record) -> Numbers:
    """Return the expected share of churners among the predicted by step; missing where none was predicted."""
    return [_ratio(row.tally.predicted_expected_churners, row.tally.predicted) for row in record.steps]


def true_recall(record: Record) -> Numbers:
    """Return the expected share of churners who were predicted, step by step; missing without a churner."""
    return [_ratio(row.tally.predicted_expected_churners, row.tally.expected_churners) for row in record.steps]


def confusion_counts(tally: Tally) -> tuple[int, int, int]:
    """Return churners found, stayers called by mistake, and churners missed, by what happened."""
    found = tally.predicted_churners
    return found, tally.predicted - found, tally.churners - found


@chart
def accuracy_chart(record: Record) -> Figure:
    """Draw true, later known and monitored F1, precision and recall, and confusion counts; versions are shaded."""
    title = f"What the monitor saw, and what {'happened' if record.is_recorded else 'was true'}"
    note = _SEEN if record.is_recorded else f"{_TRUE} {_SEEN}"
    page = sheet(title, _finding(record), record_caption(record, note), _HEIGHT)
    (f1, precision), (recall, counts) = page.body.subplots(2, 2)
    known = [observed_f1(row.tally) for row in record.steps]
    handles = _draw_lines(f1, record, true_f1(record), known, lambda signals: signals.f1)
    f1.set_ylabel("F1")
    found = [confusion_counts(row.tally) for row in record.steps]
    rates = [_ratio(hits, hits + mistakes) for hits, mistakes, _ in found]
    _draw_lines(precision, record, true_precision(record), rates, lambda signals: signals.precision)
    precision.set_ylabel("precision")
    rates = [_ratio(hits, hits + misses) for hits, _, misses in found]
    _draw_lines(recall, record, true_recall(record), rates, lambda signals: signals.recall)
    recall.set_ylabel("recall")
    _draw_counts(counts, record)
    shading = shade_versions(counts, record)
    legend(f1, [h for h, _ in handles], [n for _, n in handles], 4.6)
    onset = mark_onset(precision, record.scenario)
    legend(precision, [h for h, _ in [*onset, *shading]], [n for _, n in [*onset, *shading]], 4.6)
    return page.figure


_TRUE = "True: under the true propensities, free of label noise."
_SEEN = (
    "Outcomes: what happened, known months later. Monitor: the newest complete cohort that the champion scored "
    "itself, on the day it was seen; gaps are missing signals."
)


def _draw_lines(
    axes: Axes, record: Record, true: Numbers, known: Numbers, seen: Callable[[Signals], float | None]
) -> list[tuple[Artist, str]]:
    steps = [row.step for row in record.steps]
    shade_versions(axes, record)
    outcome = axes.plot(steps, _gaps(known), "o", color=SKY, markersize=4)[0]
    truth = [] if record.is_recorded else axes.plot(steps, _gaps(true), "-", color=BLUE)
    monitor = axes.plot(
        steps, _gaps([seen(row.signals) for row in record.steps]), "--s", color=ORANGE, markersize=4, linewidth=1.5
    )[0]
    axes.set_ylim(0, 1)
    step_axis(axes, record.scenario, len(record.steps))
    mark_onset(axes, record.scenario)
    return [*((line, "true") for line in truth), (outcome, "outcomes"), (monitor, "monitor")]


def _draw_counts(axes: Axes, record: Record) -> None:
    steps = [row.step for row in record.steps]
    columns = np.array([confusion_counts(row.tally) for row in record.steps], dtype=np.int64).reshape(-1, 3)
    kinds = ((0, GREEN, "", "churners found"), (1, PURPLE, "///", "false alarms"), (2, RED, "...", "churners missed"))
    bottom = np.zeros(len(steps), dtype=np.int64)
    bars = []
    for column, colour, hatch, _ in kinds:
        heights = columns[:, column]
        drawn = axes.bar(steps, heights, 0.8, bottom=bottom, color=colour, hatch=hatch, edgecolor="white")
        bars.append(drawn)
        bottom = bottom + heights
    axes.set_ylabel("customers")
    step_axis(axes, record.scenario, len(record.steps))
    legend(axes, bars, [name for *_, name in kinds], 4.6)


def _finding(record: Record) -> str:
    pairs = [(true, row.signals.f1) for true, row in zip(true_f1(record), record.steps, strict=True)]
    gaps = [abs(true - seen) for true, seen in pairs if true is not None and seen is not None]
    blind = sum(seen is None for _, seen in pairs)
    if not gaps:
        return f"The monitor never saw an F1: its labels were missing in all {blind:,} steps."
    return (
        f"The monitor's F1 was missing in {blind:,} of {len(pairs):,} steps, and off by {np.mean(gaps):.2f} on "
        f"average (at most {max(gaps):.2f}) in the others."
    )


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _gaps(values: Numbers) -> list[float]:
    return [np.nan if value is None else value for value in values]
