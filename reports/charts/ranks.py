"""Ranks: the place of each policy by net value, with the places that the verdicts leave it."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from reports.board import MOST_ROWS
from reports.style import BLUE, INK, MUTED, SMALL_SIZE, chart, legend, sheet
from reports.text import fit
from sim.study.comparison.boards import Board, Rank

_ROW_INCHES = 0.27


@chart
def rank_chart(board: Board, caption: str) -> Figure:
    """Draw each policy's place by mean net value, with the range of places that the verdicts of the board leave it.

    Of many policies the best 24 are drawn.
    """
    rows = sorted(((row.rank, row.policy) for row in board.policies if row.rank), key=lambda row: row[0].place)
    shown = rows[:MOST_ROWS]
    page = sheet("Ranks, and how sure they are", _finding(rows), caption, max(2.0, len(shown) * _ROW_INCHES + 1.0))
    axes = page.body.subplots()
    heights = np.arange(len(shown))
    reach = axes.hlines(
        heights, [rank.best for rank, _ in shown], [rank.worst for rank, _ in shown], INK, linewidth=3
    )
    dots = axes.plot([rank.place for rank, _ in shown], heights, "o", color=BLUE, markersize=7, zorder=3)[0]
    axes.set(yticks=range(len(shown)), yticklabels=[fit(name, 3.2, SMALL_SIZE) for _, name in shown])
    axes.set_ylim(len(shown) - 0.4, -0.7)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=10, integer=True, min_n_ticks=1))
    axes.set_xlabel("rank")
    axes.hlines(heights, 0, 1, transform=axes.get_yaxis_transform(), color=MUTED, linewidth=0.4)
    axes.grid(visible=False, axis="y")
    legend(axes, [dots, reach], ["rank by mean net value (1 is best)", "places that the verdicts leave (95 %)"])
    return page.figure


def _finding(rows: list[tuple[Rank, str]]) -> str:
    if not rows:
        return "There are no ranks: the seeds are too few, or the policies."
    best, name = rows[0]
    others = len(rows) - 1
    alike = best.worst - 1
    told = f"{name} has the highest mean net value"
    if not alike:
        return f"{told}, and earns more than all others."
    return f"{told}; {alike} of {others} others can't be told from it."
