"""Drift with action: how far each feature moved, step by step, and what was decided meanwhile."""

from typing import Literal

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from reports.caption import record_caption
from reports.steps import events, mark_events, mark_onset, step_axis
from reports.style import MISSING, SMALL_SIZE, chart, legend, sheet
from reports.text import fit
from sim.mlops.records.record import Record

Measure = Literal["psi", "ks_p"]
_LEVELS: dict[Measure, tuple[float, ...]] = {
    "psi": (0.0, 0.05, 0.1, 0.25, 0.5, 1.0),
    "ks_p": (0.0, 0.001, 0.01, 0.05, 0.2, 1.0),
}
_NAMES: dict[Measure, str] = {"psi": "PSI", "ks_p": "KS p-value"}
_ROW_INCHES = 0.215


def drift_matrix(record: Record, measure: Measure = "psi") -> tuple[list[str], NDArray[np.float64]]:
    """Return the features, and a row for each with the measure in every step; `nan` where it is missing."""
    names = list(dict.fromkeys(feature.name for row in record.steps for feature in row.drift))
    matrix = np.full((len(names), len(record.steps)), np.nan)
    place = {name: index for index, name in enumerate(names)}
    for column, row in enumerate(record.steps):
        for feature in row.drift:
            value = getattr(feature, measure)
            matrix[place[feature.name], column] = np.nan if value is None else value
    known = ~np.isnan(matrix).all(axis=1)
    return [name for name, is_known in zip(names, known, strict=True) if is_known], matrix[known]


@chart
def drift_chart(record: Record, measure: Measure = "psi") -> Figure:
    """Draw a heat map of features and steps, with requests, promotions and rejections above it."""
    names, matrix = drift_matrix(record, measure)
    height = max(2.6, len(names) * _ROW_INCHES + 1.7)
    page = sheet(
        "Drift, feature by feature, and what was done",
        _finding(names, matrix, measure),
        record_caption(record, _NOTE),
        height,
    )
    strip, cells = page.body.subplots(2, 1, sharex=True, height_ratios=(0.75, height - 1.3))
    marks = mark_events(strip, events(record))
    levels = _LEVELS[measure]
    is_open = measure == "psi"  # a PSI has no upper limit, a p-value has
    n_colours = len(levels) - 1 + is_open
    shades = colormaps["Blues" if is_open else "Blues_r"](np.linspace(0, 1, n_colours))
    colours = ListedColormap(shades).with_extremes(bad=MISSING)
    norm = BoundaryNorm(levels, n_colours, extend="max" if is_open else "neither")
    image = cells.imshow(
        matrix if matrix.size else np.full((1, len(record.steps)), np.nan),
        aspect="auto",
        cmap=colours,
        norm=norm,
        interpolation="nearest",
    )
    cells.set(yticks=range(len(names)), yticklabels=[fit(name, 1.9, SMALL_SIZE) for name in names])
    onset = mark_onset(cells, record.scenario)
    step_axis(cells, record.scenario, len(record.steps))
    cells.grid(visible=False)
    strip.tick_params(labelbottom=False, bottom=False)
    legend(strip, [h for h, _ in [*marks, *onset]], [n for _, n in [*marks, *onset]], 8.0)
    page.body.colorbar(image, ax=cells, label=_NAMES[measure], pad=0.01, shrink=0.95, ticks=levels)
    return page.figure


_NOTE = (
    "Each batch is compared with the recent rows that its champion was trained on, so a promotion starts anew. "
    "Grey: missing."
)


def _finding(names: list[str], matrix: NDArray[np.float64], measure: Measure) -> str:
    if not matrix.size:
        return "No feature was measured."
    extreme = np.nanargmax(matrix) if measure == "psi" else np.nanargmin(matrix)
    row, step = np.unravel_index(extreme, matrix.shape)
    word = "largest" if measure == "psi" else "smallest"
    above = int((matrix > 0.25).sum()) if measure == "psi" else int((matrix < 0.01).sum())
    limit = "above 0.25" if measure == "psi" else "below 0.01"
    return (
        f"The {word} {_NAMES[measure]} was {matrix[row, step]:.2g} ({names[row]}, step {step}); {above:,} of "
        f"{matrix.size:,} values were {limit}."
    )
