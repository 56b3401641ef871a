"""The trigger's ROC: how soon a threshold detects, against how often it cries wolf."""

from collections.abc import Mapping

from matplotlib import colormaps
from matplotlib.figure import Figure

from reports.board import draw_interval
from reports.families import Setting, SettingFamily
from reports.style import INK, MUTED, chart, legend, sheet
from sim.study.comparison.boards import Board, ScoreEstimate
from sim.study.scores.table import Score

_HEIGHT = 4.4


def family_scores(family: SettingFamily, board: Board, score: Score) -> list[tuple[Setting, ScoreEstimate]]:
    """Return the settings of a family that have a score on a board."""
    rows = {row.policy: row for row in board.policies}
    found = [(each, rows[each.policy].estimate(score)) for each in family.settings if each.policy in rows]
    return [(setting, estimate) for setting, estimate in found if estimate is not None]


@chart
def trigger_roc_chart(family: SettingFamily, board: Board, caption: str) -> Figure:
    """Draw false alarms a year and days to detection at each threshold of one rule; low and left is better."""
    alarms = dict(family_scores(family, board, Score.FALSE_ALARMS_PER_YEAR))
    days = dict(family_scores(family, board, Score.DETECTION_DAYS))
    both = [setting for setting in family.settings if setting in alarms and setting in days]
    page = sheet(f"The trigger {family.text}: soon, or seldom wrong", _finding(both, alarms, days), caption, _HEIGHT)
    axes = page.body.subplots()
    x, y = [alarms[setting].value for setting in both], [days[setting].value for setting in both]
    for setting in both:
        at = (alarms[setting].value, days[setting].value)
        draw_interval(axes, *at, days[setting], MUTED, is_upright=True)
        draw_interval(axes, *at, alarms[setting], MUTED)
    line = axes.plot(x, y, color=INK, linewidth=1.0, zorder=2)[0]
    points = axes.scatter(
        x, y, c=[setting.value for setting in both], cmap=colormaps["cividis"], s=60, zorder=3, edgecolors=INK
    )
    axes.set(xlabel="false alarms in a year without drift", ylabel="days to detection")
    axes.margins(0.08)
    if both:
        bar = page.body.colorbar(points, ax=axes, pad=0.01, label="x")
        bar.ax.locator_params(nbins=6)
        legend(axes, [line], [f"{len(both)} thresholds, in order"], 5.0)
    return page.figure


def _finding(
    settings: list[Setting], alarms: Mapping[Setting, ScoreEstimate], days: Mapping[Setting, ScoreEstimate]
) -> str:
    if not settings:
        return "No setting has both a detection time and a rate of false alarms."
    first, last = settings[0], settings[-1]
    return (
        f"At {first.value:g} it cries wolf {alarms[first].value:.1f} times a year and detects after "
        f"{days[first].value:.0f} days; at {last.value:g}, {alarms[last].value:.1f} times and "
        f"{days[last].value:.0f} days."
    )
