"""Recovery against the number of retrainings: which policies nobody beats on both."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from reports.board import ORACLE, draw_interval, look, side_legend
from reports.style import INK, MUTED, chart, sheet
from sim.study.comparison.boards import Board, BoardRow
from sim.study.scores.table import Score

_HEIGHT = 4.6


def pareto_front(rows: Sequence[BoardRow]) -> list[BoardRow]:
    """Return the policies that no other beats: none retrains as seldom and recovers more, or as much and more seldom.

    In order of their number of retrainings. Those without a recovery are left out.
    """
    points = []
    for row in rows:
        retrains, recovered = row.estimate(Score.RETRAINS), row.estimate(Score.F1_RECOVERY)
        if retrains is not None and recovered is not None:
            points.append((retrains.value, recovered.value, row))
    return [
        row
        for retrains, recovered, row in sorted(points, key=lambda point: point[:2])
        if not any(
            (less <= retrains and more >= recovered) and (less < retrains or more > recovered)
            for less, more, _ in points
        )
    ]


@chart
def recovery_cost_chart(board: Board, caption: str) -> Figure:
    """Draw each policy's mean number of retrainings and F1 recovery, the Pareto front, and the oracle as a star."""
    front = pareto_front(board.policies)
    known = [row for row in board.policies if row.estimate(Score.RETRAINS) and row.estimate(Score.F1_RECOVERY)]
    rows = [*front, *(row for row in known if row not in front)]  # a legend that is cut lists the front first
    page = sheet("How much recovery a retraining buys", _finding(front), caption, _HEIGHT)
    axes = page.body.subplots()
    handles, names = [], []
    for index, row in enumerate(rows):
        retrains, recovered = row.estimate(Score.RETRAINS), row.estimate(Score.F1_RECOVERY)
        if retrains is None or recovered is None:
            continue
        colour, marker = (INK, "*") if row.policy == ORACLE else look(index)
        draw_interval(axes, retrains.value, recovered.value, recovered, colour, is_upright=True)
        draw_interval(axes, retrains.value, recovered.value, retrains, colour)
        size = 14 if row.policy == ORACLE else 8
        handles += axes.plot([retrains.value], [recovered.value], marker, color=colour, markersize=size, linestyle="")
        names.append(row.policy)
    ends = [(row.estimate(Score.RETRAINS), row.estimate(Score.F1_RECOVERY)) for row in front]
    corners = [(retrains.value, recovered.value) for retrains, recovered in ends if retrains and recovered]
    line = axes.plot(
        [x for x, _ in corners],
        [y for _, y in corners],
        color=MUTED,
        linestyle="--",
        linewidth=1.3,
        zorder=1,
        drawstyle="steps-post",
    )[0]
    axes.set(xlabel="retrainings in a world (mean)", ylabel="F1 recovery (0: never, 1: no delay)")
    axes.margins(0.08)
    if handles:
        side_legend(axes, [line, *handles], ["Pareto front", *names])
    return page.figure


def _finding(front: Sequence[BoardRow]) -> str:
    if not front:
        return "There is no recovery to speak of: nothing drifted, or what could be recovered is within noise."
    told = ", ".join(row.policy for row in front[:4]) + (" and others" if len(front) > 4 else "")
    return f"Nobody beats {told} on both counts."
