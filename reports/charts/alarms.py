"""Alarms: the F1 of a log's model month by month, and under it when each trigger would have fired."""

import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from reports.style import BLUE, MUTED, RED, chart, legend, sheet
from sim.study.backtest.findings import Backtest

_F1_HEIGHT, _ROW_HEIGHT = 3.2, 0.32
_MOST_TICKS = 12


@chart
def alarms_chart(result: Backtest) -> Figure:
    """Draw the F1 of each step with its interval, that of the reference, and a row of alarms for each trigger."""
    months, triggers = result.months, result.triggers
    rows_height = _ROW_HEIGHT * max(len(triggers), 1) + 0.4
    drawn = sheet(
        f"What would have fired, and when: {result.name}",
        loss_words(result),
        "F1 on the customers whose outcome is known, with a 95 % interval; nothing is done about an alarm.",
        _F1_HEIGHT + rows_height,
    )
    upper, lower = drawn.body.subplots(2, 1, sharex=True, height_ratios=(_F1_HEIGHT, rows_height))
    places = np.arange(len(months))
    f1 = np.array([np.nan if month.f1 is None else month.f1 for month in months])
    low = np.array([np.nan if month.f1_low is None else month.f1_low for month in months])
    high = np.array([np.nan if month.f1_high is None else month.f1_high for month in months])
    handles: list[Artist] = [upper.fill_between(places, low, high, color=BLUE, alpha=0.2, linewidth=0)]
    handles += upper.plot(places, f1, color=BLUE, marker="o", markersize=3)
    names = ["95 % interval", "F1 of the model"]
    if result.baseline_f1 is not None:
        handles.append(upper.axhline(result.baseline_f1, color=MUTED, linestyle="--", linewidth=1))
        names.append("F1 of the reference")
    upper.set_ylabel("F1")
    place_of = {month.date: place for place, month in enumerate(months)}
    if result.loss_date is not None:
        for axes in (upper, lower):
            begun = axes.axvline(place_of[result.loss_date], color=RED, linewidth=1)
        handles.append(begun)
        names.append("F1 is lost from here on")
    for row, trigger in enumerate(triggers):
        fired = [place_of[date] for date in trigger.dates]
        lower.plot(fired, [row] * len(fired), linestyle="none", marker="|", markersize=9, color=RED)
    if any(trigger.dates for trigger in triggers):
        handles.append(Line2D([], [], linestyle="none", marker="|", markersize=9, color=RED))
        names.append("alarm")
    legend(upper, handles, names)
    lower.set_yticks(range(len(triggers)), [trigger.policy[:40] for trigger in triggers])
    lower.set_ylim(max(len(triggers), 1) - 0.5, -0.5)
    every = max(1, -(-len(months) // _MOST_TICKS))
    lower.set_xticks(places[::every], [months[place].date[:7] for place in places[::every]], rotation=45, ha="right")
    return drawn.figure


def loss_words(result: Backtest) -> str:
    """Return when the model began to lose F1, in words."""
    if result.baseline_f1 is None:
        return "The reference has no F1, so that nobody can say whether the model lost any."
    if result.loss_date is None:
        return f"F1 never stayed below that of the reference ({result.baseline_f1:.3f}) by more than its noise."
    usual = f"that of the reference ({result.baseline_f1:.3f})"
    return f"F1 fell below {usual}, beyond its noise, from {result.loss_date} on."
