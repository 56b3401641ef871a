"""Critical difference: which policies' mean ranks can be told apart."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from reports.board import MOST_ROWS
from reports.style import BLUE, INK, MUTED, RED, SMALL_SIZE, chart, legend, sheet
from reports.text import fit
from sim.study.comparison.boards import Board

_ROW_INCHES = 0.27


def cliques(ranks: list[float], difference: float) -> list[tuple[int, int]]:
    """Return the first and last of each largest group of ascending ranks that lie within the critical difference.

    >>> cliques([1.0, 1.5, 2.2, 4.0], 1.0)
    [(0, 1), (1, 2)]
    """
    found: list[tuple[int, int]] = []
    for first, lowest in enumerate(ranks):
        last = max(index for index, rank in enumerate(ranks) if rank - lowest <= difference)
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return found


@chart
def rank_chart(board: Board, caption: str) -> Figure:
    """Draw each policy's mean rank by net value, with a bar over each group that can't be told apart (Nemenyi).

    Demsar, Statistical comparisons of classifiers over multiple data sets, JMLR 7, 2006. Of many policies the best
    24 are drawn.
    """
    rows = [(row.mean_rank, row.policy) for row in board.policies if row.mean_rank is not None]
    rows = sorted(rows)[:MOST_ROWS]
    difference = board.critical_difference
    groups = cliques([rank for rank, _ in rows], difference) if difference is not None else []
    finding = _finding(rows, difference)
    height = max(2.0, (len(rows) + len(groups)) * _ROW_INCHES + 1.0)
    page = sheet("Ranks, and what can't be told apart", finding, caption, height)
    axes = page.body.subplots()
    ranks = [rank for rank, _ in rows]
    dots = axes.plot(ranks, np.arange(len(rows)), "o", color=BLUE, markersize=7)[0]
    handles: list[Any] = [dots]
    names = ["mean rank by net value over seeds (1 is best)"]
    for number, (first, last) in enumerate(groups):
        y = len(rows) + number
        bar = axes.plot([ranks[first], ranks[last]], [y, y], color=INK, linewidth=5, solid_capstyle="butt")[0]
        if not number:
            handles, names = [*handles, bar], [*names, "can't be told apart"]
    if difference is not None and ranks:
        ruler = axes.plot([1, 1 + difference], [-1, -1], color=RED, linewidth=2, marker="|", markersize=9)[0]
        handles, names = [*handles, ruler], [*names, f"critical difference: {difference:.1f}"]
    axes.set(yticks=range(len(rows)), yticklabels=[fit(name, 3.2, SMALL_SIZE) for _, name in rows])
    axes.set_ylim(len(rows) + len(groups) - 0.4, -1.7)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=10, integer=True, min_n_ticks=1))
    axes.set_xlabel("mean rank")
    axes.hlines(np.arange(len(rows)), 0, 1, transform=axes.get_yaxis_transform(), color=MUTED, linewidth=0.4)
    axes.grid(visible=False, axis="y")
    legend(axes, handles, names)
    return page.figure


def _finding(rows: list[tuple[float, str]], difference: float | None) -> str:
    if not rows or difference is None:
        return "There are no ranks: the seeds are too few, or the policies."
    best, name = rows[0]
    alike = [other for rank, other in rows[1:] if rank - best <= difference]
    told = f"{name} ranks best, {best:.1f} on average"
    if not alike:
        return f"{told}, and can be told from all others."
    return f"{told}; {len(alike)} of {len(rows) - 1} others can't be told from it."
