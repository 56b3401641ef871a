"""What a figure shows, as numbers: so that a stored picture can be told from what would be drawn today."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

_DIGITS = 6


def drawn_numbers(figure: Figure) -> dict[str, Any]:
    """Return what a figure shows: its label, and for each axes the lines, bars, points, images and texts.

    Numbers are rounded to six significant digits; missing ones are `None`.
    """
    return {"label": str(figure.get_label()), "axes": [_axes_numbers(axes) for axes in figure.axes]}


def _axes_numbers(axes: Axes) -> dict[str, Any]:
    bars = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    points = [each for each in axes.collections if isinstance(each, PathCollection)]
    cells = [cell for table in axes.tables for _, cell in sorted(table.get_celld().items())]
    shown = {
        "lines": [[_rounded(line.get_xdata()), _rounded(line.get_ydata())] for line in axes.lines],
        "bars": [_rounded([bar.get_x(), bar.get_y(), bar.get_width(), bar.get_height()]) for bar in bars],
        "points": [_rounded(np.asarray(each.get_offsets()).ravel()) for each in points],
        "images": [
            _rounded(np.ma.filled(np.ma.asarray(each.get_array(), float), np.nan).ravel()) for each in axes.images
        ],
        "texts": [text.get_text() for text in axes.texts] + [cell.get_text().get_text() for cell in cells],
    }
    return {name: values for name, values in shown.items() if values}


def _rounded(values: Any) -> list[float | str | None]:
    listed = np.asarray(values).tolist()
    return [_number(value) if isinstance(value, int | float) else str(value) for value in listed]


def _number(value: float) -> float | None:
    return float(f"{value:.{_DIGITS}g}") if np.isfinite(value) else None
