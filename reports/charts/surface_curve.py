"""The curve of a surface: what one threshold is worth, everywhere along it, paired with the best."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from reports.amounts import thousands_words
from reports.charts.surface_map import MARKERS, REFERENCE_MARKER, window
from reports.plain_words import span_words
from reports.style import BLUE, INK, TEXT_SIZE, chart, legend, sheet
from reports.surface_view import SurfaceView
from reports.text import fit
from sim.study.inference.contests import MIN_SEEDS, mean_interval

_HEIGHT = 3.8
_THOUSAND = 1000
_MOST_BOXES = 2


@chart
def surface_curve_chart(view: SurfaceView, caption: str) -> Figure:
    """Draw what the settings of a rule with one placeholder earn less than the best, with the interval of each."""
    laid = view.folder.surface.overlay
    name = laid.axes[0].name
    less = (view.values - view.values[view.best])[laid.codes] / _THOUSAND
    drawn = sheet(f"Every setting of {view.folder.template.text}", _finding(view), caption, _HEIGHT)
    picture = drawn.body.subplots()
    edges = window(view, 0)
    handles: list[Any] = [picture.stairs(less.mean(axis=1), edges, baseline=None, color=BLUE, linewidth=2)]
    names = ["mean, paired with the best"]
    if less.shape[1] >= MIN_SEEDS:
        known = [mean_interval(each.tolist()) for each in less]
        ends = np.array([(each.low, each.high) for each in known if each is not None]).repeat(2, axis=0)
        doubled = edges.repeat(2)[1:-1]
        handles.append(picture.fill_between(doubled, *ends.T, color=BLUE, alpha=0.22, linewidth=0))
        names.append("95 % interval of each setting")
    for mark in view.marks:
        marker, colour = MARKERS.get(mark.name, REFERENCE_MARKER)
        worth = (view.values[view.class_of(mark.setting)] - view.values[view.best]).mean() / _THOUSAND
        handles += picture.plot(
            [mark.setting[name]], [worth], marker, color=colour, markersize=13, linestyle="none", zorder=4
        )
        names.append(f"{mark.name}: {mark.setting[name]:g}")
    picture.axhline(0, color=INK, linewidth=0.8)
    picture.set(
        xlabel=fit(f"{name} in {view.folder.template.text}", 8.0, TEXT_SIZE),
        ylabel=f"net value less the best ({thousands_words(view.currency)})",
        xlim=(edges[0], edges[-1]),
    )
    picture.yaxis.set_major_formatter("{x:,.0f}")
    legend(picture, handles, names)
    return drawn.figure


def _finding(view: SurfaceView) -> str:
    axis, said = view.folder.surface.overlay.axes[0], view.said
    best = " or ".join(span_words(axis, box[0]) for box in said.best.boxes[:_MOST_BOXES])
    told = f"The best is {axis.name} {best}{' or more' if len(said.best.boxes) > _MOST_BOXES else ''}"
    if said.candidates is None:
        return f"{told}; below 5 seeds nothing is shown to be worse."
    return f"{told}; all settings not shown to be worse have {axis.name} {span_words(axis, said.candidates[0])}."
