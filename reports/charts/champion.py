"""Champion against challenger: both on the same rows, with intervals, the gates one by one, and the decision."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.caption import record_caption
from reports.style import BLUE, GREEN, GRID, ORANGE, PAPER, RED, SHADE, SMALL_SIZE, chart, legend, sheet
from reports.text import fit
from sim.mlops.gates.checks import GateResult
from sim.mlops.records.jobs import FIRST_JOB, Job, Status
from sim.mlops.records.record import Record
from sim.mlops.statistics.metrics import Confusion
from sim.study.inference.contests import clopper_pearson

_ROW_INCHES = 0.235
_COLUMNS = (("gate", 2.45), ("value", 0.75), ("must be", 0.95), ("verdict", 1.1))


@dataclass(frozen=True, slots=True)
class ShownRate:
    """A score with its 95 % interval over customers; all three are missing for no rows."""

    name: str
    value: float | None
    low: float | None
    high: float | None


def scores(counts: Confusion) -> tuple[ShownRate, ...]:
    """Return accuracy, precision, recall and F1 of counted predictions, each with an exact binomial interval.

    F1 = 2q / (1 + q) rises with the share q of true positives among all rows but true negatives, so its interval is
    that of q, carried over (Clopper and Pearson, 1934).

    >>> scores(Confusion(60, 40, 40, 100))[3].value
    0.6
    """
    positives = counts.true_positives
    right, relevant = positives + counts.true_negatives, counts.rows - counts.true_negatives
    rates = (
        ("accuracy", counts.accuracy, right, counts.rows),
        ("precision", counts.precision, positives, positives + counts.false_positives),
        ("recall", counts.recall, positives, positives + counts.false_negatives),
    )
    found = [_rate(name, value, part, whole) for name, value, part, whole in rates]
    share = _rate("F1", counts.f1, positives, relevant)
    return (*found, ShownRate("F1", counts.f1, _as_f1(share.low), _as_f1(share.high)))


def newest_contest(record: Record) -> Job:
    """Return the newest job that met the gates; the first model, which had no champion to beat, if no other did."""
    return next((job for job in reversed(record.jobs) if job.meeting is not None), record.first)


@chart
def champion_chart(record: Record, job: Job | None = None) -> Figure:
    """Draw the meeting of a job's model with the gates; the newest one unless a job is given."""
    shown = newest_contest(record) if job is None else job
    meeting = shown.meeting
    results = [result for result in meeting.verdict.results if result.enforced] if meeting else []
    height = max(3.6, (len(results) + 1) * _ROW_INCHES + 0.5)
    is_first = shown.name == FIRST_JOB
    title = "The first model at the gates" if is_first else f"Challenger v{shown.version} against the champion"
    note = "Intervals: 95 % over customers (Clopper-Pearson). Only enforced gates are listed."
    page = sheet(title, _finding(shown), record_caption(record, note), height)
    left, right = page.body.subplots(1, 2, width_ratios=(1.0, 1.35))
    right.set_axis_off()
    if meeting is None:
        left.set_axis_off()
        return page.figure
    _draw_scores(left, meeting.challenger, meeting.champion)
    _draw_gates(right, results, height)
    return page.figure


def _finding(job: Job) -> str:
    meeting = job.meeting
    if meeting is None:
        return "It has not met the gates yet."
    enforced = [result for result in meeting.verdict.results if result.enforced]
    passed = f"{sum(result.passed for result in enforced)} of {len(enforced)} enforced gates passed"
    if meeting.champion is None:
        return f"The first model had no champion to beat and was promoted without having to pass; {passed}."
    ends = {Status.PROMOTED: "It was promoted", Status.REJECTED: "It was rejected", Status.OPEN: "It awaits approval"}
    rows = f"on the same {meeting.challenger.rows:,} holdout rows"
    failed = f", failed: {', '.join(meeting.verdict.failed)}" if meeting.verdict.failed else ""
    return f"{ends[job.status]} on day {job.ended_day or meeting.day:,}: {passed} {rows}{failed}."


def _draw_scores(axes: Axes, challenger: Confusion, champion: Confusion | None) -> None:
    sides = [(challenger, BLUE, "o", -0.14, "challenger")]
    if champion is not None:
        sides.append((champion, ORANGE, "s", 0.14, "champion"))
    handles = []
    for counts, colour, marker, shift, _ in sides:
        found = scores(counts)
        where = np.arange(len(found)) + shift
        for y, score in zip(where, found, strict=True):
            if score.low is not None and score.high is not None:
                axes.plot([score.low, score.high], [y, y], color=colour, linewidth=2.2, solid_capstyle="butt")
        values = [np.nan if score.value is None else score.value for score in found]
        handles.append(axes.plot(values, where, marker, color=colour, markersize=8)[0])
    names = [score.name for score in scores(challenger)]
    axes.set(yticks=range(len(names)), yticklabels=names, xlim=(0, 1), ylim=(len(names) - 0.5, -0.5))
    axes.set_xlabel("score on the same holdout rows")
    axes.grid(visible=False, axis="y")
    legend(axes, handles, [name for *_, name in sides], 4.0)


def _draw_gates(axes: Axes, results: list[GateResult], height: float) -> None:
    if not results:
        axes.text(0.0, 1.0, "No gate is enforced.", va="top", transform=axes.transAxes)
        return
    cells = [
        [fit(text, width - 0.14, SMALL_SIZE) for text, (_, width) in zip(_row(result), _COLUMNS, strict=True)]
        for result in results
    ]
    table = axes.table(
        cellText=cells,
        colLabels=[name for name, _ in _COLUMNS],
        colWidths=[width / sum(each for _, each in _COLUMNS) for _, width in _COLUMNS],
        cellLoc="left",
        colLoc="left",
        loc="upper left",
        edges="horizontal",
    )
    table.auto_set_font_size(False)
    table.set_fontsize(SMALL_SIZE)
    for (row, column), cell in table.get_celld().items():
        cell.set_height(_ROW_INCHES / (height - 0.25))
        cell.set(edgecolor=GRID, facecolor=SHADE if row == 0 else PAPER)
        cell.PAD = 0.03
        if row == 0:
            cell.set_text_props(weight="bold")
        elif column == len(_COLUMNS) - 1:
            cell.set_text_props(color=GREEN if results[row - 1].passed else RED, weight="bold")


def _row(result: GateResult) -> tuple[str, str, str, str]:
    value = "missing" if result.value is None else f"{result.value:.3g}"
    threshold = "" if result.threshold is None else f"{result.comparison} {result.threshold:g}"
    return result.name.replace("_", " "), value, threshold, "passed" if result.passed else "failed"


def _rate(name: str, value: float | None, part: int, whole: int) -> ShownRate:
    if not whole or value is None:
        return ShownRate(name, value, None, None)
    interval = clopper_pearson(part, whole)
    return ShownRate(name, value, interval.low, interval.high)


def _as_f1(share: float | None) -> float | None:
    return None if share is None else 2 * share / (1 + share)
