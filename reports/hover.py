"""Hover values: where in a picture each value is drawn, and what it is in words, for the page to tell."""

from collections.abc import Iterator, Mapping
from itertools import islice

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.category import StrCategoryFormatter
from matplotlib.colors import to_hex
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator

from reports.amounts import number_words
from reports.style import NO_VALUE

Spot = tuple[float, float, str]
"""A value of a picture: how far it is from the left and from the top, as shares of its size, and its words."""

Look = tuple[str, str]
"""The colour and marker of a line, by which a panel without a legend shares that of another."""

Names = Mapping[Look, str]

_MOST = 600
_PLACES = 4


def spots(figure: Figure) -> list[Spot]:
    """Return the values that a figure shows as points of lines and as bars, at most 600, in the order drawn."""
    names = {
        _look(line): name for axes in figure.axes for line in axes.lines if (name := _name(str(line.get_label())))
    }
    found = (spot for axes in figure.axes for spot in _axes_spots(figure, axes, names))
    return list(islice(found, _MOST))


def _axes_spots(figure: Figure, axes: Axes, names: Names) -> Iterator[Spot]:
    for x, y, at, name in (*_points(axes, names), *_bars(axes)):
        if not np.isfinite([x, y, *at]).all():
            continue
        place = axes.transData.transform(at)
        if not axes.bbox.padded(2).contains(*place):
            continue
        across, up = place / (figure.bbox.width, figure.bbox.height)
        told = (name, *(_told(axes, which, value) for which, value in (("x", x), ("y", y))))
        yield round(float(across), _PLACES), round(1 - float(up), _PLACES), "; ".join(filter(None, told))


def _points(axes: Axes, names: Names) -> Iterator[tuple[float, float, tuple[float, float], str]]:
    """Yield x, y, place and name of each point of each line that is named or has a marker; no line across all."""
    for line in axes.lines:
        name = _name(str(line.get_label())) or names.get(_look(line), "")
        is_told = line.get_label() != NO_VALUE and (name or _is_marked(line))
        if line.get_transform() != axes.transData or not is_told:
            continue
        for x, y in zip(*(np.asarray(each, dtype=float) for each in line.get_data(orig=False)), strict=True):
            yield x, y, (x, y), name


def _bars(axes: Axes) -> Iterator[tuple[float, float, tuple[float, float], str]]:
    """Yield x, y, place and name of each bar: its length is its value, wherever it begins."""
    for bars in axes.containers:
        if not isinstance(bars, BarContainer):
            continue
        for bar in bars:
            middle = (bar.get_x() + bar.get_width() / 2, bar.get_y() + bar.get_height() / 2)
            is_upright = bars.orientation == "vertical"
            x, y = (middle[0], bar.get_height()) if is_upright else (bar.get_width(), middle[1])
            if x and y:
                yield x, y, middle, _name(str(bars.get_label()))


def _is_marked(line: Line2D) -> bool:
    return line.get_marker() not in {None, "None", "", " "}


def _look(line: Line2D) -> Look:
    return to_hex(line.get_color()), str(line.get_marker())


def _name(label: str) -> str:
    return "" if label.startswith("_") else " ".join(label.split())


def _told(axes: Axes, which: str, value: float) -> str:
    """Return a value along an axis in words: that of its tick, or its number behind what the axis is called."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    said = _tick_words(axis, value)
    if said:
        return said
    siblings = (axes.get_shared_x_axes() if which == "x" else axes.get_shared_y_axes()).get_siblings(axes)
    own = axis.get_label_text()
    label = own or next((each for one in siblings if (each := getattr(one, f"get_{which}label")())), "")
    return f"{' '.join(label.split())}: {number_words(value)}" if label else ""


def _tick_words(axis: Axis, value: float) -> str:
    """Return the words of the tick at a value, nothing where it has no words or no tick is there."""
    formatter, locator = axis.get_major_formatter(), axis.get_major_locator()
    if isinstance(formatter, StrCategoryFormatter):
        return " ".join(str(formatter(round(value))).split())
    if not isinstance(locator, FixedLocator):
        return ""
    near = [tick for tick in locator() if np.isclose(tick, value)]
    words = " ".join(str(formatter(near[0], 0)).split()) if near else ""
    return words if any(character.isalpha() for character in words) else ""
