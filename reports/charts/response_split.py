"""The response, split: from the onset to a model that knows the drift, part by part."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from reports.board import MOST_ROWS
from reports.style import BLUE, GREEN, ORANGE, PURPLE, SKY, SMALL_SIZE, chart, legend, sheet
from reports.text import fit
from sim.study.comparison.boards import Board, BoardRow
from sim.study.scores.table import Score

PARTS = (
    (Score.DETECTION_DAYS, "detection", BLUE, ""),
    (Score.RESPONSE_LABEL_WAIT_DAYS, "label wait", ORANGE, "//"),
    (Score.RESPONSE_TRAINING_DAYS, "training", GREEN, ".."),
    (Score.RESPONSE_VALIDATION_DAYS, "validation", PURPLE, "xx"),
    (Score.RESPONSE_APPROVAL_DAYS, "approval", SKY, "\\\\"),
)
_ROW_INCHES = 0.33


@chart
def response_split_chart(board: Board, caption: str) -> Figure:
    """Draw the mean days of each part of the response as stacked bars, the quickest policy first.

    A detection that never came counts as the days to the end; the share of seeds in which it never came stands
    beside the policy's name.
    """
    rows = response_rows(board)[:MOST_ROWS]
    page = sheet("Where the days go", _finding(rows), f"{caption} {_NOTE}", max(2.2, len(rows) * _ROW_INCHES + 1.1))
    axes = page.body.subplots()
    bottom = np.zeros(len(rows))
    bars = []
    for score, _, colour, hatch in PARTS:
        days = np.array([0.0 if (found := row.estimate(score)) is None else found.value for row in rows])
        look: dict[str, Any] = {"color": colour, "hatch": hatch, "edgecolor": "white"}
        bars.append(axes.barh(np.arange(len(rows)), days, 0.7, left=bottom, **look))
        bottom = bottom + days
    axes.set(yticks=range(len(rows)), yticklabels=[fit(_told(row), 3.6, SMALL_SIZE) for row in rows])
    axes.set_ylim(max(len(rows), 1) - 0.5, -0.5)
    axes.set_xlabel("simulated days from the onset (mean over seeds)")
    axes.grid(visible=False, axis="y")
    legend(axes, bars, [name for _, name, _, _ in PARTS], 6.0)
    return page.figure


_NOTE = (
    "Detection that never came counts as the days to the end; the other parts are means over the seeds in which they "
    "ended."
)


def response_rows(board: Board) -> list[BoardRow]:
    """Return the policies that have a response, the quickest in all first."""
    rows = [row for row in board.policies if row.estimate(Score.DETECTION_DAYS) is not None]
    return sorted(rows, key=lambda row: sum(found.value for score, *_ in PARTS if (found := row.estimate(score))))


def _told(row: BoardRow) -> str:
    never = row.never_share[Score.DETECTION_DAYS]
    return f"{row.policy} ({never:.0%} never detected)" if never else row.policy


def _finding(rows: list[BoardRow]) -> str:
    alert = [row for row in rows if (row.never_share[Score.DETECTION_DAYS] or 0) < 1]
    if not alert:
        return "No policy ever detected a drift."
    detected = alert[0].estimate(Score.DETECTION_DAYS)
    return f"{alert[0].policy} is the quickest in all; it detects after {detected.value if detected else 0:.0f} days."
