"""Diagrams: boxes and arrows with words that stay inside them, in inches."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import SubFigure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from reports.style import INK, MARGIN, MUTED, PAPER, SHADE, SMALL_SIZE, TEXT_SIZE, WIDTH
from reports.text import fit, wrap

_PAD = 0.08
_LINE = 1.25 / 72


@dataclass(frozen=True, slots=True)
class Box:
    """A box by its lower left corner and size, in inches."""

    x: float
    y: float
    width: float
    height: float

    @property
    def left(self) -> tuple[float, float]:
        """The middle of the left side."""
        return self.x, self.y + self.height / 2

    @property
    def right(self) -> tuple[float, float]:
        """The middle of the right side."""
        return self.x + self.width, self.y + self.height / 2

    @property
    def top(self) -> tuple[float, float]:
        """The middle of the upper side."""
        return self.x + self.width / 2, self.y + self.height

    @property
    def bottom(self) -> tuple[float, float]:
        """The middle of the lower side."""
        return self.x + self.width / 2, self.y


class Diagram:
    """The body of a sheet, `height` inches high, to put boxes and arrows in; x counts from the edge of the sheet."""

    def __init__(self, body: SubFigure, height: float) -> None:
        self.axes = body.add_axes((0.0, 0.0, 1.0, 1.0))
        self.axes.set(xlim=(MARGIN, WIDTH - MARGIN), ylim=(0, height))
        self.axes.set_axis_off()

    def box(
        self,
        box: Box,
        heading: str,
        lines: Sequence[str] = (),
        *,
        fill: str = SHADE,
        edge: str = MUTED,
        heading_lines: int = 1,
    ) -> Box:
        """Draw a box with a heading and a line of text for each of `lines`; a line that is too long is cut."""
        patch = FancyBboxPatch(
            (box.x, box.y),
            box.width,
            box.height,
            boxstyle="round,pad=0,rounding_size=0.06",
            facecolor=fill,
            edgecolor=edge,
            linewidth=1.4,
            clip_on=False,
        )
        self.axes.add_patch(patch)
        room = box.width - 2 * _PAD
        headings = wrap(heading, room, TEXT_SIZE, bold=True, most_lines=heading_lines)
        baseline = box.y + box.height - _PAD
        for line in headings:
            baseline -= TEXT_SIZE * _LINE
            self.axes.text(box.x + _PAD, baseline, line, fontsize=TEXT_SIZE, weight="bold")
        for line in lines:
            baseline -= SMALL_SIZE * _LINE + 0.01
            self.axes.text(box.x + _PAD, baseline, fit(line, room, SMALL_SIZE), fontsize=SMALL_SIZE)
        return box

    def arrow(
        self,
        start: tuple[float, float],
        end: tuple[float, float],
        *,
        colour: str = INK,
        is_dashed: bool = False,
        bend: float = 0.0,
    ) -> None:
        """Draw an arrow."""
        self.axes.add_patch(
            FancyArrowPatch(
                start,
                end,
                arrowstyle="-|>",
                mutation_scale=13,
                linewidth=1.5,
                color=colour,
                linestyle="--" if is_dashed else "-",
                shrinkA=1,
                shrinkB=1,
                connectionstyle=f"arc3,rad={bend}",
            )
        )

    def label(
        self, x: float, y: float, text: str, width: float, *, align: str = "center", most_lines: int = 3
    ) -> None:
        """Write a text beside an arrow: its lines centred on (x, y), at most `width` inches wide."""
        lines = wrap(text, width, SMALL_SIZE, most_lines=most_lines)
        self.axes.text(
            x,
            y,
            "\n".join(lines),
            ha=align,
            va="center",
            fontsize=SMALL_SIZE,
            color=INK,
            linespacing=1.25,
            bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 1.0},
        )
