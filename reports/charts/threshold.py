"""Regret by threshold of one trigger: the best setting, and the proposal's."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from reports.amounts import money_words, thousands_words
from reports.charts.trigger_roc import family_scores
from reports.families import Setting, SettingFamily, proposed_setting
from reports.style import BLUE, GREEN, INK, RED, TEXT_SIZE, chart, legend, sheet
from reports.text import fit
from sim.study.comparison.boards import Board, ScoreEstimate
from sim.study.scores.table import Score

_HEIGHT = 4.0
_THOUSAND = 1000


@chart
def threshold_chart(family: SettingFamily, board: Board, caption: str, currency: str = "") -> Figure:
    """Draw the mean regret at each threshold with its interval; net value where the board has no regret."""
    found = family_scores(family, board, Score.REGRET)
    is_regret = bool(found)
    if not is_regret:
        found = family_scores(family, board, Score.NET_VALUE)
    best = _best(found, is_regret=is_regret)
    finding = _finding(best, found, currency, is_regret=is_regret)
    page = sheet(f"The threshold of {family.text}", finding, caption, _HEIGHT)
    axes = page.body.subplots()
    x = [setting.value for setting, _ in found]
    low, high = (
        [np.nan if end is None else end / _THOUSAND for end in ends]
        for ends in ([each.low for _, each in found], [each.high for _, each in found])
    )
    handles: list[Any] = []
    if not np.isnan(low).all():
        handles.append(axes.fill_between(x, low, high, color=BLUE, alpha=0.22, linewidth=0))
    handles += axes.plot(x, [each.value / _THOUSAND for _, each in found], "-o", color=BLUE)
    names = ["95 % interval", "mean over seeds"][-len(handles) :]
    if best is not None:
        star = axes.plot([best[0].value], [best[1].value / _THOUSAND], "*", color=GREEN, markersize=16, zorder=4)
        handles, names = [*handles, *star], [*names, f"best: {best[0].value:g}"]
    proposed = proposed_setting(family)
    if proposed is not None:
        line = axes.axvline(proposed, color=RED, linestyle="--", linewidth=1.5)
        handles, names = [*handles, line], [*names, f"the proposal's: {proposed:g}"]
    axes.set(
        xlabel=fit(f"x in {family.text}", 8.0, TEXT_SIZE),
        ylabel=f"{'regret' if is_regret else 'net value'} ({thousands_words(currency)})",
    )
    axes.yaxis.set_major_formatter("{x:,.0f}")
    if is_regret:
        axes.axhline(0, color=INK, linewidth=0.8)
    axes.margins(0.08)
    legend(axes, handles, names)
    return page.figure


def _best(found: Sequence[tuple[Setting, ScoreEstimate]], *, is_regret: bool) -> tuple[Setting, ScoreEstimate] | None:
    return min(found, key=lambda pair: pair[1].value if is_regret else -pair[1].value, default=None)


def _finding(
    best: tuple[Setting, ScoreEstimate] | None,
    found: Sequence[tuple[Setting, ScoreEstimate]],
    currency: str,
    *,
    is_regret: bool,
) -> str:
    if best is None:
        return "No setting has a score."
    setting, estimate = best
    name = "regret" if is_regret else "net value"
    ends = None if estimate.low is None or estimate.high is None else (estimate.low, estimate.high)
    amount = money_words(estimate.value, currency, ends)
    told = f"The best of {len(found)} settings is {setting.value:g}, with a {name} of {amount}"
    if estimate.low is None or estimate.high is None:
        return f"{told}; the seeds are too few for an interval."
    alike = sum(
        each.low is not None and each.high is not None and each.low <= estimate.high and each.high >= estimate.low
        for other, each in found
        if other != setting
    )
    return f"{told}; the intervals of {alike} others overlap its own."
