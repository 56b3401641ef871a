"""One style for all charts: colours that the colour-blind can tell apart, sizes for slides and print, room for text.

A chart is a function that ends with a figure and is marked with `@chart`. Nothing here touches pyplot.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, ParamSpec

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.container import Container
from matplotlib.figure import Figure, SubFigure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from reports.text import FONT, clean, text_width, wrap

# Okabe and Ito, Color Universal Design, 2008
BLUE, ORANGE, GREEN, RED, PURPLE, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"
INK, MUTED, MISSING, GRID, SHADE, PAPER = "#1A1A1A", "#595959", "#B0B0B0", "#DADADA", "#F0F0F0", "#FFFFFF"
LINES = (
    (BLUE, "-", "o"),
    (RED, "--", "s"),
    (GREEN, "-.", "^"),
    (PURPLE, ":", "D"),
    (ORANGE, "-", "v"),
    (SKY, "--", "P"),
    (INK, "-.", "X"),
)
"""Colour, line and marker of each series; any two differ in all three, so that print without colour will do."""

WIDTH = 10.0
"""Inches; every chart is as wide, so that texts have one size on a page."""
MARGIN = 0.15
TITLE_SIZE, FINDING_SIZE, TEXT_SIZE, SMALL_SIZE, CAPTION_SIZE = 15.0, 11.5, 10.5, 9.5, 8.5
_LINE_HEIGHT = 1.3
_LINES_A_LABEL = 2
_HANDLE_INCHES = 0.55

STYLE: dict[Any, Any] = {
    "font.family": FONT,
    "font.size": TEXT_SIZE,
    "text.color": INK,
    "text.parse_math": False,  # a dollar in a policy's name is a dollar
    "axes.labelsize": TEXT_SIZE,
    "axes.titlesize": TEXT_SIZE,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.labelsize": SMALL_SIZE,
    "ytick.labelsize": SMALL_SIZE,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.fontsize": SMALL_SIZE,
    "legend.frameon": False,
    "lines.linewidth": 2.0,
    "lines.markersize": 5.0,
    "hatch.linewidth": 0.8,
    "figure.dpi": 100,
    "svg.hashsalt": "retrainlab",
    "svg.fonttype": "path",
}

_Arguments = ParamSpec("_Arguments")


def chart(draw: Callable[_Arguments, Figure]) -> Callable[_Arguments, Figure]:
    """Let a function draw in this style, and fix the layout of its figure once and for all."""

    @wraps(draw)
    def drawn(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> Figure:
        with mpl.rc_context(STYLE):
            figure = draw(*args, **kwargs)
            engine = figure.get_layout_engine()
            if engine is not None:
                engine.execute(figure)
                figure.set_layout_engine("none")
        return figure

    return drawn


@dataclass(frozen=True, slots=True)
class Sheet:
    """A figure with its title and caption set, and the body between them to draw in, a margin away from the edges."""

    figure: Figure
    body: SubFigure


def sheet(title: str, finding: str, caption: str, height: float) -> Sheet:
    """Return a figure with a title, what it shows in one sentence, a body of `height` inches, and a caption.

    Title and finding become the figure's label, which is its alternative text wherever it is shown.
    """
    width = WIDTH - 2 * MARGIN
    titles = wrap(title, width, TITLE_SIZE, bold=True)
    findings = wrap(finding, width, FINDING_SIZE) if finding else []
    captions = wrap(caption, width, CAPTION_SIZE)
    head = MARGIN + _height(titles, TITLE_SIZE) + _height(findings, FINDING_SIZE) + 0.08
    foot = MARGIN + _height(captions, CAPTION_SIZE)
    whole = head + height + foot
    figure = Figure(figsize=(WIDTH, whole), layout=ConstrainedLayoutEngine(w_pad=0.04, h_pad=0.05), facecolor=PAPER)
    figure.set_label(". ".join(clean(text).rstrip(".") for text in (title, finding) if text) + ".")
    ratios = {"height_ratios": (head, height, foot), "width_ratios": (MARGIN, width, MARGIN)}
    body = figure.add_subfigure(figure.add_gridspec(3, 3, hspace=0.0, wspace=0.0, **ratios)[1, 1])
    _write(figure, titles, whole - MARGIN, TITLE_SIZE, whole, weight="bold")
    _write(figure, findings, whole - MARGIN - _height(titles, TITLE_SIZE), FINDING_SIZE, whole)
    _write(figure, captions, foot - 0.05, CAPTION_SIZE, whole, color=MUTED)
    return Sheet(figure, body)


NO_VALUE = "_no value"
"""The label of a line whose place says nothing along one of its axes, so that no value is told of it."""


def legend(
    axes: Axes, handles: Sequence[Artist | Container], labels: Sequence[str], width: float = WIDTH - 1.0
) -> None:
    """Put a legend above the axes, in as many columns as `width` inches allow; long labels are broken or cut."""
    if not handles:
        return
    for handle, label in zip(handles, labels, strict=True):
        handle.set_label(label)  # what a reader is told who points at a value
    room = width - _HANDLE_INCHES
    told = ["\n".join(wrap(label, room, SMALL_SIZE, most_lines=_LINES_A_LABEL)) for label in labels]
    widest = max(text_width(line, SMALL_SIZE) for label in told for line in label.split("\n"))
    columns = max(1, min(len(told), int(width / (widest + _HANDLE_INCHES))))
    axes.legend(
        list(handles),
        told,
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=columns,
        borderaxespad=0.3,
        borderpad=0.0,
        handlelength=2.2,
        columnspacing=1.2,
    )


def _height(lines: Sequence[str], size: float) -> float:
    return len(lines) * size * _LINE_HEIGHT / 72


def _write(figure: Figure, lines: Sequence[str], top: float, size: float, whole: float, **how: Any) -> None:
    if lines:
        figure.text(
            MARGIN / WIDTH, top / whole, "\n".join(lines), va="top", fontsize=size, linespacing=_LINE_HEIGHT, **how
        )
