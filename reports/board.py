"""What charts read of a leaderboard's board: means, intervals, and the looks and names of many policies."""

from collections.abc import Sequence

from matplotlib.artist import Artist
from matplotlib.axes import Axes

from reports.style import LINES, SMALL_SIZE
from reports.text import fit
from sim.study.comparison.boards import Board, BoardRow, ScoreEstimate
from sim.study.scores.table import Score

MOST_ROWS = 24
ORACLE = "oracle"
"""The policy that knows the future: a bound, none to choose."""
_MOST_ENTRIES = 18


def ordered(board: Board, score: Score, *, descending: bool = True) -> list[BoardRow]:
    """Return the policies that have a score, best or smallest first."""
    rows = [(estimate.value, row) for row in board.policies if (estimate := row.estimate(score)) is not None]
    return [row for _, row in sorted(rows, key=lambda pair: -pair[0] if descending else pair[0])]


def draw_interval(
    axes: Axes, x: float, y: float, estimate: ScoreEstimate, colour: str, *, is_upright: bool = False
) -> None:
    """Draw an interval through a point, nothing where there is none."""
    if estimate.low is None or estimate.high is None:
        return
    ends = [estimate.low, estimate.high]
    along, across = ([x, x], ends) if is_upright else (ends, [y, y])
    axes.plot(along, across, color=colour, linewidth=1.6, zorder=2)


def look(index: int) -> tuple[str, str]:
    """Return the colour and marker of one of many points; the first 49 all differ."""
    return LINES[index % 7][0], LINES[(index + index // 7) % 7][2]


def side_legend(axes: Axes, handles: Sequence[Artist], labels: Sequence[str], width: float = 2.7) -> None:
    """Put a legend to the right of the axes; of many entries the first are listed, and the rest counted."""
    for handle, label in zip(handles, labels, strict=True):
        handle.set_label(label)  # what a reader is told who points at a value
    told = [fit(label, width, SMALL_SIZE) for label in labels[:_MOST_ENTRIES]]
    shown = list(handles[:_MOST_ENTRIES])
    if len(labels) > _MOST_ENTRIES:
        told[-1] = f"and {len(labels) - _MOST_ENTRIES + 1} more"
    axes.legend(shown, told, loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0, borderpad=0.0)
