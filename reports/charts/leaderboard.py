"""The leaderboard: what each policy is worth, with intervals."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.amounts import difference_words, thousands_words
from reports.board import MOST_ROWS, ORACLE, draw_interval, ordered
from reports.style import BLUE, GREEN, MUTED, SMALL_SIZE, chart, sheet
from reports.text import fit
from sim.study.comparison.boards import Board, BoardRow, ScoreEstimate
from sim.study.inference.verdicts import Verdict
from sim.study.scores.table import RANKED_BY, Score

_ROW_INCHES = 0.27
_THOUSAND = 1000


@chart
def leaderboard_chart(board: Board, baseline: str, caption: str, currency: str = "") -> Figure:
    """Draw net value and F1 recovery of each policy of a board, the best first; of many the best 24 are drawn.

    Parameters
    ----------
    board
        One board of a leaderboard.
    baseline
        The policy that all others are paired with; it is always drawn.
    caption
        What the numbers rest on.
    currency
        That of the scenarios, nothing where they have several.
    """
    rows = shown_rows(board, baseline)
    height = max(2.2, len(rows) * _ROW_INCHES + 0.8)
    page = sheet("What each policy is worth", answer(board, baseline, currency), caption, height)
    worth, recovery = page.body.subplots(1, 2, sharey=True, width_ratios=(1.35, 1.0))
    _draw(worth, rows, Score.NET_VALUE, BLUE, "o")
    _draw(recovery, rows, Score.F1_RECOVERY, GREEN, "s")
    names = [fit(f"{row.policy}{' (baseline)' * (row.policy == baseline)}", 2.8, SMALL_SIZE) for row in rows]
    worth.set(yticks=range(len(rows)), yticklabels=names, xlabel=f"net value ({thousands_words(currency)})")
    worth.xaxis.set_major_formatter("{x:,.0f}")
    worth.set_ylim(max(len(rows), 1) - 0.5, -0.5)
    recovery.set_xlabel("F1 recovery (0: never, 1: no delay)")
    recovery.axvline(0, color=MUTED, linewidth=0.8)
    recovery.axvline(1, color=MUTED, linewidth=0.8)
    for axes in (worth, recovery):
        axes.grid(visible=False, axis="y")
        axes.locator_params(axis="x", nbins=6)
    return page.figure


def shown_rows(board: Board, baseline: str) -> list[BoardRow]:
    """Return the policies that are drawn: the best by net value, and the baseline in any case."""
    rows = ordered(board, RANKED_BY)
    if len(rows) <= MOST_ROWS:
        return rows
    kept = [row for row in rows[MOST_ROWS:] if row.policy == baseline]
    return [*rows[: MOST_ROWS - len(kept)], *kept]


def _draw(axes: Axes, rows: Sequence[BoardRow], score: Score, colour: str, marker: str) -> None:
    unit = _THOUSAND if score.is_money else 1
    values = np.full(len(rows), np.nan)
    for y, row in enumerate(rows):
        estimate = row.estimate(score)
        if estimate is not None:
            values[y] = estimate.value / unit
            ends = [None if end is None else end / unit for end in (estimate.low, estimate.high)]
            draw_interval(axes, values[y], y, ScoreEstimate(values[y], *ends), colour)
    axes.plot(values, np.arange(len(rows)), marker, color=colour, markersize=6, zorder=3)


def answer(board: Board, baseline: str, currency: str = "") -> str:
    """Return in one sentence which policy is worth most, against the baseline, with its interval."""
    rows = ordered(board, RANKED_BY)
    if not rows:
        return "No policy has a net value: every cell failed."
    best = next((row for row in rows if row.policy != ORACLE), rows[0])
    aside = f"{ORACLE.capitalize()} aside, " if best is not rows[0] else ""
    first = f"{aside}{best.policy} has the highest mean net value"
    against = best.against_baseline[RANKED_BY]
    if best.policy == baseline or against.mean is None:
        return f"{first}."
    if against.verdict is Verdict.SAME:
        return f"{first}, and did the same as {baseline}."
    gain = difference_words(against.mean, currency, against.interval)
    if against.interval is None:
        why = against.reason or "the seeds are too few"
        return f"{first}: {gain} than {baseline}; no interval can be given: {why}."
    told = f"{first}: {gain.replace(' (', f' than {baseline} (95 % interval ', 1)}"
    return f"{told}." if against.verdict is not Verdict.UNTOLD else f"{told}, which may be luck."
