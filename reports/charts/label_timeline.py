"""The ground-truth timeline: from the day a customer was scored to the day the label came, and what that hides."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from reports.caption import record_caption
from reports.log_facts import Arrival
from reports.style import BLUE, INK, MUTED, RED, SHADE, chart, legend, sheet
from sim.mlops.records.record import Record

_HEIGHT = 4.3


def share_labelled_by_age(arrivals: Sequence[Arrival], last_day: int, step_days: int) -> list[tuple[int, float]]:
    """Return for each age in days, a multiple of the step, the share of rows labelled by then.

    Only rows that are at least so old on `last_day` count, so that young rows do not make labels look late.

    >>> share_labelled_by_age([Arrival(0, 90, 4), Arrival(60, None, 4)], 90, 30)
    [(0, 0.0), (30, 0.0), (60, 0.0), (90, 1.0)]
    """
    found = []
    for age in range(0, max(last_day, 0) + 1, step_days):
        old = [arrival for arrival in arrivals if last_day - arrival.scored_day >= age]
        rows = sum(arrival.rows for arrival in old)
        known = sum(
            arrival.rows
            for arrival in old
            if arrival.arrived_day is not None and arrival.arrived_day - arrival.scored_day <= age
        )
        if rows:
            found.append((age, known / rows))
    return found


@chart
def label_timeline_chart(record: Record, arrivals: Sequence[Arrival]) -> Figure:
    """Draw when the labels of each batch came, the blind window at the end, and the share labelled by age."""
    last_day = record.steps[-1].day if record.steps else 0
    horizon, step_days = record.scenario.labels.horizon_days, record.scenario.time.step_days
    rows = sum(arrival.rows for arrival in arrivals)
    unknown = sum(arrival.rows for arrival in arrivals if arrival.arrived_day is None)
    finding = (
        f"Of {rows:,} scored customers {unknown:,} have no label on day {last_day:,}; a batch is complete after "
        f"{horizon} days, so the last {horizon} days are blind."
    )
    page = sheet("Ground truth comes late", finding, record_caption(record), _HEIGHT)
    left, right = page.body.subplots(1, 2, width_ratios=(1.5, 1.0))
    _draw_timeline(left, arrivals, last_day, horizon)
    ages = share_labelled_by_age(arrivals, last_day, step_days)
    right.step([age for age, _ in ages], [share for _, share in ages], where="post", color=BLUE, marker="o")
    mark = right.axvline(horizon, color=INK, linestyle="--", linewidth=1.3)
    right.set(xlabel="age of the prediction (days)", ylabel="share of rows labelled", ylim=(-0.03, 1.05))
    right.set_xlim(-step_days / 3, max(2.2 * horizon, 4 * step_days))
    legend(right, [mark], [f"label-complete: {horizon} days"], 3.4)
    return page.figure


def _draw_timeline(axes: Axes, arrivals: Sequence[Arrival], last_day: int, horizon: int) -> None:
    come = [arrival for arrival in arrivals if arrival.arrived_day is not None]
    waiting = [arrival for arrival in arrivals if arrival.arrived_day is None]
    axes.axvspan(max(last_day - horizon, 0), last_day, color=SHADE, zorder=0, linewidth=0)
    lines = axes.hlines(
        [arrival.scored_day for arrival in come],
        [arrival.scored_day for arrival in come],
        [arrival.arrived_day or 0 for arrival in come],
        color=BLUE,
        linewidth=1.3,
    )
    scored_days = sorted({arrival.scored_day for arrival in arrivals})
    scored = axes.plot(scored_days, scored_days, "o", color=INK, markersize=3.5)[0]
    labelled = axes.plot(
        [arrival.arrived_day or 0 for arrival in come],
        [arrival.scored_day for arrival in come],
        "|",
        color=BLUE,
        markersize=8,
        markeredgewidth=2,
    )[0]
    open_rows = axes.hlines(
        [arrival.scored_day for arrival in waiting],
        [arrival.scored_day for arrival in waiting],
        np.full(len(waiting), last_day),
        color=RED,
        linestyle=(0, (2, 2)),
        linewidth=1.1,
    )
    axes.set(xlabel="simulated day", ylabel="day of the batch", xlim=(-last_day * 0.02 - 1, last_day * 1.02 + 1))
    axes.invert_yaxis()
    handles = [scored, labelled, lines, open_rows, Patch(facecolor=SHADE, edgecolor=MUTED)]
    legend(axes, handles, ["scored", "label arrived", "waiting", "still waiting", "blind window"], 5.4)
