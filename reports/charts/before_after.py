"""Before and after: F1 and money by step under two policies in the same worlds, with a band over seeds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from reports.amounts import difference_words, thousands_words
from reports.caption import onset_words, seeds_words, source
from reports.history import RECORDED
from reports.steps import mark_onset, step_axis
from reports.style import BLUE, LINES, NO_VALUE, RED, chart, legend, sheet
from scenarios.schema import Scenario
from sim.study.comparison.boards import NOTHING, Difference, ends_of
from sim.study.inference.contests import Floats, mean_interval
from sim.study.inference.one_past import over_customers
from sim.study.scores.monthly import Monthly, net_value, net_values

_HEIGHT = 5.6
_THOUSAND = 1000


@dataclass(frozen=True, slots=True)
class Side:
    """The lives of one policy, in the order of `seeds`, which both sides share.

    `resampled` are those of a history in resamples of its customers, for two lucks; none elsewhere.
    """

    policy: str
    lives: tuple[Monthly, ...]
    resampled: tuple[tuple[Monthly, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Band:
    """Mean and 95 % interval at each step; `nan` where missing, and below five seeds no interval."""

    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def band(side: Side, values: Callable[[Monthly], Sequence[float | None]]) -> Band:
    """Return mean and t interval over seeds of what `values` gives of a life at each step.

    Of a history the interval is over its customers too (`sim.study.inference.one_past`).
    """
    own = _matrix(side.lives, values)
    known = [column[~np.isnan(column)] for column in own.T]
    mean = np.array([column.mean() if len(column) else np.nan for column in known])
    spread = own
    if side.resampled:
        spread = over_customers(own, np.stack([_matrix(lives, values) for lives in side.resampled]))
    intervals = [mean_interval(column) for column in spread.T]
    low = np.array([np.nan if interval is None else interval.low for interval in intervals])
    high = np.array([np.nan if interval is None else interval.high for interval in intervals])
    return Band(mean, low, high)


def _matrix(lives: Sequence[Monthly], values: Callable[[Monthly], Sequence[float | None]]) -> Floats:
    """Return what `values` gives of each life: a row for each seed, `nan` where missing."""
    return np.array([values(life) for life in lives], dtype=np.float64)


def money_so_far(life: Monthly, scenario: Scenario) -> list[float]:
    """Return the expected net value from step 0 up to each step, in thousands."""
    return [value / _THOUSAND for value in accumulate(net_values(life, scenario.prices))]


@chart
def before_after_chart(
    before: Side,
    after: Side,
    scenario: Scenario,
    seeds: Sequence[int],
    population: str,
    gates: str,
    gain: Difference = NOTHING,
    is_history: bool = False,
) -> Figure:
    """Draw both sides: F1 by step, and the net value so far.

    Parameters
    ----------
    before, after
        The policy of today and the one proposed, in the same worlds.
    scenario
        What was played; its prices make the money.
    seeds
        The seed of each world.
    population, gates
        Named in the caption.
    gain
        What the board says of the difference in net value, if there is one.
    is_history
        Whether it is a recorded past, whose F1 is that on recorded labels.
    """
    where = source(population) if is_history else f"{scenario.name} on {source(population)}"
    when = RECORDED if is_history else onset_words(scenario)
    caption = (
        f"Source: the same customers, outcomes and delays for both; {where}; gates {gates}; {when}; "
        f"{seeds_words(seeds, is_of_one_past=bool(before.resampled))}. Triangles: retrainings asked for, first seed."
    )
    page = sheet("Before and after", _finding(before, after, scenario, gain), caption, _HEIGHT)
    quality, money = page.body.subplots(2, 1, sharex=True)
    handles: list[tuple[Artist, str]] = []
    for side, colour, (_, line, marker) in zip((before, after), (RED, BLUE), (LINES[1], LINES[0]), strict=True):
        look = (colour, line, marker)
        handles.append((_draw_band(quality, band(side, lambda life: life.f1), look), side.policy))
        _draw_band(money, band(side, lambda life: money_so_far(life, scenario)), look)
        asked = side.lives[0].requested if side.lives else ()
        offset = 0.03 if side is before else 0.09
        quality.plot(asked, [offset] * len(asked), "v", color=colour, markersize=5, label=NO_VALUE)
    quality.set(ylabel="F1, recorded labels" if is_history else "true F1", ylim=(0, 1))
    money.set_ylabel(f"net value so far\n({thousands_words(scenario.prices.currency)})")
    money.yaxis.set_major_formatter("{x:,.0f}")
    onset = mark_onset(quality, scenario)
    mark_onset(money, scenario)
    legend(quality, [h for h, _ in [*handles, *onset]], [n for _, n in [*handles, *onset]])
    step_axis(quality, scenario, len(before.lives[0].f1) if before.lives else 0, with_label=False)
    step_axis(money, scenario, len(before.lives[0].f1) if before.lives else 0)
    page.body.align_ylabels()
    return page.figure


def _draw_band(axes: Axes, shown: Band, look: tuple[str, str, str]) -> Artist:
    colour, line, marker = look
    steps = np.arange(len(shown.mean))
    if not np.isnan(shown.low).all():
        axes.fill_between(steps, shown.low, shown.high, color=colour, alpha=0.22, linewidth=0)
    every = max(1, len(steps) // 12)
    return axes.plot(steps, shown.mean, color=colour, linestyle=line, marker=marker, markevery=every, markersize=4.5)[
        0
    ]


def _finding(before: Side, after: Side, scenario: Scenario, gain: Difference) -> str:
    onset = scenario.onset_step or 0
    f1 = [_late_f1(side, onset) for side in (before, after)]
    when = "after the onset" if scenario.onset_step is not None else "on average"
    told = f"{after.policy} against {before.policy}: "
    if f1[0] is not None and f1[1] is not None:
        told += f"F1 {when} {f1[1]:.2f} against {f1[0]:.2f}, "
    if not before.lives or not after.lives:
        return told.rstrip(", ") + "."
    return f"{told}net value {_gain_words(before, after, scenario, gain)}."


def _gain_words(before: Side, after: Side, scenario: Scenario, gain: Difference) -> str:
    """Return what the one earns more, with its range: as the board says, or by these lives alone, paired."""
    currency, lives = scenario.prices.currency, len(after.lives)
    if gain.mean is not None:
        mean, ends, why = gain.mean, gain.interval, gain.reason
    else:
        worth = [[net_value(life, scenario.prices) for life in side.lives] for side in (before, after)]
        paired = np.subtract(worth[1], worth[0])
        mean, why = float(paired.mean()), None
        ends = None if after.resampled else ends_of(mean_interval(paired.tolist()))
    told = difference_words(mean, currency, ends)
    if ends is not None:
        told = told.replace(" (", " (95 % interval ", 1)
        return f"{told}, which may be luck" if ends[0] <= 0 <= ends[1] else told
    if lives == 1:
        return f"{told} in this one life"
    return f"{told} on average over {lives} lives, with no range{f': {why}' if why else ''}"


def _late_f1(side: Side, onset: int) -> float | None:
    known = [value for life in side.lives for value in life.f1[onset:] if value is not None]
    return float(np.mean(known)) if known else None
