"""The map of a surface: what two thresholds are worth, with the best settings outlined and others marked."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from reports.amounts import thousands_words
from reports.style import GREEN, INK, ORANGE, PAPER, RED, TEXT_SIZE, chart, legend, sheet
from reports.surface_view import THE_BEST, THE_CHOSEN, SurfaceView
from reports.text import fit
from sim.study.lives.box import Cut, Setting

_HEIGHT = 4.6
_THOUSAND = 1000
_WORST_SHOWN = 5  # percent of the classes whose value is drawn like the worst
_MIDDLE = (2.5, 97.5)  # percent of the cuts that are always in the picture
MARKERS = {THE_BEST: ("*", GREEN), THE_CHOSEN: ("P", ORANGE)}
REFERENCE_MARKER = ("X", RED)
"""Marker and colour of a setting by its name, and of the reference's own numbers."""

Mask = NDArray[np.bool_]


@chart
def surface_map_chart(view: SurfaceView, axes: tuple[int, int], caption: str) -> Figure:
    """Draw what settings earn less than the best, along two placeholders through the best of the others."""
    laid = view.folder.surface.overlay
    across, up = (laid.axes[axis] for axis in axes)
    codes = _plane(view, axes)
    loss = (view.values.mean(axis=1) - view.values.mean(axis=1).max()) / _THOUSAND
    drawn = sheet(_title(view, axes), _finding(view, codes), caption, _HEIGHT)
    picture = drawn.body.subplots()
    edges = tuple(window(view, axis) for axis in axes)
    mesh = picture.pcolormesh(
        *edges,
        loss[codes].T,
        cmap="Blues",  # the best stands out from the paper, on a dark page too, where pictures are turned round
        vmin=float(np.percentile(loss, _WORST_SHOWN)),
        vmax=0,
        rasterized=True,
    )
    bar = drawn.figure.colorbar(mesh, ax=picture, extend="min", pad=0.02)
    bar.set_label(f"net value less the best ({thousands_words(view.currency)})")
    lines = list(_borders(codes == view.best, *edges))
    picture.add_collection(LineCollection(lines, colors=INK, linewidths=3.2))
    picture.add_collection(LineCollection(lines, colors=PAPER, linewidths=1.6))
    handles: list[Any] = [Line2D([], [], color=INK, linewidth=3.2)]
    names = ["the best settings"]
    inside = view.said.inside
    if inside is not None and not inside[codes].all():
        around = list(_borders(inside[codes], *edges))
        picture.add_collection(LineCollection(around, colors=PAPER, linewidths=2.2, alpha=0.6))
        picture.add_collection(LineCollection(around, colors=INK, linewidths=0.9, linestyles=":"))
        handles.append(Line2D([], [], color=INK, linewidth=0.9, linestyle=":"))
        names.append("not shown to be worse")
    for mark in view.marks:
        marker, colour = MARKERS.get(mark.name, REFERENCE_MARKER)
        at = [mark.setting[axis.name] for axis in (across, up)]
        handles += picture.plot(
            *at, marker, color=colour, markersize=13, markeredgecolor=PAPER, linestyle="none", clip_on=False
        )
        names.append(mark.name)
    picture.set(xlabel=fit(across.name, 8.0, TEXT_SIZE), ylabel=fit(up.name, 3.0, TEXT_SIZE))
    picture.set(xlim=(edges[0][0], edges[0][-1]), ylim=(edges[1][0], edges[1][-1]))
    picture.grid(visible=False)
    legend(picture, handles, names)
    return drawn.figure


def window(view: SurfaceView, axis: int) -> NDArray[np.float64]:
    """Return the cuts of an axis as the picture has them: those far from all others at its edge.

    The middle of the cuts, the best settings and every mark are inside.
    """
    laid = view.folder.surface.overlay
    values = np.array([cut.value for cut in laid.cuts[axis]])
    known = values[np.isfinite(values)]
    middle = np.percentile(known, _MIDDLE).tolist() if len(known) else []
    ends = [cut.value for box in view.said.best.boxes for cut in box[axis] if np.isfinite(cut.value)]
    wanted = [*middle, *ends, *(mark.setting[laid.axes[axis].name] for mark in view.marks)]
    low, high = min(wanted), max(wanted)
    pad = 0.06 * (high - low) or max(abs(low), 1.0) / 10
    return np.asarray(np.clip(values, low - pad, high + pad), dtype=np.float64)


def _title(view: SurfaceView, axes: tuple[int, int]) -> str:
    template = view.folder.template
    others = [name for at, name in enumerate(template.names) if at not in axes]
    told = ", ".join(f"{name} = {view.said.best.setting[name]:g}" for name in others)
    return f"Every setting of {template.text}" + (f", with {told}" if told else "")


def _finding(view: SurfaceView, codes: NDArray[np.int64]) -> str:
    inside = view.said.inside
    shown = len(np.unique(codes))
    told = f"Settings of {shown:,} kinds: within one, all act the same in every life"
    if inside is None:
        return f"{told}; below 5 seeds none is shown to be worse than another."
    return f"{told}; {inside[np.unique(codes)].sum():,} of them are not shown to be worse than the best."


def _plane(view: SurfaceView, axes: tuple[int, int]) -> NDArray[np.int64]:
    """Return the class of every cell of two axes, through the best setting along the others: [across, up].

    The first of the two axes comes before the second.
    """
    laid = view.folder.surface.overlay
    places: list[Any] = [
        slice(None) if at in axes else span_of(view, at, view.said.best.setting) for at in range(len(laid.axes))
    ]
    return np.asarray(laid.codes[tuple(places)])


def span_of(view: SurfaceView, axis: int, setting: Setting) -> int:
    """Return the number of the span that has the number of a setting on an axis."""
    laid = view.folder.surface.overlay
    return laid.span_after(axis, Cut(setting[laid.axes[axis].name], is_after=False))


def _borders(
    mask: Mask, x: NDArray[np.float64], y: NDArray[np.float64]
) -> Iterator[tuple[tuple[float, float], tuple[float, float]]]:
    """Yield the sides of cells where a mask begins or ends."""
    padded = np.pad(mask, 1)
    for across, up in product(range(mask.shape[0] + 1), range(mask.shape[1])):
        if padded[across, up + 1] != padded[across + 1, up + 1]:
            yield (x[across], y[up]), (x[across], y[up + 1])
    for across, up in product(range(mask.shape[0]), range(mask.shape[1] + 1)):
        if padded[across + 1, up] != padded[across + 1, up + 1]:
            yield (x[across], y[up]), (x[across + 1], y[up])
